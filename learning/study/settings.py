"""What a study asks, fixed before it looks at any result."""

import msgspec

from schemas.learning import Online, Training

TREES = Training(
    params={
        "n_estimators": 400,
        "max_depth": 4,
        "learning_rate": 0.05,
        "min_child_weight": 50,
        "subsample": 0.8,
        "colsample_bytree": 0.8,
        "gamma": 0,
        "reg_alpha": 0,
        "reg_lambda": 1,
    },
    class_weight="none",
    early_stopping=25,
    min_rows=1,
)
"""Shallow and slow, as little is there to be found; every class counts as often as it occurs, so that probabilities
are what happens."""


class Question(msgspec.Struct, frozen=True):
    """Where will the price be ``horizon`` seconds from now: up, down, or within ``threshold`` (a fraction) of here?"""

    horizon: int
    threshold: float


class Settings(msgspec.Struct, frozen=True):
    """Of the walk-forward: the time of the rows is cut into ``units`` equal parts; each fold learns from ``train`` of
    them, stops on the last ``validation`` share of those, and is judged on the next one, ``embargo`` seconds later.

    ``training`` is XGBoost's, ``online`` that of River's pipeline, by default the flow's.
    """

    questions: tuple[Question, ...] = (Question(300, 0.0005), Question(3600, 0.002))
    units: int = 16
    train: int = 6
    validation: float = 0.1
    embargo: int = 3600
    online: Online = Online(enabled=True)
    training: Training = msgspec.field(default_factory=lambda: TREES)
    cuts: int = 50
    """Rows that are built again for the proof that none knows the future."""
    level: float = 0.95
    """Of the confidence intervals."""

    def __post_init__(self) -> None:
        if not 0 < self.train < self.units:
            raise ValueError(f"train is {self.train} of {self.units} units: none is left to be judged on")
        if not 0 < self.validation < 1 or not 0 < self.level < 1:
            raise ValueError("validation and level are shares between 0 and 1")

    @property
    def folds(self) -> int:
        """How many there are."""
        return self.units - self.train
