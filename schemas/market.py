"""Market events: what the exchange said, in one language for every venue.

Prices are in quote currency, sizes in base currency, times in integer microseconds since the Unix epoch, UTC.
``ts`` is the exchange's time, ``recv`` the time at which our collector received the message; the engine's clock is
``recv``. Evolution rules: new fields last, with a default; a new meaning gets a new type.
"""

from typing import Literal

import msgspec

Side = Literal["buy", "sell"]
Channel = Literal["orderbook", "trades", "kline", "ticker", "funding"]
Level = tuple[float, float]
"""(price, size); in a delta a size of 0 removes the level."""


class Event(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type"):
    """One record of the ``events`` topic."""


class MarketEvent(Event, frozen=True, gc=False, omit_defaults=True):
    """What one symbol did."""

    symbol: str
    ts: int
    recv: int


class BookSnapshot(MarketEvent, frozen=True, gc=False, omit_defaults=True, tag="book.snapshot"):
    """A whole book. It replaces what was there.

    ``u`` is the venue's update id; ``keyframe`` marks a snapshot that our collector made from its own synchronised
    book, so that a replay can start in the middle of the log.
    """

    u: int
    bids: list[Level]
    asks: list[Level]
    keyframe: bool = False


class BookDelta(MarketEvent, frozen=True, gc=False, omit_defaults=True, tag="book.delta"):
    """Levels that changed.

    ``prev`` is the update id that the book must have for this delta to follow on; ``u`` the one it has afterwards.
    ``first`` is the first update id inside the delta where a venue bundles several (0: the same as ``u``): the first
    delta after a snapshot may overlap it, ``first <= snapshot.u + 1 <= u + 1``.
    """

    u: int
    prev: int
    bids: list[Level]
    asks: list[Level]
    first: int = 0


class Trade(MarketEvent, frozen=True, gc=False, omit_defaults=True, tag="trade"):
    """One trade; ``side`` is the aggressor's (taker's)."""

    id: str
    side: Side
    price: float
    size: float
    backfilled: bool = False


class Kline(MarketEvent, frozen=True, gc=False, omit_defaults=True, tag="kline"):
    """A one-minute candle that begins at ``start``. It is known, and counts, only when ``closed``."""

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    turnover: float = 0.0
    closed: bool = False
    backfilled: bool = False


class Ticker(MarketEvent, frozen=True, gc=False, omit_defaults=True, tag="ticker"):
    """The whole ticker, also where the venue sends only what changed (the connector merges).

    ``funding_rate`` is a fraction per interval; ``next_funding`` a time in microseconds; both are absent on spot.
    """

    last: float | None = None
    mark: float | None = None
    index: float | None = None
    bid: float | None = None
    bid_size: float | None = None
    ask: float | None = None
    ask_size: float | None = None
    volume_24h: float | None = None
    turnover_24h: float | None = None
    open_interest: float | None = None
    funding_rate: float | None = None
    next_funding: int | None = None


class Funding(MarketEvent, frozen=True, gc=False, omit_defaults=True, tag="funding"):
    """A funding rate from a venue, or a history, that sends it by itself.

    ``settled`` is true for a rate that was paid at ``ts``, false for the current estimate.
    """

    rate: float
    next_funding: int | None = None
    settled: bool = False
    backfilled: bool = False


class Tick(Event, frozen=True, gc=False, omit_defaults=True, tag="tick"):
    """One second passed for the collector. Data, not a timer: it closes the windows of a quiet market."""

    recv: int


class Gap(MarketEvent, frozen=True, gc=False, omit_defaults=True, tag="gap"):
    """What the collector lost of one channel: everything from ``from`` up to ``to``."""

    channel: Channel
    reason: str
    start: int = msgspec.field(name="from")
    end: int = msgspec.field(name="to")


AnyEvent = BookSnapshot | BookDelta | Trade | Kline | Ticker | Funding | Tick | Gap
"""Every type on ``events``. Account and control events join here; readers treat an unknown type as a dead letter."""
