"""Market events: what the exchange said, in one language for every venue.

Prices are in quote currency, sizes in base currency, times in integer microseconds since the Unix epoch, UTC.
``ts`` is the exchange's time, ``recv`` the time at which our collector received the message; the engine's clock is
``recv``. Evolution rules: new fields last, with a default; a new meaning gets a new type.
"""

from typing import Literal

import msgspec

from schemas.bounds import Amount, Price, Rate, Size, Text, Time, UpdateId

Side = Literal["buy", "sell"]
Channel = Literal["orderbook", "trades", "kline", "ticker", "funding"]
Level = tuple[Price, Size]
"""(price, size); in a delta a size of 0 removes the level."""


class Event(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type"):
    """One record of the ``events`` topic."""


class MarketEvent(Event, frozen=True, gc=False, omit_defaults=True):
    """What one symbol did."""

    symbol: Text
    ts: Time
    recv: Time


class BookSnapshot(MarketEvent, frozen=True, gc=False, omit_defaults=True, tag="book.snapshot"):
    """A whole book. It replaces what was there.

    ``u`` is the venue's update id; ``keyframe`` marks a snapshot that our collector made from its own synchronised
    book, so that a replay can start in the middle of the log.
    """

    u: UpdateId
    bids: list[Level]
    asks: list[Level]
    keyframe: bool = False


class BookDelta(MarketEvent, frozen=True, gc=False, omit_defaults=True, tag="book.delta"):
    """Levels that changed.

    ``prev`` is the update id that the book must have for this delta to follow on; ``u`` the one it has afterwards.
    ``first`` is the first update id inside the delta where a venue bundles several (0: the same as ``u``): the first
    delta after a snapshot may overlap it, ``first <= snapshot.u + 1 <= u + 1``.
    """

    u: UpdateId
    prev: UpdateId
    bids: list[Level]
    asks: list[Level]
    first: UpdateId = 0


class Trade(MarketEvent, frozen=True, gc=False, omit_defaults=True, tag="trade"):
    """One trade; ``side`` is the aggressor's (taker's)."""

    id: Text
    side: Side
    price: Price
    size: Size
    backfilled: bool = False


class Kline(MarketEvent, frozen=True, gc=False, omit_defaults=True, tag="kline"):
    """A one-minute candle that begins at ``start``. It is known, and counts, only when ``closed``."""

    start: Time
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Size
    turnover: Amount = 0.0
    closed: bool = False
    backfilled: bool = False


class Ticker(MarketEvent, frozen=True, gc=False, omit_defaults=True, tag="ticker"):
    """The whole ticker, also where the venue sends only what changed (the connector merges).

    ``funding_rate`` is a fraction per interval; ``next_funding`` a time in microseconds; both are absent on spot.
    """

    last: Price | None = None
    mark: Price | None = None
    index: Price | None = None
    bid: Price | None = None
    bid_size: Size | None = None
    ask: Price | None = None
    ask_size: Size | None = None
    volume_24h: Amount | None = None
    turnover_24h: Amount | None = None
    open_interest: Amount | None = None
    funding_rate: Rate | None = None
    next_funding: Time | None = None


class Funding(MarketEvent, frozen=True, gc=False, omit_defaults=True, tag="funding"):
    """A funding rate from a venue, or a history, that sends it by itself.

    ``settled`` is true for a rate that was paid at ``ts``, false for the current estimate.
    """

    rate: Rate
    next_funding: Time | None = None
    settled: bool = False
    backfilled: bool = False


class Tick(Event, frozen=True, gc=False, omit_defaults=True, tag="tick"):
    """One second passed for the collector. Data, not a timer: it closes the windows of a quiet market."""

    recv: Time


class Gap(MarketEvent, frozen=True, gc=False, omit_defaults=True, tag="gap"):
    """What the collector lost of one channel: everything from ``from`` up to ``to``."""

    channel: Channel
    reason: Text
    start: Time = msgspec.field(name="from")
    end: Time = msgspec.field(name="to")


AnyMarketEvent = BookSnapshot | BookDelta | Trade | Kline | Ticker | Funding | Tick | Gap
"""What collectors write; account and control events join them on ``events`` (``schemas.events``)."""
