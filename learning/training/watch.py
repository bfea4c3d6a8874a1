"""How a training tells how far it is, and is told to stop."""

import time
from collections.abc import Callable
from math import inf
from typing import NamedTuple

from learning.training.problems import Cancelled, TookTooLong


class Progress(NamedTuple):
    """``share`` of the work is done; at this rate the rest takes ``seconds_left``."""

    phase: str
    share: float
    seconds_left: float


class Watch:
    """Looks at a training between its steps. The clock only says when to give up: no model depends on it.

    >>> seen = []
    >>> watch = Watch(report=seen.append, clock=iter([10.0, 12.0]).__next__)
    >>> watch.step("boosting", 1, 4)
    >>> seen
    [Progress(phase='boosting', share=0.25, seconds_left=6.0)]
    """

    def __init__(
        self,
        report: Callable[[Progress], None] = lambda progress: None,
        cancelled: Callable[[], bool] = lambda: False,
        seconds: float = inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.report = report
        self.cancelled = cancelled
        self.clock = clock
        self.begin = clock()
        self.seconds = seconds

    def limited(self, seconds: float) -> "Watch":
        """The same with a time limit, counted from the beginning of the watch; the shorter of two limits holds."""
        limited = Watch(self.report, self.cancelled, min(seconds, self.seconds), lambda: self.begin)
        limited.clock = self.clock
        return limited

    def part(self, number: int, of: int, name: str = "") -> "Watch":
        """The watch of part ``number`` (from 0) of ``of`` parts that are about as long."""
        prefix = f"{name} {number + 1} of {of}: " if name else ""

        def report(progress: Progress) -> None:
            self._tell(prefix + progress.phase, (number + progress.share) / of)

        part = Watch(report, self.cancelled, self.seconds, lambda: self.begin)
        part.clock = self.clock
        return part

    def step(self, phase: str, done: int, of: int) -> None:
        """One step is done.

        Raises:
            Cancelled: when it shall end.
            TookTooLong: when the time limit has passed.
        """
        if self.cancelled():
            raise Cancelled(f"cancelled while {phase}, step {done} of {of}")
        self._tell(phase, done / of)

    def _tell(self, phase: str, share: float) -> None:
        elapsed = self.clock() - self.begin
        if elapsed > self.seconds:
            raise TookTooLong(
                f"given up after {elapsed:.0f} s while {phase} ({share:.0%} done): learning.training.max_seconds is"
                f" {self.seconds:g}; raise it, train on fewer days or rows, or with fewer trees or trials"
            )
        left = elapsed * (1 - share) / share if share > 0 else inf
        self.report(Progress(phase, share, left))
