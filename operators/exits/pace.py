"""How often one strategy may close in one symbol, and how often it says that it may not."""

import math

import msgspec

from operators.spans import MINUTE, SECOND

MOST = 1000
"""Exit signals that are counted; a limit beyond is as good as none."""
SPEAK_EVERY = 10 * SECOND
"""The same skip is not repeated sooner, however short the cooldown is."""


class Pace(msgspec.Struct, array_like=True):
    """Times of exit signals (shard's clock, microseconds): it outlives the holding, so that closing and opening again
    does not begin the limits anew. ``said`` is when which skip was last put on record.

    >>> pace = Pace()
    >>> pace.signalled(0)
    >>> pace.rests(59_000_000, cooldown=60.0), pace.rests(60_000_000, cooldown=60.0)
    (True, False)
    """

    last: int | None = None
    recent: list[int] = []
    said: dict[str, int] = {}

    def signalled(self, clock: int) -> None:
        """An exit signal left."""
        self.last = clock
        self.recent = [*self.recent[1 - MOST :], clock]

    def rests(self, clock: int, cooldown: float) -> bool:
        """Whether the last exit signal is less than ``cooldown`` seconds ago."""
        return self.last is not None and clock < self.last + round(cooldown * SECOND)

    def in_window(self, clock: int, per_minute: float) -> tuple[int, int]:
        """(exit signals within the window, how many it may hold).

        A sliding window on log time: of a minute for whole numbers, and such that the average is ``per_minute`` for
        others (0.5 is one in two minutes).
        """
        most = max(1, min(int(per_minute), MOST))
        begin = clock - math.ceil(most / per_minute * MINUTE)
        self.recent = [at for at in self.recent if at > begin]
        return len(self.recent), most

    def may_say(self, what: str, clock: int, cooldown: float) -> bool:
        """Whether a skip may be put on record: once in ``cooldown`` seconds, and then it counts as said."""
        before = self.said.get(what)
        if before is not None and clock < before + max(round(cooldown * SECOND), SPEAK_EVERY):
            return False
        self.said[what] = clock
        return True
