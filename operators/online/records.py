"""The records of the stage ``online``."""

from operators.labels.label import Label
from operators.online.distribution import SIDES, Distribution
from operators.online.drift import Change
from operators.online.metrics import Figures
from operators.online.watch import Said
from schemas.market import Side
from schemas.model import ModelActivated, ModelChange, ModelShadowed
from schemas.origin import Origin
from schemas.prediction import Outcome, Prediction, Role, Score
from schemas.quality import Problem, QualityRecord
from schemas.strategy import Strategy
from schemas.vector import FeatureVector

Detail = dict[str, int | float | str]


def side_of(strategy: Strategy, said: Distribution) -> Side | None:
    """What a strategy would do of it: nothing where it is not sure enough."""
    return SIDES.get(said.label) if said.confidence >= strategy.confidence else None


def prediction(
    strategy: Strategy,
    vector: FeatureVector,
    role: Role,
    version: str,
    price: float,
    said: Distribution,
    origin: Origin,
) -> Prediction:
    """What a model says of a vector."""
    target = strategy.learning.target
    return Prediction(
        strategy.strategy,
        vector.symbol,
        vector.ts,
        version,
        role,
        target.horizon,
        target.threshold,
        price,
        said.named(),
        said.label,
        said.confidence,
        origin,
        side_of(strategy, said),
    )


def outcome(strategy: str, symbol: str, label: Label, said: Said, origin: Origin) -> Outcome:
    """What came of it."""
    return Outcome(
        strategy,
        symbol,
        label.ts,
        label.matured,
        said.version,
        said.role,
        label.price,
        label.later,
        label.change,
        label.label,
        said.said.label,
        said.said.named(),
        said.origin,
        origin,
        said.side,
    )


def score(
    strategy: str, vector: FeatureVector, role: Role, version: str, figures: Figures, learned: int, origin: Origin
) -> Score:
    """How well a model does."""
    return Score(
        strategy,
        vector.symbol,
        vector.ts,
        version,
        role,
        figures.samples,
        figures.accuracy,
        figures.majority,
        figures.log_loss,
        figures.brier,
        figures.calibration,
        origin,
        figures.roc_auc,
        learned,
    )


def drift(strategy: str, vector: FeatureVector, said: Said, change: Change, origin: Origin) -> QualityRecord:
    """That a model errs in another way than it did; ``window`` counts outcomes."""
    detail: Detail = {
        "strategy": strategy,
        "model": said.version,
        "role": said.role,
        "error_before": change.before,
        "error_after": change.after,
        "window_before": change.held,
        "window_after": change.holds,
    }
    return QualityRecord(vector.symbol, vector.ts, "model.drift", detail, origin)


def trouble(
    problem: Problem, symbol: str, ts: int, strategy: str, version: str, reason: str, origin: Origin
) -> QualityRecord:
    """That something is wrong with a model, or that it begins anew."""
    return QualityRecord(symbol, ts, problem, {"strategy": strategy, "model": version, "reason": reason}, origin)


def changed(
    event: ModelActivated | ModelShadowed, before: str | None, after: str | None, problem: str, ts: int, origin: Origin
) -> ModelChange:
    """What was made of an event."""
    return ModelChange(
        event.strategy,
        ts,
        "champion" if isinstance(event, ModelActivated) else "shadow",
        before,
        after,
        origin,
        usable=not problem,
        problem=problem,
        symbol=event.symbol,
        reason=event.reason,
        by=event.by,
    )
