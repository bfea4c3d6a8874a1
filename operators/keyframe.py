"""Keyframes: whole books written into the log at intervals, so that a replay can start anywhere."""

from operators.book import OrderBook
from schemas.market import AnyMarketEvent, BookDelta, BookSnapshot, Gap, Tick

MINUTE = 60_000_000


class Keyframes:
    """Follows the books of all symbols and adds a whole one for each symbol every ``every`` microseconds of clock.

    A venue sends a snapshot only on subscription; without keyframes a replay would have to start there. A keyframe is
    made only from a book that is synchronised and has applied a delta since its snapshot, so that the delta after a
    keyframe must follow it exactly.
    """

    def __init__(self, every: int = MINUTE) -> None:
        self.every = every
        self.books: dict[str, OrderBook] = {}
        self.due: dict[str, int] = {}

    def feed(self, event: AnyMarketEvent) -> list[AnyMarketEvent]:
        """The event, and behind it the keyframes that are due."""
        if isinstance(event, Tick):
            return [event, *self._due(event.recv)]
        if isinstance(event, BookDelta):
            self.books.setdefault(event.symbol, OrderBook()).delta(event)
        elif isinstance(event, BookSnapshot):
            self.books.setdefault(event.symbol, OrderBook()).snapshot_event(event)
            self.due[event.symbol] = event.recv + self.every
        elif isinstance(event, Gap) and event.channel == "orderbook" and event.symbol in self.books:
            self.books[event.symbol].reset()
        return [event]

    def _due(self, clock: int) -> list[AnyMarketEvent]:
        frames: list[AnyMarketEvent] = []
        for symbol in sorted(self.due):
            book = self.books[symbol]
            if self.due[symbol] <= clock and book.u is not None and not book.bridging:
                bids, asks = book.top(len(book.bids) + len(book.asks))
                frames.append(BookSnapshot(symbol, clock, clock, book.u, bids, asks, keyframe=True))
                self.due[symbol] = clock + self.every
        return frames
