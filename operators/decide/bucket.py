"""A token bucket on log time, in whole numbers: it says the same however often it was asked in between."""

from typing import Any

from operators.spans import MINUTE
from schemas.strategy import Rate

FINE = 1_000_000
"""Parts of a signal a minute that a rate may have."""
TOKEN = MINUTE * FINE
"""A token in units; each microsecond adds ``per_minute * FINE`` of them."""


class Bucket:
    """Lets ``per_minute`` signals a minute through, and ``burst`` more at once after a rest. Begins full.

    It holds at most 1 + burst tokens, so any span of time shorter than a minute has at most per_minute + burst signals.

    >>> bucket = Bucket(Rate(per_minute=60.0, burst=1), at=0)
    >>> bucket.take(0); bucket.take(0); bucket.tokens(0)
    0.0
    >>> bucket.tokens(500_000), bucket.tokens(10_000_000)
    (0.5, 2.0)
    """

    __slots__ = ("at", "level", "most", "rate")

    def __init__(self, limits: Rate, at: int) -> None:
        self.at = at
        self._limit(limits)
        self.level = self.most

    def tokens(self, clock: int) -> float:
        """How many signals may go now."""
        return self._level(clock) / TOKEN

    def full(self, clock: int) -> bool:
        """Whether a signal may go now."""
        return self._level(clock) >= TOKEN

    def wait(self, clock: int) -> int:
        """Microseconds until a signal may go."""
        return max(0, -(-(TOKEN - self._level(clock)) // self.rate))

    def take(self, clock: int) -> None:
        """A signal goes out."""
        self.level, self.at = self._level(clock) - TOKEN, clock

    def change(self, limits: Rate, clock: int) -> None:
        """New limits from now on; what is in the bucket stays, as far as it still fits."""
        self.level, self.at = self._level(clock), clock
        self._limit(limits)
        self.level = min(self.level, self.most)

    def snapshot(self) -> Any:
        """The state as plain data."""
        return self.at, self.level, self.rate, self.most

    @classmethod
    def restore(cls, state: Any) -> "Bucket":
        """The inverse of ``snapshot``."""
        bucket = cls.__new__(cls)
        bucket.at, bucket.level, bucket.rate, bucket.most = state
        return bucket

    def _limit(self, limits: Rate) -> None:
        # Rates beyond one a microsecond are all the same, and the numbers stay within 64 bits.
        self.rate = min(max(1, round(limits.per_minute * FINE)), TOKEN)
        self.most = (1 + limits.burst) * TOKEN

    def _level(self, clock: int) -> int:
        return min(self.most, self.level + max(0, clock - self.at) * self.rate)
