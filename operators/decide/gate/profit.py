"""Take profit before anything is added to a position."""

from math import copysign

from operators.decide.case import Case, Verdict
from operators.decide.plan import Plan
from operators.trading.holding import DUST
from schemas.decision import Number
from schemas.market import Side


def profit(case: Case) -> Verdict:
    """Where the strategy's holding is in profit above ``exits.take_profit.percent``, an entry becomes the close.

    Unless the exit rules see to that, or an order already does: then an entry that would add to the position stops.
    """
    plan = case.plan
    held = case.account.holding(case.strategy.strategy, case.symbol)
    percent = profit_percent(case)
    threshold = case.strategy.exits.take_profit.percent
    numbers: dict[str, Number] = {
        "holding": held.size,
        "unrealized_pnl_pct": percent,
        "take_profit_threshold": threshold,
        "exits_close": exits_close(case),
    }
    if plan.kind == "exit":
        return Verdict(numbers)
    due = closing(case)
    if due is not None:
        return Verdict(numbers, plan=due)
    if percent is not None and percent > threshold and held.size * plan.sign > 0:
        who = "exit rules close it" if exits_close(case) else "its close is on the way"
        return Verdict(
            numbers, f"the holding is {percent:.2f} % in profit, above {threshold:g} %: {who}, nothing is added"
        )
    return Verdict(numbers)


def exits_close(case: Case) -> bool:
    """Whether the exit rules take profits of this strategy."""
    return case.strategy.exits.enabled and case.strategy.exits.take_profit.enabled


def profit_percent(case: Case) -> float | None:
    """Unrealised profit of the strategy's holding in per cent of its entry value; None without one."""
    held = case.account.holding(case.strategy.strategy, case.symbol)
    return held.profit_percent(case.price) if held.size else None


def closing(case: Case) -> Plan | None:
    """The order that takes the profit, where that is due and no exit rule does it.

    It closes what the strategy holds less what its open orders already close, but never more than the account has: one
    close too many would open the opposite position.
    """
    percent, threshold = profit_percent(case), case.strategy.exits.take_profit.percent
    if percent is None or percent <= threshold or exits_close(case):
        return None
    held = case.account.holding(case.strategy.strategy, case.symbol).size
    side: Side = "sell" if held > 0 else "buy"
    size = min(abs(held), max(0.0, copysign(1, held) * case.position[0])) - case.coming(side)
    if size <= DUST:
        return None
    plan = Plan(
        side=side,
        amount=size * case.price,
        confidence=1.0,
        reason="take_profit_triggered",
        is_warmup=case.version is None,
        kind="exit",
        model_version=case.version,
        rule="take_profit",
        details={"unrealized_pnl_pct": percent, "take_profit_threshold": threshold, "position_size": held},
    )
    most = case.strategy.amount.maximum
    return plan if plan.amount <= most else plan.shrunk(most)
