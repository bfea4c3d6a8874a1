"""The demo exchange: several symbols on one clock, as frames."""

from collections.abc import Iterator, Sequence
from heapq import heapify, heapreplace
from random import Random

from connectors.demo.instrument import instrument
from connectors.demo.lesson import Lesson
from connectors.demo.symbol import Message, SymbolMarket
from connectors.frames import Frame

VENUE = "bybit"
CONN = "linear"
_LATENCY = (2_000, 9_000)
_SPACING = 15


class Market:
    """A seeded market of some symbols that speaks Bybit v5, in virtual time.

    The frames are a pure function of ``(seed, symbols, start, rate, depth, lesson)``. ``start`` is in microseconds
    UTC; ``rate`` scales the number of frames: 1 gives about 35 a second and symbol; a ``lesson`` makes the prices
    learnable.

    >>> market = Market(["BTCUSDT"], seed=7, start=1_700_000_000_000_000)
    >>> frames = market.frames()
    >>> next(frames).data[:49]
    b'{"topic":"orderbook.50.BTCUSDT","type":"snapshot"'
    """

    def __init__(
        self,
        symbols: Sequence[str],
        seed: int,
        start: int,
        rate: float = 1.0,
        depth: int = 50,
        lesson: Lesson | None = None,
    ) -> None:
        if not symbols:
            raise ValueError("the demo exchange needs at least one symbol")
        if rate <= 0:
            raise ValueError(f"the demo exchange's rate must be above 0, not {rate}")
        self.seed = seed
        self.start = start
        made = {name: instrument(name) for name in symbols}
        self.symbols = {name: SymbolMarket(own, seed, start, rate, depth, lesson) for name, own in made.items()}
        self.latency = Random(f"{seed}/latency")
        self.recv = start
        self._queue = [(market.due, place, market) for place, market in enumerate(self.symbols.values())]
        heapify(self._queue)

    def frames(self) -> Iterator[Frame]:
        """Every frame from the start on, without end, by ``recv``."""
        yield from self._received(self.start, [m for market in self.symbols.values() for m in market.snapshots()])
        while True:
            yield from self._received(self._queue[0][0], self.step())

    def step(self) -> list[Message]:
        """The next thing that happens, of whichever symbol it is."""
        _, place, market = self._queue[0]
        messages = market.step()
        heapreplace(self._queue, (market.due, place, market))
        return messages

    @property
    def due(self) -> int:
        """When the next thing happens, microseconds UTC."""
        return self._queue[0][0]

    def resync(self, symbol: str) -> Frame:
        """A snapshot of the book as a subscriber would get it now.

        Raises:
            KeyError: when the exchange does not list the symbol.
        """
        return next(self._received(self.recv, [("", self.symbols[symbol].book_snapshot())]))

    def subscribed(self) -> list[Frame]:
        """What somebody who subscribes to everything now is sent at once."""
        return list(self._received(self.recv, [m for market in self.symbols.values() for m in market.snapshots()]))

    def _received(self, time: int, messages: list[Message]) -> Iterator[Frame]:
        """Frames as a collector near by would receive them: a few milliseconds later, in order."""
        earliest = time + self.latency.randrange(*_LATENCY)
        for _, data in messages:
            self.recv = max(self.recv + _SPACING, earliest)
            yield Frame(VENUE, CONN, self.recv, data)
