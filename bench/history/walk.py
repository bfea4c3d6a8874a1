"""A book that wanders: the mid, and what every delta changes, as arrays."""

from typing import Any, NamedTuple

import numpy as np

from operators.spans import SECOND

LEVELS = 200
"""On each side of the book."""
TICK = 10
"""Ticks to one unit of the quote currency: a tick is 0.1."""
LOT = 1_000
"""Lots to one unit of the base currency: sizes are counted in thousandths."""
MOVES = 0.1
"""Share of the deltas that move the mid."""
FAR = 60
"""At most so many ticks at once."""


class Position(NamedTuple):
    """Where the market stands between two days: all that the next day depends on.

    ``mid`` is the tick of the best bid; ``bids`` and ``asks`` are sizes in lots, the best level first. ``u`` and
    ``trade`` are the newest update and trade id, ``offset`` the next one of the log. ``candle`` is of the minute that
    has just ended: open, high, low, close, volume; none before the first.
    """

    mid: int
    bids: list[int]
    asks: list[int]
    u: int = 1
    trade: int = 0
    offset: int = 0
    candle: tuple[float, ...] = ()


class Sides(NamedTuple):
    """Levels of one side of many deltas, one behind the other: ``starts[k]:starts[k + 1]`` are those of delta k."""

    starts: np.ndarray
    ticks: np.ndarray
    lots: np.ndarray


class Book(NamedTuple):
    """Deltas at ``recv`` (microseconds): the best bid's tick behind each, and what it changes."""

    recv: np.ndarray
    mid: np.ndarray
    bids: Sides
    asks: Sides


def times(random: np.random.Generator, begin: int, end: int, rate: float, burst: float) -> np.ndarray:
    """Times of [begin, end), microseconds, about ``rate`` a second; the larger ``burst``, the more they come in crowds.

    The rate of a second is drawn anew from a gamma distribution of mean ``rate``, and follows the hours of the day.
    """
    seconds = np.arange((end - begin) // SECOND)
    hour = 1 + 0.4 * np.sin(2 * np.pi * ((begin // SECOND + seconds) % 86_400) / 86_400)
    counts = random.poisson(rate * hour * random.gamma(1 / burst, burst, len(seconds)))
    found = np.repeat(begin + seconds * SECOND, counts) + random.integers(1, SECOND, counts.sum())
    found.sort()
    return found


def book(random: np.random.Generator, position: Position, begin: int, end: int, rate: float) -> Book:
    """The deltas of [begin, end): the mid jumps now and then, and levels near it change all the time."""
    recv = times(random, begin, end, rate, 0.3)
    count = len(recv)
    jump = np.minimum(random.geometric(0.12, count), FAR) * random.choice([-1, 1], count)
    jump[random.random(count) >= MOVES * (0.5 + random.gamma(2.0, 0.25))] = 0
    after = position.mid + np.cumsum(jump)
    return Book(recv, after, _side(random, after, jump, -1), _side(random, after, jump, 1))


def _side(random: np.random.Generator, after: np.ndarray, jump: np.ndarray, sign: int) -> Sides:
    """What the deltas change on one side: bids with ``sign`` -1, asks with 1.

    Where the mid jumps, a side draws back (its best levels go) or comes forward (new ones appear before them), and as
    many levels come or go at its far end. Beside that a few levels near the best price get another size, or none.
    """
    width = np.abs(jump)
    few = random.poisson(2.0, len(jump))
    starts = np.concatenate([[0], np.cumsum(2 * width + few)])
    owner = np.repeat(np.arange(len(jump)), 2 * width + few)
    place, wide = np.arange(starts[-1]) - starts[owner], width[owner]
    near, far, back = place < wide, (place >= wide) & (place < 2 * wide), (jump * sign > 0)[owner]
    deep = np.minimum(random.geometric(0.08, len(place)) - 1, LEVELS - 1)
    depth = np.where(near, place, np.where(far, LEVELS - 1 - (place - wide), deep))
    gone = (near & back) | (far & ~back)
    lots = drawn(random, len(place))
    lots[gone | (~near & ~far & (deep > 0) & (lots % 10 == 0))] = 0
    best = np.where(gone, _best(after - jump, sign)[owner], _best(after, sign)[owner])
    return Sides(starts, best + sign * depth, lots)


def drawn(random: np.random.Generator, count: int) -> np.ndarray:
    """Sizes in lots, at least one."""
    return 1 + (random.exponential(0.4, count) * LOT).astype(np.int64)


def _best(mid: Any, sign: int) -> Any:
    """The best tick of a side; the spread is a tick."""
    return mid if sign < 0 else mid + 1


def first(seed: int, price: float) -> Position:
    """Where the first day begins."""
    random = np.random.default_rng([seed, 0])
    return Position(round(price * TICK), drawn(random, LEVELS).tolist(), drawn(random, LEVELS).tolist())


class Ladder:
    """The sizes of both sides by tick, while deltas are applied: for whole books between them."""

    def __init__(self, position: Position, deltas: Book) -> None:
        self.deltas = deltas
        self.mid = position.mid
        self.applied = 0
        reach = LEVELS + FAR + 2
        self.low = min(position.mid, deltas.mid.min(initial=position.mid)) - reach
        width = max(position.mid, deltas.mid.max(initial=position.mid)) + reach - self.low
        self.sizes = [np.zeros(width, dtype=np.int64) for _ in range(2)]
        for sizes, lots, sign in zip(self.sizes, (position.bids, position.asks), (-1, 1), strict=True):
            sizes[self._ticks(sign) - self.low] = lots

    def until(self, time: int) -> None:
        """Apply the deltas up to ``time``."""
        upto = int(np.searchsorted(self.deltas.recv, time, side="right"))
        for sizes, side in zip(self.sizes, (self.deltas.bids, self.deltas.asks), strict=True):
            begin, end = side.starts[self.applied], side.starts[upto]
            sizes[side.ticks[begin:end] - self.low] = side.lots[begin:end]
        if upto:
            self.mid = int(self.deltas.mid[upto - 1])
        self.applied = upto

    def levels(self, sign: int) -> tuple[np.ndarray, np.ndarray]:
        """Ticks and lots of one side, the best first; a size of 0 is no level."""
        ticks = self._ticks(sign)
        return ticks, self.sizes[sign > 0][ticks - self.low]

    def _ticks(self, sign: int) -> np.ndarray:
        return _best(self.mid, sign) + sign * np.arange(LEVELS)
