"""Ideas of a model."""

from operators.decide.plan import Idea, Plan
from operators.decide.predictor import Forecast
from schemas.decision import Number
from schemas.strategy import Strategy


def model_idea(strategy: Strategy, version: str, prediction: Forecast) -> Idea:
    """What a prediction is worth to a strategy.

    The amount is the middle of the strategy's smallest and largest, times 0.5 + 0.5 * confidence, within both
    (contracts: settings section 4).

    Raises:
        ValueError: when the confidence is none.
    """
    confidence = prediction.confidence
    if not 0 <= confidence <= 1:
        raise ValueError(f"model {version} has a confidence of {confidence}, which is not between 0 and 1")
    numbers: dict[str, Number] = {"model_version": version, "confidence": confidence, "least": strategy.confidence}
    numbers |= prediction.result
    if prediction.side is None:
        return Idea(None, f"no edge: model {version} says to stay away", numbers)
    if confidence < strategy.confidence:
        doubt = f"model {version} is {confidence:.1%} sure of a {prediction.side}, below {strategy.confidence:.1%}"
        return Idea(None, f"no edge: {doubt}", numbers)
    settings = strategy.warmup
    amount = (settings.min_amount + settings.max_amount) / 2 * (0.5 + 0.5 * confidence)
    plan = Plan(
        side=prediction.side,
        amount=min(max(amount, settings.min_amount), settings.max_amount),
        confidence=confidence,
        reason=f"model {version}: {prediction.side} with {confidence:.1%} confidence",
        is_warmup=False,
        model_version=version,
        used=prediction.used,
        details={"prediction_result": {"prediction": prediction.side, **prediction.result}},
    )
    return Idea(plan, plan.reason, numbers)
