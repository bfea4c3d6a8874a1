"""From what a feed yields to records for the log: parse, validate, enrich, place."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from connectors.buffer import Buffer, Pending, gap_record
from connectors.feeds import Item, Lost
from connectors.frames import Frame, Parser
from connectors.log import NewRecord
from connectors.ticks import Ticks
from connectors.validate import check
from connectors.venues import parser_for
from schemas.codec import encode
from schemas.dead import DeadLetter
from schemas.market import AnyMarketEvent, Channel, Gap, Tick
from schemas.topics import DEAD_LETTERS, EVENTS, shard_of

Enrich = Callable[[AnyMarketEvent], list[AnyMarketEvent]]
"""Gives back the event and what is to stand behind it."""

_CHANNEL_OF: dict[str, Channel] = {
    "BookSnapshot": "orderbook",
    "BookDelta": "orderbook",
    "Trade": "trades",
    "Kline": "kline",
    "Ticker": "ticker",
    "Funding": "funding",
}


@dataclass
class Summary:
    """What a collector did so far.

    ``bad`` counts by reason; ``appended`` and ``dropped`` count records of all topics.
    """

    frames: int = 0
    events: dict[str, int] = field(default_factory=Counter)
    bad: dict[str, int] = field(default_factory=Counter)
    appended: int = 0
    dropped: int = 0
    resyncs: int = 0
    seconds: float = 0.0


def alone(event: AnyMarketEvent) -> list[AnyMarketEvent]:
    """Enriches nothing."""
    return [event]


class Collector:
    """Turns items into records in a buffer. The same items give the same records; no clock is read here.

    Args:
        buffer: takes the records.
        shards: of ``events`` and of ``dead-letters``.
        enrich: what stands behind an event, for instance keyframes of the books.
        symbols: whose events are accepted; None: everybody's.
        parser: makes the parser of a venue.
    """

    def __init__(
        self,
        buffer: Buffer,
        shards: int,
        enrich: Enrich = alone,
        symbols: Collection[str] | None = None,
        parser: Callable[[str], Parser] = parser_for,
    ) -> None:
        self.buffer = buffer
        self.shards = shards
        self.enrich = enrich
        self.symbols = None if symbols is None else frozenset(symbols)
        self.parser = parser
        self.parsers: dict[str, Parser] = {}
        self.places: dict[str, tuple[int, bytes]] = {}
        self.ticks = Ticks()
        self.clock = 0
        """The greatest receive time of a frame so far."""
        self.summary = Summary()

    def feed(self, items: Iterable[Item], now: int | None = None) -> None:
        """Take items in order. ``now``: nothing may have been received later than that (microseconds UTC)."""
        for item in items:
            if isinstance(item, Frame):
                self._frame(item, now)
            elif isinstance(item, Lost):
                self._parser(item.venue).forget(item.conn)
            elif reason := check(item, now, self.symbols):
                self._dead("feed", reason, encode(item), item.symbol, item.recv)
            else:
                # After a suspension, or candles that were long in coming, this may be what shows the time.
                self.tick(item.recv)
                self._event(item)

    def missed(self, gaps: Iterable[Gap]) -> None:
        """Put what an earlier session's end left out before the first tick of this one."""
        for gap in gaps:
            self._event(gap)

    def tick(self, now: int) -> None:
        """Append the ticks of the seconds that passed before ``now``."""
        for tick in self.ticks.until(now):
            self._event(tick)

    def finish(self) -> None:
        """The last frame came: end its second, so that its windows close."""
        if self.clock:
            self.tick((self.clock + 999_999) // 1_000_000 * 1_000_000 + 1)

    def _frame(self, frame: Frame, now: int | None) -> None:
        self.summary.frames += 1
        if frame.recv > self.clock:
            self.clock = frame.recv
            self.tick(frame.recv)
        parsed = self._parser(frame.venue).parse(frame)
        for event in parsed.events:
            if reason := check(event, now, self.symbols):
                self._dead(frame.venue, reason, frame.data, getattr(event, "symbol", None), frame.recv)
            else:
                self._event(event)
        for bad in parsed.bad:
            self._dead(frame.venue, bad.reason, bad.raw, bad.symbol, frame.recv)

    def _event(self, event: AnyMarketEvent) -> None:
        """Put an event, and what it brings with it, where it belongs: a tick on every shard."""
        for record in self.enrich(event):
            self.summary.events[str(record.__struct_config__.tag)] += 1
            if isinstance(record, Tick):
                new = NewRecord(None, encode(record), record.recv)
                for shard in range(self.shards):
                    self.buffer.put(Pending(EVENTS.name, shard, new))
                continue
            shard, key = self._place(record.symbol)
            if isinstance(record, Gap):
                self.buffer.put(gap_record(record, shard))
                continue
            new = NewRecord(key, encode(record), record.recv)
            channel = _CHANNEL_OF.get(type(record).__name__)
            self.buffer.put(Pending(EVENTS.name, shard, new, record.symbol, channel, record.recv, record.recv))

    def _dead(self, origin: str, reason: str, raw: bytes, symbol: str | None, recv: int) -> None:
        """Put a refused message on ``dead-letters``, in its symbol's shard where that is known."""
        source = f"collect/{origin}"
        self.summary.bad[_kind(reason)] += 1
        letter = DeadLetter.of(source, reason, raw, recv=recv, symbol=symbol)
        shard = shard_of(symbol, self.shards) if symbol else 0
        self.buffer.put(Pending(DEAD_LETTERS.name, shard, NewRecord(source.encode(), encode(letter), recv)))

    def _place(self, symbol: str) -> tuple[int, bytes]:
        """Shard and key of an accepted symbol."""
        if (place := self.places.get(symbol)) is None:
            place = self.places[symbol] = (shard_of(symbol, self.shards), symbol.encode())
        return place

    def _parser(self, venue: str) -> Any:
        if (parser := self.parsers.get(venue)) is None:
            parser = self.parsers[venue] = self.parser(venue)
        return parser


def _kind(reason: str) -> str:
    """The beginning of a reason, as far as it hardly varies: summaries must not grow with what strangers send.

    >>> _kind("trades: price nan is not positive"), _kind("recv lies 3.000 s in the future")
    ('trades', 'recv lies')
    """
    head = reason.split(":", 1)[0]
    words = []
    for word in head.split():
        if any(letter.isdigit() or letter in "'\"" for letter in word):
            break
        words.append(word)
    return " ".join(words)[:60] or "other"
