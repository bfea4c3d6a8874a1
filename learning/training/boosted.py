"""Gradient-boosted trees in memory, and their file: XGBoost's own UBJSON."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from learning.training.fitted import shares
from learning.training.rows import Matrix
from schemas.learning import Family

if TYPE_CHECKING:
    from xgboost import Booster

CLASSES_ATTRIBUTE = "lockstep_classes"


class BoostedTrees:
    """A booster and the classes of its outputs. It predicts on one thread."""

    family: Family = "xgboost"

    def __init__(self, booster: "Booster", features: tuple[str, ...], classes: tuple[int, ...]) -> None:
        booster.set_param({"nthread": 1})
        self.booster = booster
        self.features = features
        self.classes = classes
        self.rounds = booster.num_boosted_rounds()

    def outputs(self, rows: Matrix) -> npt.NDArray[np.float64]:
        """Probabilities of shape (rows, classes), or numbers of shape (rows,); NaN is unknown."""
        found: npt.NDArray[Any] = self.booster.inplace_predict(rows).astype(np.float64)
        if self.classes and found.ndim == 1:
            return np.column_stack([1.0 - found, found])
        return found

    def importance(self) -> dict[str, float]:
        """Shares of the gain of the splits at each feature."""
        gains = self.booster.get_score(importance_type="total_gain")
        return shares({name: _number(gains.get(name, 0.0)) for name in self.features})

    def content(self) -> bytes:
        """Feature names and classes are within."""
        self.booster.set_attr(**{CLASSES_ATTRIBUTE: json.dumps(self.classes)})
        return bytes(self.booster.save_raw("ubj"))


def _number(gain: float | list[float]) -> float:
    return float(sum(gain)) if isinstance(gain, list) else float(gain)


def read_booster(content: bytes) -> BoostedTrees:
    """The inverse of ``BoostedTrees.content``; XGBoost's JSON is read as well.

    XGBoost ends the whole process at some damaged bytes: hand it none whose hash is not what it should be.

    Raises:
        ValueError: when it is no such model; it says why.
    """
    from xgboost import Booster
    from xgboost.core import XGBoostError

    booster = Booster({"nthread": 1})
    try:
        booster.load_model(bytearray(content))
    except XGBoostError as error:
        raise ValueError("XGBoost cannot read it") from error  # what it says has the time of day in it
    classes = booster.attr(CLASSES_ATTRIBUTE)
    if not booster.feature_names or classes is None:
        raise ValueError(f"it names no features, or has no attribute {CLASSES_ATTRIBUTE}: Lockstep did not write it")
    model = BoostedTrees(booster, tuple(booster.feature_names), tuple(json.loads(classes)))
    outputs = _classes_of(booster)
    if outputs != len(model.classes):
        raise ValueError(f"it has outputs for {outputs} classes and names {list(model.classes)}")
    return model


def _classes_of(booster: "Booster") -> int:
    learner = json.loads(booster.save_config())["learner"]
    kind = learner["learner_train_param"]["objective"]
    return {"multi:softprob": int(learner["learner_model_param"]["num_class"]), "binary:logistic": 2}.get(kind, 0)
