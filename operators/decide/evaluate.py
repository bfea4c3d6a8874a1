"""From a case to its result: the gates, one after the other."""

from math import isfinite
from typing import Any, NamedTuple

from operators.decide.case import Case
from operators.decide.gates import GATES
from operators.decide.plan import Plan
from schemas.decision import Number


class Result(NamedTuple):
    """``step`` is the gate that stopped, or ``signal``; ``passed`` the gates before it with their numbers; ``plan``
    what was proposed until then."""

    step: str
    reason: str
    numbers: dict[str, Number]
    passed: list[dict[str, Any]]
    plan: Plan | None

    @property
    def is_signal(self) -> bool:
        return self.step == "signal"


def evaluate(case: Case) -> Result:
    """Ask gate after gate until one stops. Changes nothing but ``case.proposed``.

    Raises:
        ValueError: when a number is not finite, naming the gate.
    """
    passed: list[dict[str, Any]] = []
    for name, gate in GATES:
        verdict = gate(case)
        check_finite(name, verdict.numbers)
        if verdict.skip is not None:
            return Result(name, verdict.skip, verdict.numbers, passed, case.proposed)
        if verdict.plan is not None:
            case.proposed = verdict.plan
        passed.append({"gate": name, **verdict.numbers})
    plan = case.plan
    numbers: dict[str, Number] = {
        "amount": plan.amount,
        "requested": plan.amount if plan.requested is None else plan.requested,
        "quantity": plan.amount / case.price,
        "price": case.price,
        "confidence": plan.confidence,
    }
    check_finite("signal", numbers)
    return Result("signal", plan.reason, numbers, passed, plan)


def check_finite(step: str, numbers: dict[str, Number]) -> None:
    """Raises ValueError where a number could not be written down."""
    for name, value in numbers.items():
        if isinstance(value, float) and not isfinite(value):
            raise ValueError(f"{step}: {name} is {value}")
