"""What a strategy learns and how: the block ``learning`` of its settings.

Horizons and rhythms are whole seconds on the log's clock, thresholds fractions of the price, periods days (fractions
are allowed). Where the origin system has a setting for it, the default is that one's (contracts: settings 3.2-3.4 and
4), or its specification's.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from schemas.bounds import Text

Share = Annotated[float, Meta(ge=0, le=1)]
Days = Annotated[float, Meta(gt=0, le=3660)]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
WholeSeconds = Annotated[int, Meta(ge=1, le=86_400)]
Family = Literal["xgboost", "random_forest", "logistic_regression", "sgd_classifier"]
"""Batch models, by the names of table ``model_versions``."""
OnlineModel = Literal[
    "logistic_regression", "softmax_regression", "passive_aggressive", "gaussian_nb", "hoeffding_tree",
    "hoeffding_adaptive_tree",
]  # fmt: skip
TargetKind = Literal["classification", "regression", "risk_adjusted"]


class _Part(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A block of settings: unknown names are refused, so that a typing error cannot pass for a default."""


class Target(_Part, frozen=True):
    """What is to be foretold of the price ``horizon`` seconds later.

    ``classification``: +1 if the return is above ``threshold``, -1 if below its negative, else 0. With threshold 0 an
    unchanged price is 0. ``regression``: the return. ``risk_adjusted``: the return over the deviation of past returns.
    """

    kind: TargetKind = "classification"
    horizon: WholeSeconds = 60
    threshold: Annotated[float, Meta(ge=0, lt=1)] = 0.001


class Online(_Part, frozen=True):
    """A River pipeline per symbol that predicts every ``every`` seconds, and learns when the horizon has passed.

    ``features`` are those that it looks at; none: all of the registry. ``window`` is how many outcomes the sliding
    metrics look at. ``drift`` is ADWIN's delta: the smaller, the surer it must be.
    """

    enabled: bool = False
    model: OnlineModel = "logistic_regression"
    every: WholeSeconds = 5
    features: tuple[Text, ...] = ()
    window: Annotated[int, Meta(ge=10, le=100_000)] = 500
    learning_rate: Annotated[float, Meta(gt=0, le=10)] = 0.01
    drift: Annotated[float, Meta(gt=0, lt=1)] = 0.002
    seed: int = 42


class Training(_Part, frozen=True):
    """Batch models, trained from the log by ``lockstep learn`` or ``lockstep train``.

    A row every ``every`` seconds. Periods are counted back from the newest event. Triggers: ``schedule`` (a cron
    expression, UTC), ``interval_days`` since the last training, ``new_rows`` or ``new_executions`` since then (0:
    never), quality, drift, by hand. ``params`` go over the family's defaults. ``search`` tries at most ``trials`` sets
    of hyper-parameters on the validation split. A training that takes more than ``max_seconds`` is given up.
    ``folds`` walk forward through what lies before the test split, for the record: each learns from half of it.
    """

    enabled: bool = False
    family: Family = "xgboost"
    params: dict[str, float | int | str | bool] = {}
    every: WholeSeconds = 60
    features: tuple[Text, ...] = ()
    train_days: Days = 30.0
    validation_days: Days = 7.0
    test_days: Days = 1.0
    min_rows: Count = 1000
    max_seconds: Annotated[int, Meta(gt=0, le=86_400)] = 1800
    schedule: Text = ""
    interval_days: Annotated[float, Meta(ge=0, le=3660)] = 7.0
    new_rows: Count = 0
    new_executions: Count = 0
    on_drift: bool = True
    on_degradation: bool = True
    class_weight: Literal["none", "inverse_frequency", "balanced"] = "inverse_frequency"
    early_stopping: Annotated[int, Meta(ge=0, le=1000)] = 10
    search: Literal["none", "grid", "random"] = "none"
    trials: Annotated[int, Meta(ge=1, le=200)] = 50
    embargo: Annotated[int, Meta(ge=0, le=604_800)] = 0
    seed: int = 42
    folds: Annotated[int, Meta(ge=0, le=50)] = 3


class Promotion(_Part, frozen=True):
    """When a candidate takes over, and when the model in charge loses its place to warm-up.

    A candidate runs in shadow for ``shadow_minutes`` of log time and until it has ``samples`` outcomes; it is promoted
    when its accuracy is at least ``accuracy`` and better than the champion's on the same outcomes. The champion falls
    back to warm-up when, over its last ``samples`` outcomes, its accuracy is below ``accuracy - margin``: the distance
    keeps the mode from flapping, and so does ``dwell_minutes`` between two changes. A candidate that has not won after
    ``patience_minutes`` is dismissed.
    """

    automatic: bool = True
    accuracy: Share = 0.75
    margin: Share = 0.05
    samples: Annotated[int, Meta(ge=1, le=1_000_000)] = 200
    shadow_minutes: Annotated[float, Meta(ge=0, le=1_000_000)] = 60.0
    patience_minutes: Annotated[float, Meta(gt=0, le=10_000_000)] = 1440.0
    dwell_minutes: Annotated[float, Meta(ge=0, le=1_000_000)] = 10.0


class Learning(_Part, frozen=True):
    """``target`` is what all models of the strategy foretell."""

    target: Target = field(default_factory=Target)
    online: Online = field(default_factory=Online)
    training: Training = field(default_factory=Training)
    promotion: Promotion = field(default_factory=Promotion)

    def contradictions(self) -> list[str]:
        """Settings that are each allowed and cannot be meant together."""
        found = []
        training, promotion = self.training, self.promotion
        if not training.train_days >= training.validation_days >= training.test_days:
            found.append("learning.training: train_days >= validation_days >= test_days must hold")
        if promotion.margin > promotion.accuracy:
            found.append("learning.promotion.margin is above accuracy")
        if promotion.patience_minutes < promotion.shadow_minutes:
            found.append("learning.promotion.patience_minutes is below shadow_minutes: no candidate could ever win")
        if self.target.kind != "classification" and self.online.enabled:
            found.append("learning.online needs the target kind classification")
        return found
