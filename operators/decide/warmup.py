"""Ideas without a model: heuristics, blended by their weights and mixed with controlled randomness."""

from math import fsum

from operators.decide.chance import draws
from operators.decide.heuristics import Part, mean_reversion, momentum
from operators.decide.plan import Idea, Plan
from schemas.decision import Number
from schemas.strategy import Strategy, Warmup
from schemas.vector import FeatureVector

CERTAIN = 0.99
"""No heuristic is surer than this."""


def warmup_idea(strategy: Strategy, vector: FeatureVector, price: float) -> Idea:
    """What warm-up makes of a vector; ``price`` is the mid, in quote currency.

    With r = ``randomness``, h the weighted mean of the heuristics and u uniform in [-1, 1), the score is
    (1 - r) h + r u: its sign is the side. Scores below ``threshold`` are no reason to trade.
    """
    settings, r = strategy.warmup, strategy.warmup.randomness
    mid = vector.features.get("mid_price") or price
    views = {
        "momentum": (settings.momentum, momentum(vector.features, mid)),
        "mean_reversion": (settings.mean_reversion, mean_reversion(vector.features, mid)),
    }
    heuristic, numbers, used = blend(views)
    if heuristic is None:
        if r < 1:
            return Idea(None, _missing(views), numbers)
        heuristic = 0.0
    side_draw, amount_draw = draws(vector.origin, strategy.strategy)
    chance = 2 * side_draw - 1
    score = (1 - r) * heuristic + r * chance
    numbers |= {"score": score, "threshold": settings.threshold, "randomness": r}
    if r:
        numbers["chance"] = chance
    said = f"score {score:+.3f} from {_said(numbers)}"
    if score == 0 or abs(score) < settings.threshold:
        return Idea(None, f"no edge: {said}, below {settings.threshold:g}", numbers)
    plan = Plan(
        side="buy" if score > 0 else "sell",
        amount=amount_of(settings, abs(score), amount_draw),
        confidence=min(CERTAIN, 0.5 + abs(score) / 2),
        reason=f"warm-up: {said}",
        is_warmup=True,
        used=used if r < 1 else (),
        details={"risk_score": 1 - abs(score) * (1 - r), "randomness_level": r, "heuristics": dict(numbers)},
    )
    return Idea(plan, plan.reason, numbers)


def blend(views: dict[str, tuple[float, list[Part]]]) -> tuple[float | None, dict[str, Number], tuple[str, ...]]:
    """The mean of the heuristics that have a weight and a part; each is the mean of its parts.

    None when some have a weight but none of those has a part. Without any weight there is nothing to ask: 0.
    """
    numbers: dict[str, Number] = {}
    used: dict[str, None] = {}
    weighted, weights = [], []
    for name, (weight, parts) in views.items():
        if not weight or not parts:
            continue
        score = fsum(part.score for part in parts) / len(parts)
        numbers[name] = score
        used.update((feature, None) for part in parts for feature in part.used)
        weighted.append(weight * score)
        weights.append(weight)
    if weights:
        return fsum(weighted) / fsum(weights), numbers, tuple(used)
    return (None if any(weight for weight, _ in views.values()) else 0.0), numbers, ()


def amount_of(settings: Warmup, strength: float, draw: float) -> float:
    """Quote currency between the least and the largest amount: the stronger the score, the more; in whole cents."""
    share = (1 - settings.randomness) * strength + settings.randomness * draw
    amount = settings.min_amount + (settings.max_amount - settings.min_amount) * share
    return min(max(round(amount, 2), settings.min_amount), settings.max_amount)


def _missing(views: dict[str, tuple[float, list[Part]]]) -> str:
    asked = " and ".join(name.replace("_", " ") for name, (weight, _) in views.items() if weight)
    return f"no edge: the vector has none of the features that {asked} need"


def _said(numbers: dict[str, Number]) -> str:
    heard = ("chance",) if numbers["randomness"] == 1 else ("momentum", "mean_reversion", "chance")
    names = [name for name in heard if name in numbers]
    return ", ".join(f"{name.replace('_', ' ')} {numbers[name]:+.3f}" for name in names) or "nothing"
