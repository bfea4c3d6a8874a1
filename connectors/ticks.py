"""Seconds that passed for the collector."""

from collections.abc import Iterator

from schemas.market import Tick

SECOND = 1_000_000
SILENCE = 120 * SECOND
"""A longer jump of the clock is a hole between two sessions, not a quiet market."""
TAIL = 61
"""Seconds of a hole that still get their tick: enough to end every window that was open."""


class Ticks:
    """Makes one tick for each whole second that the clock passes.

    The tick of second S stands before the first thing that was received after S, and one tick stands before everything:
    only a tick may turn a shard's clock far (``operators.market``), so a session begins with one.
    Where the clock jumps (a recording that consists of two sessions), the hole is not filled: its first minute and its
    last second get their ticks.

    >>> ticks = Ticks()
    >>> [tick.recv for tick in ticks.until(1_500_000)]
    [1000000]
    >>> [tick.recv for tick in ticks.until(3_000_001)]
    [2000000, 3000000]
    """

    def __init__(self) -> None:
        self.last: int | None = None
        """The last whole second that passed."""

    def until(self, time: int) -> Iterator[Tick]:
        """Ticks of the seconds before ``time`` (microseconds UTC) that had none yet."""
        second = (time - 1) // SECOND * SECOND
        if self.last is None:
            self.last = second - SECOND
        if second <= self.last:
            return
        seconds = range(self.last + SECOND, second + SECOND, SECOND)
        if second - self.last > SILENCE:
            seconds = (*seconds[:TAIL], second)  # type: ignore[assignment]
        self.last = second
        for recv in seconds:
            yield Tick(recv=recv)
