"""What came of a training."""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec

from learning.training.fitted import Fitted
from learning.training.params import Params
from learning.training.search import Trial
from schemas.learning import Family, Target, Training
from schemas.model import ModelRecord

NOT_PARAMS = ("class_weight", "early_stopping")
"""Settings that a record keeps beside the family's own parameters, because the model's bytes depend on them."""


@dataclass(frozen=True)
class Trained:
    """A model, its bytes, and how it came to be.

    ``params`` are all that were in force; ``rounds`` the trees or epochs that were kept; ``weights`` are by class,
    ``trials`` those of the search in their order, ``notes`` what the checks before found.
    """

    model: Fitted
    target: Target
    training: Training
    params: Params
    rounds: int
    weights: dict[int, float]
    trials: tuple[Trial, ...]
    notes: tuple[str, ...]
    content: bytes = field(repr=False)

    @property
    def file(self) -> str:
        """The name of its file."""
        return file_of(self.model.family)

    @property
    def sha256(self) -> str:
        """Of its bytes, in hexadecimal."""
        return sha256(self.content).hexdigest()

    def record(self, **known: Any) -> ModelRecord:
        """The record; ``known`` are the fields that only the caller knows.

        These are version, strategy, symbols, feature_registry_version, every, offsets, splits, trained_at and code;
        dataset, trigger and metrics may be.
        """
        training = self.training
        kept = {"class_weight": training.class_weight, "early_stopping": training.early_stopping}
        said: dict[str, Any] = {
            "family": self.model.family,
            "file": self.file,
            "sha256": self.sha256,
            "features": self.model.features,
            "target": self.target,
            "classes": self.model.classes,
            "params": self.params | kept,
            "seed": training.seed,
            "rounds": self.rounds,
            "importance": self.model.importance(),
            "notes": self.notes,
        }
        return ModelRecord(**{**said, **known})


def file_of(family: Family) -> str:
    """The name of a family's model file."""
    return "model.ubj" if family == "xgboost" else "model.skops"


def settings_of(record: ModelRecord) -> tuple[Target, Training]:
    """What to train with, to make the model of a record again: the same rows give the same bytes."""
    params = {name: value for name, value in record.params.items() if name not in NOT_PARAMS}
    kept = {name: record.params[name] for name in NOT_PARAMS if name in record.params}
    settings = {
        "enabled": True,
        "family": record.family,
        "params": params,
        "features": record.features,
        "every": record.every,
        "seed": record.seed,
        "min_rows": 1,
        **kept,
    }
    return record.target, msgspec.convert(settings, Training)
