"""What the account reports of one symbol, and how far that can be relied on between two reports."""

import msgspec

from operators.spans import SECOND

SAME = 1e-8
"""Sizes this close are equal: position-manager writes eight decimals."""
LATE = 10 * SECOND
"""How long after an execution a report may still be one from before it."""


class Report(msgspec.Struct, array_like=True):
    """The last reported position (base, signed; None: never reported) and what has happened since.

    Reports and our own executions come by different ways, and either may be first. ``moved`` is what was executed since
    the report, ``late`` what was executed shortly before it and does not seem to be in it, and ``ahead`` what the
    report has already and our executions have not told yet: they add up to ``size + late + moved - ahead``, unless
    somebody else trades. ``low`` and ``high`` are how far ``late + moved`` went on its way, counted from the report: a
    report from the middle of it lies between. ``newer`` says that something was executed since the report. Reports of
    the flow's own paper exchange are ``exact``: they come with the execution itself.

    >>> report = Report()
    >>> report.told(2.0, None, clock=5); report.executed(-0.5, clock=6); report.size, report.confirmed
    (2.0, 1.5)
    >>> report.told(1.5, None, clock=9); report.size, report.confirmed, report.stale
    (1.5, 1.5, False)
    """

    size: float | None = None
    entry: float | None = None
    heard: int | None = None
    moved: float = 0.0
    late: float = 0.0
    ahead: float = 0.0
    newer: bool = False
    executed_at: int = 0
    exact: bool = False
    low: float = 0.0
    high: float = 0.0

    def told(self, size: float, entry: float | None, clock: int, exact: bool = False) -> None:
        """The account reports its position.

        If that has only a part of what was just executed, or nothing of it, the rest is late: another report of it is
        on its way.
        """
        before = self.size or 0.0
        behind = before + self.late + self.moved - size
        low, high = before + self.low - size, before + self.high - size
        is_late = abs(behind) > SAME and low <= SAME and high >= -SAME
        self.size, self.entry, self.heard, self.exact = size, entry, clock, exact
        self.moved, self.late, self.newer = 0.0, 0.0, False
        self.low = self.high = 0.0
        if exact:
            self.ahead = 0.0
        elif is_late and clock < self.executed_at + LATE:
            self.late, self.low, self.high = behind, min(low, 0.0), max(high, 0.0)
        else:
            self.ahead -= behind

    def executed(self, signed: float, clock: int) -> None:
        """An order of ours was executed: it was in the last report already, or will be in the next."""
        if self.exact:
            return
        if self.ahead * signed > 0:
            known = signed if abs(signed) < abs(self.ahead) else self.ahead
            self.ahead -= known
            signed -= known
        if abs(signed) > SAME:
            self.moved += signed
            self.low, self.high = min(self.low, self.late + self.moved), max(self.high, self.late + self.moved)
            self.newer, self.executed_at = True, clock

    def settle(self, clock: int) -> None:
        """What is still late after a while will not come: somebody else traded."""
        if self.late and self.heard is not None and clock >= self.heard + LATE:
            self.late = 0.0
            self.low, self.high = min(self.moved, 0.0), max(self.moved, 0.0)

    @property
    def stale(self) -> bool:
        """Whether another report must come before anything can be concluded from this one."""
        return self.newer or self.late != 0

    @property
    def confirmed(self) -> float:
        """The position that surely is open: what is not in the report counts only where it made it smaller."""
        if self.size is None:
            return 0.0
        if self.size > 0:
            return max(0.0, self.size + min(self.moved, 0.0) + min(self.late, 0.0))
        return min(0.0, self.size + max(self.moved, 0.0) + max(self.late, 0.0))

    @property
    def flat(self) -> bool:
        """Whether the account reported no position."""
        return self.size is not None and abs(self.size) <= SAME

    def agrees(self, held: float) -> bool:
        """Whether the report is what our executions add up to."""
        return self.size is not None and abs(self.size - held) <= SAME
