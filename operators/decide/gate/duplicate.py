"""Never the same twice."""

from operators.decide.case import Case, Verdict
from operators.decide.turn import turn
from schemas.decision import Number


def duplicate(case: Case) -> Verdict:
    """Stops a signal for the side that the strategy already signalled in the same turn."""
    memory, frequency = case.memory, case.strategy.warmup.frequency
    now = turn(case.vector.ts, frequency)
    last = None if memory.last_ts is None else turn(memory.last_ts, frequency)
    numbers: dict[str, Number] = {"turn": now, "last_turn": last, "last_side": memory.last_side}
    if now == last and memory.last_side == case.plan.side:
        return Verdict(numbers, f"duplicate: a {case.plan.side} was already signalled in turn {now}")
    return Verdict(numbers)
