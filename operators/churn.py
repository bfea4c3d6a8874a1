"""How often the best prices of a book change."""

from bisect import bisect_right
from collections.abc import Sequence

from operators.spans import SECOND, second_of

KEEP = 60
"""Seconds of changes that are remembered."""


class Churn:
    """Changes of best bid or best ask, counted in one-second buckets; bucket s covers (s - 1 s, s].

    >>> churn = Churn()
    >>> for clock in (1_000_000, 1_000_001, 1_400_000):
    ...     churn.add(clock)
    >>> churn.count(2_000_000, seconds=1), churn.count(2_000_000, seconds=2)
    (2, 3)
    """

    __slots__ = ("changes", "end", "second")

    def __init__(self) -> None:
        self.second: list[int] = []
        self.changes: list[int] = []
        self.end = -1

    def add(self, clock: int) -> None:
        """One change at ``clock`` (shard clock, microseconds, never going back)."""
        if clock <= self.end:
            self.changes[-1] += 1
            return
        second = second_of(clock)
        old = bisect_right(self.second, second - KEEP)
        del self.second[:old], self.changes[:old]
        self.second.append(second)
        self.changes.append(1)
        self.end = second * SECOND

    def count(self, t: int, seconds: int) -> int:
        """Changes in (t - seconds, t]; ``t`` is a whole second in microseconds.

        Raises:
            ValueError: when changes after ``t`` are already counted, or the window is longer than the memory.
        """
        if t < self.end or seconds > KEEP:
            raise ValueError(f"({t} - {seconds} s, {t}] asked, but the last {KEEP} s up to {self.end} are known")
        return sum(self.changes[bisect_right(self.second, t // SECOND - seconds) :])

    def snapshot(self) -> list[list[int]]:
        """Seconds and their changes."""
        return [self.second[:], self.changes[:]]

    @classmethod
    def restore(cls, data: Sequence[Sequence[int]]) -> "Churn":
        """The counter that gave this snapshot."""
        churn = cls()
        churn.second, churn.changes = list(data[0]), list(data[1])
        churn.end = churn.second[-1] * SECOND if churn.second else -1
        return churn
