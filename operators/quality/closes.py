"""Jumps of the price: a move that no second of the last minutes comes near, or more than 5 %."""

from bisect import bisect_right
from math import isfinite
from statistics import median
from typing import Any, NamedTuple

from operators.spans import SECOND, second_of

WINDOW = 300
"""Seconds of closes that are remembered."""
REACH = 10
"""Seconds for which a close is what the next price is held against; after a longer silence any price may come."""
ENOUGH = 30
"""Moves that must be known before an unusual one can be told."""
SCORE = 6.0
JUMP = 0.05
CONSISTENT = 1.4826
"""The median absolute deviation times this estimates the standard deviation of a normal distribution."""
LEAST = 2.5e-4
"""The least spread of moves that is assumed: in a market that stands still one tick would be a sensation."""
SMALL = 7.5e-4
"""A move of so little is never a spike, whatever the others were."""


class Spike(NamedTuple):
    """How far a price lies from the close before, as a share of it, and how unusual that is."""

    move: float
    score: float


class Closes:
    """The last price of each second with a trade, and the moves from one to the next.

    A price is a spike when its move against the close before has a robust z-score of more than 6, by median and median
    absolute deviation of the moves of the last 300 s (B. Iglewicz, D. Hoaglin: How to Detect and Handle Outliers,
    1993), or is larger than 5 %.

    >>> closes = Closes()
    >>> for second in range(1, 60):
    ...     _ = closes.spike(second * SECOND, 100.0 + second % 2 * 0.01)
    >>> closes.spike(60 * SECOND, 100.05)
    >>> [round(number, 4) for number in closes.spike(60 * SECOND, 100.4)]
    [0.0039, 15.5984]
    """

    __slots__ = ("close", "end", "high", "low", "price", "second")

    def __init__(self) -> None:
        self.second: list[int] = []
        self.close: list[float] = []
        self.price = 0.0
        """The last price of the second at hand, which ends at ``end``."""
        self.end = -1
        self.low = 0.0
        self.high = float("inf")
        """Prices between these are no spikes; others have to be looked at."""

    def spike(self, clock: int, price: float) -> Spike | None:
        """Take a price in at ``clock`` (microseconds, never falling); None where it is no spike."""
        if clock > self.end:
            self._roll(second_of(clock))
        self.price = price
        if self.low <= price <= self.high:
            return None
        return self._score(price)

    def forget(self) -> None:
        """Nothing is known."""
        self.__init__()  # type: ignore[misc]

    def snapshot(self) -> list[Any]:
        """The state as plain data."""
        return [self.second[:], self.close[:], self.price, self.end, self.low, self.high]

    @classmethod
    def restore(cls, state: list[Any]) -> "Closes":
        """The inverse of ``snapshot``."""
        closes = cls()
        closes.second, closes.close, closes.price, closes.end, closes.low, closes.high = state
        return closes

    def _roll(self, second: int) -> None:
        """Close the second at hand, and begin ``second``."""
        if self.end >= 0:
            self.second.append(self.end // SECOND)
            self.close.append(self.price)
            if old := bisect_right(self.second, second - WINDOW):
                del self.second[:old], self.close[:old]
        self.end = second * SECOND
        self.low, self.high = 0.0, float("inf")
        if self.close and self.second[-1] >= second - REACH:
            before = self.close[-1]
            self.low, self.high = before * (1 - SMALL), before * (1 + SMALL)

    def _score(self, price: float) -> Spike | None:
        move = price / self.close[-1] - 1
        moves = [after / before - 1 for before, after in zip(self.close, self.close[1:], strict=False)]
        score = 0.0
        if len(moves) >= ENOUGH:
            middle = median(moves)
            spread = CONSISTENT * median(abs(one - middle) for one in moves)
            score = abs(move - middle) / max(spread, LEAST)
        return Spike(_finite(move), _finite(score)) if score > SCORE or abs(move) > JUMP else None


def _finite(number: float) -> float:
    """JSON knows no other numbers."""
    return number if isfinite(number) else 1e18
