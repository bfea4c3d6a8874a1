"""Take profit: enough was gained."""

from operators.exits.rule import Trigger, above
from operators.exits.stake import Stake
from schemas.decision import Number
from schemas.strategy import Exits
from schemas.strategy import TakeProfit as Settings


class TakeProfit:
    """Triggers strictly above ``percent``, or on a profit strictly above ``absolute`` quote currency.

    With ``partial``, only that many per cent of the holding are closed until such an exit has executed something; then
    the rest.
    """

    name = "take_profit"
    priority = 10

    def evaluate(self, settings: Exits, state: Stake, price: float, clock: int) -> Trigger | None:
        """Why the position should be closed now; None when it need not be."""
        rule = settings.take_profit
        if not rule.enabled:
            return None
        percent = state.profit_percent(price)
        if above(percent, rule.percent):
            reason = f"a profit of {percent:.3f} % is above {rule.percent:g} %"
            return self._trigger(rule, state, reason, {"percent": percent, "limit": rule.percent})
        if rule.absolute is not None and above(state.profit(price), rule.absolute):
            profit = state.profit(price)
            reason = f"a profit of {profit:.2f} is above {rule.absolute:g}"
            return self._trigger(rule, state, reason, {"profit": profit, "limit_absolute": rule.absolute})
        return None

    def _trigger(self, rule: Settings, state: Stake, reason: str, numbers: dict[str, Number]) -> Trigger:
        share = 1.0 if rule.partial is None or state.partial_done else rule.partial / 100
        numbers |= {"share": share, "partial_done": state.partial_done}
        return Trigger(self.name, self.priority, reason, numbers, share=share)
