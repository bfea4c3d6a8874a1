"""Time-based exit: held for long enough."""

from operators.exits.rule import Trigger, reaches
from operators.exits.stake import Stake
from operators.spans import HOUR
from schemas.decision import Number
from schemas.strategy import Exits

LEAST = 0.1
"""The share of the profit target that never decays (contracts: settings 3.9)."""
CONFIDENCE = 0.9
"""Less sure than a stop, still enough for a market order."""


class TimeBased:
    """Closes after ``max_hours``; from the first hour on also at a profit of ``target`` * max(1 - t / T, 0.1).

    t is the time held and T ``max_hours``, both in hours; the target is in per cent of the entry value.
    """

    name = "time_based"
    priority = 5

    def evaluate(self, settings: Exits, state: Stake, price: float, clock: int) -> Trigger | None:
        """Why the position should be closed now; None when it need not be."""
        rule = settings.time
        if not rule.enabled:
            return None
        hours = (clock - state.opened) / HOUR
        numbers: dict[str, Number] = {"held_hours": hours, "max_hours": rule.max_hours}
        if hours >= rule.max_hours:
            reason = f"held for {hours:.2f} h, at least {rule.max_hours:g} h"
            return Trigger(self.name, self.priority, reason, numbers, CONFIDENCE)
        target = rule.target * max(1 - hours / rule.max_hours, LEAST)
        percent = state.profit_percent(price)
        if hours >= 1 and reaches(percent, target):
            numbers |= {"percent": percent, "target": target}
            reason = f"a profit of {percent:.3f} % after {hours:.2f} h is at least the target of {target:.3f} %"
            return Trigger(self.name, self.priority, reason, numbers, CONFIDENCE)
        return None
