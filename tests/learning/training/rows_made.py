"""Rows with something to learn, made from a seed: the sign of the first feature, mostly."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from learning.training import Request, Rows, Trained, train
from schemas.learning import Target, Training
from schemas.model import ModelRecord, Period

NAMES = ("ofi", "spread", "depth", "vwap")
QUICK: dict[str, dict[str, Any]] = {
    "xgboost": {"n_estimators": 12, "max_depth": 3},
    "random_forest": {"n_estimators": 12, "max_depth": 4},
    "logistic_regression": {},
    "sgd_classifier": {"max_iter": 8},
}
"""Hyper-parameters by family, for trainings of a few milliseconds."""


def rows(count: int, seed: int = 1, classes: tuple[int, ...] = (-1, 0, 1), unknown: float = 0.1) -> Rows:
    """Four features, every tenth value unknown; the targets are classes."""
    chance = np.random.default_rng(seed)
    features = chance.normal(size=(count, len(NAMES)))
    signal = features[:, 0] + 0.3 * chance.normal(size=count)
    targets = np.where(signal > 0.5, 1, np.where(signal < -0.5, -1, 0))
    if 0 not in classes:
        targets = np.where(signal > 0, 1, -1)
    features[chance.random(features.shape) < unknown] = np.nan
    return Rows(features, targets)


def numbers(count: int, seed: int = 1) -> Rows:
    """The same with the number itself as the target."""
    chance = np.random.default_rng(seed)
    features = chance.normal(size=(count, len(NAMES)))
    return Rows(features, 0.01 * features[:, 0] + 0.001 * chance.normal(size=count))


def training(family: str = "xgboost", params: Mapping[str, Any] | None = None, **changed: Any) -> Training:
    """Settings for a quick training."""
    return Training(family=family, params={**QUICK[family], **(params or {})}, **{"min_rows": 50, **changed})  # type: ignore[arg-type]


def request(family: str = "xgboost", classes: tuple[int, ...] = (-1, 0, 1), **changed: Any) -> Request:
    """A training of a few hundred rows."""
    return Request(rows(400, 1, classes), rows(150, 2, classes), NAMES, Target(), training(family, **changed))


def regression(family: str = "xgboost") -> Request:
    """The same for a number."""
    return Request(numbers(400, 1), numbers(150, 2), NAMES, Target(kind="regression"), training(family))


def record(trained: Trained, version: str = "v1700000000", **changed: Any) -> ModelRecord:
    """A record as the retrain flow would write it."""
    known: dict[str, Any] = {
        "version": version,
        "strategy": "s",
        "symbols": ("BTCUSDT",),
        "feature_registry_version": "1.2.0",
        "every": 60,
        "offsets": {"0": (0, 100)},
        "splits": {"train": Period(0, 1, 400)},
        "trained_at": 1_700_000_000_000_000,
        "code": "digest",
    }
    return trained.record(**{**known, **changed})


def trained_once(family: str, classes: tuple[int, ...] = (-1, 0, 1)) -> Trained:
    """A model of a family."""
    return train(request(family, classes))
