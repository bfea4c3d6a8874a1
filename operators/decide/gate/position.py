"""Not too large a position."""

from operators.decide.case import Case, Verdict, worth
from schemas.decision import Number

LEAST = 0.001
"""Base currency: a position that has room for less is full (contracts: settings section 4)."""


def position(case: Case) -> Verdict:
    """Keeps |position + order| within ``position.max_size``, shrinking the order to what fits, and on the allowed side.

    What the strategy already has on the way in the same direction counts as if it had traded. Nothing is added to a
    position whose share of (position + available quote currency) is above ``max_ratio``. Closing needs no room.
    """
    plan, limits, (held, known) = case.plan, case.strategy.position, case.position
    coming = case.coming(plan.side)
    wanted = plan.amount / case.price
    room = max(0.0, _furthest(case) - held * plan.sign - coming)
    ratio = _ratio(case)
    numbers: dict[str, Number] = {
        "position": held,
        "position_from": known,
        "coming": coming,
        "wanted": wanted,
        "room": room,
        "max_size": limits.max_size,
        "ratio": ratio,
        "max_ratio": limits.max_ratio,
        "sides": limits.sides,
    }
    if plan.kind == "exit":
        return Verdict(numbers)
    if held * plan.sign > 0 and ratio is not None and ratio > limits.max_ratio:
        return Verdict(
            numbers, f"the position is {ratio:.1%} of the funds, above {limits.max_ratio:.1%}: nothing is added"
        )
    if wanted <= room:
        return Verdict(numbers)
    if room < LEAST:
        return Verdict(numbers, f"position limit: {held:+g} leaves no room to {plan.side} within {_limit(case)}")
    amount = worth(room, case.price)
    if amount < case.least:
        left = f"{held:+g} leaves room to {plan.side} {amount:.2f} within {_limit(case)}"
        return Verdict(numbers | {"adapted": amount}, f"position limit: {left}, less than {case.least:g}")
    return Verdict(numbers | {"adapted": amount}, plan=plan.shrunk(amount))


def _furthest(case: Case) -> float:
    """How far the position may go in the direction of the plan."""
    limits = case.strategy.position
    against = limits.sides == ("short" if case.plan.side == "buy" else "long")
    return 0.0 if against else limits.max_size


def _ratio(case: Case) -> float | None:
    """The position's share of position and available quote currency; None where the balance is unknown."""
    available = case.fresh_balance(case.pair[1])[0] if case.pair else None
    if available is None:
        return None
    value = abs(case.position[0]) * case.price
    return value / (value + available) if value else 0.0


def _limit(case: Case) -> str:
    return f"{case.strategy.position.max_size:g} ({case.strategy.position.sides})"
