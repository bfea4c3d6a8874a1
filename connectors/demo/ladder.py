"""One side of the demo exchange's book: the levels as the market sees them, and what changed of them."""

from bisect import bisect_left
from collections.abc import Iterator
from random import Random


class Ladder:
    """``depth`` price levels of one side, best first.

    Prices are in ticks and held as ``rank = sign * price`` (sign +1 for asks, -1 for bids), so that on both sides a
    smaller rank is a better price and one code serves both. Sizes are in lots.

    >>> asks = Ladder(sign=1, depth=3, gap=1, lots=10.0, rng=Random(1))
    >>> asks.fill(100, 1.0)
    >>> asks.ranks[0], len(asks.ranks)
    (100, 3)
    >>> asks.put(100, 7)
    >>> list(asks.take(5)), asks.sizes[100]
    ([(100, 5)], 2)
    """

    def __init__(self, sign: int, depth: int, gap: int, lots: float, rng: Random) -> None:
        self.sign = sign
        self.depth = depth
        self.gap = gap
        self.lots = lots
        self.rng = rng
        self.ranks: list[int] = []
        self.sizes: dict[int, int] = {}
        self.published: dict[int, int] = {}
        self.touched: set[int] = set()

    def draw(self, skew: float) -> int:
        """The size of a new level in lots; ``skew`` scales it."""
        return 1 + int(self.rng.expovariate(1.0) * self.lots * skew)

    def put(self, rank: int, lots: int) -> None:
        """Set the size of a level; a new one finds its place."""
        if rank not in self.sizes:
            self.ranks.insert(bisect_left(self.ranks, rank), rank)
        self.sizes[rank] = lots
        self.touched.add(rank)

    def remove(self, index: int) -> None:
        """Take a level out of the book."""
        rank = self.ranks.pop(index)
        del self.sizes[rank]
        self.touched.add(rank)

    def take(self, lots: int) -> Iterator[tuple[int, int]]:
        """A market order walks up the book: ``(rank, lots)`` of each fill. It leaves at least one level standing."""
        while lots and len(self.ranks) > 1:
            rank = self.ranks[0]
            filled = min(lots, self.sizes[rank])
            lots -= filled
            if filled == self.sizes[rank]:
                self.remove(0)
            else:
                self.put(rank, self.sizes[rank] - filled)
            yield rank, filled

    def retreat(self, rank: int) -> None:
        """Makers cancel what is better than ``rank``."""
        while self.ranks and self.ranks[0] < rank:
            self.remove(0)

    def fill(self, best: int, skew: float) -> None:
        """Quote at ``best`` if nobody does as well, and bring the book back to its depth."""
        if not self.ranks or best < self.ranks[0]:
            self.put(best, self.draw(skew))
        while len(self.ranks) < self.depth:
            self.put(self.ranks[-1] + 1 + int(self.rng.random() * (2 * self.gap - 1)), self.draw(skew))
        while len(self.ranks) > self.depth:
            self.remove(-1)

    def churn(self, changes: int, skew: float) -> None:
        """Makers change their minds: new sizes, mostly near the touch."""
        for _ in range(changes):
            index = int(self.rng.expovariate(0.12))
            if index < len(self.ranks):
                self.put(self.ranks[index], self.draw(skew))

    def publish(self) -> list[tuple[int, int]]:
        """``(price, lots)`` of what changed since the last call, best first; 0 lots: the level is gone. A level that
        came and went between two calls is not mentioned."""
        changes = []
        for rank in sorted(self.touched):
            lots = self.sizes.get(rank, 0)
            if lots != self.published.get(rank, 0):
                changes.append((self.sign * rank, lots))
                if lots:
                    self.published[rank] = lots
                else:
                    del self.published[rank]
        self.touched.clear()
        return changes

    def levels(self) -> list[tuple[int, int]]:
        """``(price, lots)`` of the published book, best first."""
        return [(self.sign * rank, lots) for rank, lots in sorted(self.published.items())]
