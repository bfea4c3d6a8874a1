"""The topics of Bybit v5's public WebSocket, and what our symbols are called.

Events are keyed by symbol alone, and BTCUSDT is traded both as a perpetual and at spot: two prices, two books. The
plain name is the derivative's; a spot symbol carries the suffix ``-SPOT``.
"""

from functools import lru_cache
from re import compile as pattern
from typing import NamedTuple

from connectors.frames import BadFrame

SPOT_SUFFIX = "-SPOT"
DEPTHS = frozenset({"1", "50", "200", "500", "1000"})
INTERVALS = frozenset({"1", "3", "5", "15", "30", "60", "120", "240", "360", "720", "D", "W", "M"})
WITH_ARGUMENT = {"orderbook": DEPTHS, "kline": INTERVALS}
PLAIN = frozenset({"publicTrade", "tickers"})

is_symbol = pattern(r"[A-Z0-9][A-Z0-9-]{1,39}").fullmatch


class Topic(NamedTuple):
    """A topic in parts; ``argument`` is the depth of an order book or the interval of a kline, else empty."""

    channel: str
    argument: str
    symbol: str


@lru_cache(maxsize=4096)
def parse_topic(text: str) -> Topic:
    """Take a topic apart.

    Raises:
        BadFrame: when it is none that we know.

    >>> parse_topic("orderbook.200.BTCUSDT")
    Topic(channel='orderbook', argument='200', symbol='BTCUSDT')
    >>> parse_topic("tickers.BTCUSDT").argument
    ''
    """
    channel, *rest = text.split(".")
    if channel in PLAIN and len(rest) == 1 and is_symbol(rest[0]):
        return Topic(channel, "", rest[0])
    if len(rest) == 2 and rest[0] in WITH_ARGUMENT.get(channel, ()) and is_symbol(rest[1]):
        return Topic(channel, rest[0], rest[1])
    raise BadFrame(f"unknown topic {text[:80]!r}")


def our_name(market: str, symbol: str) -> str:
    """The symbol under which events of ``market`` are written.

    >>> our_name("linear", "BTCUSDT"), our_name("spot", "BTCUSDT")
    ('BTCUSDT', 'BTCUSDT-SPOT')
    """
    return symbol + SPOT_SUFFIX if market == "spot" else symbol


def their_name(name: str) -> tuple[str | None, str]:
    """Back again: the market where the name tells it, and the exchange's symbol.

    >>> their_name("BTCUSDT-SPOT"), their_name("BTCUSDT")
    (('spot', 'BTCUSDT'), (None, 'BTCUSDT'))
    """
    if name.endswith(SPOT_SUFFIX):
        return "spot", name.removesuffix(SPOT_SUFFIX)
    return None, name
