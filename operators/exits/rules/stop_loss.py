"""Stop loss: the loss went too far."""

from operators.exits.rule import Trigger, above
from operators.exits.stake import Stake
from schemas.strategy import Exits


class StopLoss:
    """Triggers strictly below ``percent``, or on a loss strictly beyond ``absolute`` quote currency."""

    name = "stop_loss"
    priority = 20

    def evaluate(self, settings: Exits, state: Stake, price: float, clock: int) -> Trigger | None:
        """Why the position should be closed now; None when it need not be."""
        rule = settings.stop_loss
        if not rule.enabled:
            return None
        percent = state.profit_percent(price)
        if above(-percent, -rule.percent):
            reason = f"a loss of {-percent:.3f} % is beyond {-rule.percent:g} %"
            return Trigger(self.name, self.priority, reason, {"percent": percent, "limit": rule.percent})
        loss = -state.profit(price)
        if rule.absolute is not None and above(loss, rule.absolute):
            reason = f"a loss of {loss:.2f} is beyond {rule.absolute:g}"
            return Trigger(self.name, self.priority, reason, {"loss": loss, "limit_absolute": rule.absolute})
        return None
