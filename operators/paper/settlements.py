"""When a symbol's funding is due, and at which rate."""

from typing import Any

from operators.funding import ESTIMATE_LIFE, GRACE
from operators.spans import MINUTE

NEVER = 2**62
"""Later than any clock."""


class Settlements:
    """Each settlement once, whether it is announced beforehand, told afterwards, or both. Times in microseconds.

    A ticker (or an estimate) that was heard within the hour before the settlement it announces gives the rate: the last
    one before it counts, and it is due when the clock passes it. What a venue tells by itself counts where nothing was
    announced for that minute, and if it is not older than ten minutes.

    >>> settlements = Settlements()
    >>> settlements.announced(clock=50, rate=0.0001, at=100)
    >>> settlements.due, settlements.pass_due(100), settlements.due == NEVER
    (100, 0.0001, True)
    >>> settlements.told(clock=110, rate=0.0002, at=100)
    """

    def __init__(self) -> None:
        self.rate = 0.0
        self.due = NEVER
        self.paid = -1

    def announced(self, clock: int, rate: float, at: int | None) -> None:
        """The rate of the settlement at ``at``, as it stands at ``clock``."""
        if at is None or not clock <= at < clock + ESTIMATE_LIFE or at // MINUTE <= self.paid:
            self.lose()
        else:
            self.rate, self.due = rate, at

    def lose(self) -> None:
        """What was announced is not known any more."""
        self.due = NEVER

    def pass_due(self, clock: int) -> float | None:
        """The rate to pay once the announced settlement has passed."""
        if clock < self.due:
            return None
        self.paid, self.due = self.due // MINUTE, NEVER
        return self.rate

    def told(self, clock: int, rate: float, at: int) -> float | None:
        """The rate to pay for a settlement that the venue tells of; None when it was paid, or is too old."""
        if at // MINUTE <= self.paid or not clock - GRACE < at <= clock + MINUTE:
            return None
        self.paid = at // MINUTE
        if self.due // MINUTE <= self.paid:
            self.due = NEVER
        return rate

    def snapshot(self) -> Any:
        """The state as plain data."""
        return self.rate, self.due, self.paid

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        self.rate, self.due, self.paid = state
