"""Trailing stop: the price came back from its peak."""

from operators.exits.rule import Trigger, reaches
from operators.exits.stake import Stake
from schemas.decision import Number
from schemas.strategy import Exits


class TrailingStop:
    """Armed once the profit at the peak reaches ``activation`` per cent of the entry value.

    Armed, it triggers when the price is ``distance`` per cent of the peak, or more, away from it. With ``lock_in`` it
    triggers also when the profit is back at that many per cent. Whether it is armed follows from the peak and the entry
    price: what moves the entry (buying more at a higher price) may disarm it.
    """

    name = "trailing_stop"
    priority = 15

    def evaluate(self, settings: Exits, state: Stake, price: float, clock: int) -> Trigger | None:
        """Why the position should be closed now; None when it need not be."""
        rule = settings.trailing
        if not rule.enabled or state.peak is None:
            return None
        best = state.profit_percent(state.peak)
        if not reaches(best, rule.activation):
            return None
        distance = (1 - price / state.peak) * (100 if state.size > 0 else -100)
        percent = state.profit_percent(price)
        if reaches(distance, rule.distance):
            reason = f"the price is {distance:.3f} % away from its peak of {state.peak:g}, at least {rule.distance:g} %"
        elif rule.lock_in is not None and reaches(rule.lock_in, percent):
            reason = f"the profit is down to {percent:.3f} %, and {rule.lock_in:g} % are locked in"
        else:
            return None
        numbers: dict[str, Number] = {
            "distance": distance,
            "limit": rule.distance,
            "peak_percent": best,
            "activation": rule.activation,
            "percent": percent,
            "lock_in": rule.lock_in,
        }
        return Trigger(self.name, self.priority, reason, numbers)
