"""One gate, asked about one plan."""

from operators.decide.plan import Plan
from tests.operators.decide.chain import case


def plan(side="buy", amount=500.0, confidence=0.7, **more):
    return Plan(side, amount, confidence, "because", True, **more)


def ask(gate, settings_, *events, proposed=None, **more):
    """The verdict of a gate on a plan, by default to buy for 500."""
    asked = case(settings_, *events, **more)
    asked.proposed = proposed or plan()
    return gate(asked)
