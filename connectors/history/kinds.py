"""The raw types that can be asked for, the events that they are, and the sources of features that they serve."""

from collections.abc import Collection, Iterable
from typing import Literal, get_args

from connectors.bybit.offered import available

RawType = Literal["klines", "trades", "orderbook_snapshots", "orderbook_deltas", "ticker", "funding"]
RAW_TYPES: tuple[RawType, ...] = get_args(RawType)
TAGS: dict[RawType, str] = {
    "klines": "kline",
    "trades": "trade",
    "orderbook_snapshots": "book.snapshot",
    "orderbook_deltas": "book.delta",
    "ticker": "ticker",
    "funding": "funding",
}
"""The ``type`` of the events of each."""
SERVES: dict[str, tuple[RawType, ...]] = {
    "orderbook": ("orderbook_snapshots", "orderbook_deltas"),
    "kline": ("klines",),
    "trades": ("trades",),
    "ticker": ("ticker",),
    "funding": ("funding",),
}
"""By source of a feature registry (contracts: features 12)."""


def types_for(sources: Iterable[str]) -> list[RawType]:
    """The raw types that sources of features need, in the order of ``RAW_TYPES``.

    >>> types_for(["kline", "orderbook"])
    ['klines', 'orderbook_snapshots', 'orderbook_deltas']
    """
    needed = {raw for source in sources for raw in SERVES.get(source, ())}
    return [raw for raw in RAW_TYPES if raw in needed]


def parted(types: Collection[str]) -> tuple[list[RawType], dict[RawType, str]]:
    """Those of which the exchange offers the past, and the others with the reason why they cannot be fetched.

    >>> offered, refused = parted(["ticker", "klines"])
    >>> offered, refused["ticker"]
    (['klines'], 'Bybit gives the ticker as it is now and no past ones; collect it live')
    """
    wanted = [raw for raw in RAW_TYPES if raw in types]
    refused = {raw: reason for raw in wanted if (reason := available(raw)) is not None}
    return [raw for raw in wanted if raw not in refused], refused
