"""What a build asks and tells between two batches."""

import time
from collections.abc import Callable

from learning.datasets.errors import Cancelled
from learning.datasets.metadata import Progress

WHILE_PAUSED = 0.2
"""Seconds between two looks."""


def never() -> bool:
    """Neither cancelled nor paused."""
    return False


def silent(progress: Progress) -> None:
    """Nobody wants to know."""


class Pace:
    """Counts messages and rows; waits while paused."""

    def __init__(
        self,
        progress: Callable[[Progress], None] = silent,
        cancelled: Callable[[], bool] = never,
        paused: Callable[[], bool] = never,
    ) -> None:
        self.progress = progress
        self.cancelled = cancelled
        self.paused = paused
        self.now = Progress("rows", 0, 0, 0)

    def begin(self, total: int) -> None:
        """So many messages are to be read."""
        self.now = Progress("rows", 0, total, 0)

    def checking(self) -> None:
        """From here on rows are checked."""
        self.now = self.now._replace(phase="check", done=0, total=0)

    def row(self) -> None:
        """One more was written."""
        self.now = self.now._replace(rows=self.now.rows + 1)

    def step(self, messages: int) -> None:
        """A batch was read.

        Raises:
            Cancelled: when nobody wants the dataset any more.
        """
        done = self.now.done + messages
        self.now = self.now._replace(done=done, total=max(done, self.now.total))
        self.progress(self.now)
        while True:
            if self.cancelled():
                raise Cancelled("the build was cancelled; nothing of it was kept")
            if not self.paused():
                return
            time.sleep(WHILE_PAUSED)
