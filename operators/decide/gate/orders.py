"""One order at a time."""

from operators.decide.case import Case, Verdict
from schemas.decision import Number


def orders(case: Case) -> Verdict:
    """Stops while an order of the strategy and symbol may still trade, or only one of the opposite side.

    An order of which nobody knows whose it is counts as well; those of other strategies do not.
    """
    settings, side = case.strategy.orders, case.plan.side
    opposite = sum(order.side != side for order in case.own_orders)
    numbers: dict[str, Number] = {
        "open": len(case.own_orders),
        "opposite": opposite,
        "opposite_only": settings.opposite_only,
    }
    if not settings.skip_if_open:
        return Verdict(numbers | {"checked": False})
    if not (opposite if settings.opposite_only else case.own_orders):
        return Verdict(numbers)
    first = next(order for order in case.own_orders if order.side != side or not settings.opposite_only)
    what = f"order {first.order_id}" if first.order_id else f"signal {first.signal_id}"
    return Verdict(numbers, f"{what} ({first.side}, {first.status}) may still trade")
