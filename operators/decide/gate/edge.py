"""Is there a reason to trade?"""

import msgspec

from operators.decide.case import Case, Verdict
from operators.decide.gate.profit import closing
from operators.decide.model import model_idea
from operators.decide.plan import Idea
from operators.decide.warmup import warmup_idea


def edge(case: Case) -> Verdict:
    """Asks the model, or warm-up without one; stops where neither sees a reason.

    A holding whose profit is due to be taken needs none (see ``profit``).
    """
    idea = idea_of(case)
    if idea.plan is not None:
        return Verdict(idea.numbers, plan=idea.plan)
    due = closing(case)
    if due is not None:
        return Verdict(idea.numbers, plan=due)
    return Verdict(idea.numbers, idea.reason)


def idea_of(case: Case) -> Idea:
    """The model's idea, or that of warm-up: one that fell back to it says so."""
    name, version = case.strategy.strategy, case.version
    if version is None:
        return warmup_idea(case.strategy, case.vector, case.price)
    why = f"no prediction of model {version}"
    if case.predictor is not None:
        prediction = case.predictor.predict(name, case.symbol, version, case.vector)
        if prediction is not None:
            return model_idea(case.strategy, version, prediction)
        if problem := case.predictor.problem(name, case.symbol, version):
            why = f"model {version} cannot be used: {problem}"
    idea = warmup_idea(case.strategy, case.vector, case.price)
    reason, numbers = f"{why}, so {idea.reason}", {**idea.numbers, "fallback": why}
    if idea.plan is None:
        return Idea(None, reason, numbers)
    plan = msgspec.structs.replace(idea.plan, reason=reason, details={**idea.plan.details, "fallback": why})
    return Idea(plan, reason, numbers)
