"""What came over a wire, and what a parser made of it."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from schemas.market import AnyMarketEvent


class Frame(NamedTuple):
    """One message of an exchange as it came.

    ``venue`` is the exchange (``bybit``, ``binance``), ``conn`` the connection it came over (see ``market_of``),
    ``recv`` the receive time in microseconds UTC.
    """

    venue: str
    conn: str
    recv: int
    data: bytes


class Bad(NamedTuple):
    """What could not be read: the reason, the bytes as they came, and the symbol where it is known."""

    reason: str
    raw: bytes
    symbol: str | None = None


class Parsed(NamedTuple):
    """What one frame holds: events in the order of the frame, and the parts that were refused.

    Both are empty for acknowledgements, pongs and what is left out on purpose (``Parser.ignored`` counts those).
    """

    events: list[AnyMarketEvent]
    bad: list[Bad]


class BadFrame(ValueError):
    """Raised inside a parser: the message makes no sense; ``str()`` is the reason. It never leaves ``parse``."""


class Parser(Protocol):
    """Turns the frames of one venue into events. It keeps what a venue sends only once (a ticker's unchanged fields),
    so frames go in in the order in which they came."""

    @property
    def ignored(self) -> Mapping[str, int]:
        """How many messages were left out on purpose, by kind; for counters, never for decisions."""
        ...

    def parse(self, frame: Frame) -> Parsed:
        """Read one frame. Never raises: what cannot be read is in ``bad``, and the good parts stay in ``events``."""
        ...

    def forget(self, conn: str) -> None:
        """The connection was lost: drop what was remembered of it, because fresh snapshots will come."""
        ...


def market_of(conn: str) -> str:
    """The market that a connection serves; several connections of one market are numbered.

    >>> market_of("linear"), market_of("linear/2")
    ('linear', 'linear')
    """
    return conn.partition("/")[0]


def refused(reason: str, raw: bytes, symbol: str | None = None) -> Parsed:
    """A frame of which nothing could be read. Reasons are cut to 300 characters: they quote what a stranger sent."""
    return Parsed([], [Bad(reason[:300], raw, symbol)])
