"""Hyper-parameters: the defaults of each family, and what a setting may be.

XGBoost's defaults are the origin's (contracts: settings section 4). Names are scikit-learn's.
"""

from collections.abc import Mapping
from typing import NamedTuple

from learning.training.problems import CannotTrain
from schemas.learning import Family

Value = float | int | str | bool
Params = dict[str, Value]


class Number(NamedTuple):
    """A number from ``least`` to ``most``; ``whole`` ones only."""

    default: Value | None
    least: float
    most: float
    whole: bool = False

    def problem(self, value: Value) -> str | None:
        """Why a value cannot be it."""
        if isinstance(value, bool | str) or (self.whole and value != int(value)):
            return f"must be a {'whole ' if self.whole else ''}number"
        if not self.least <= value <= self.most:
            return f"must be from {self.least:g} to {self.most:g}"
        return None


class Choice(NamedTuple):
    """One of some words."""

    default: Value | None
    words: tuple[str, ...]

    def problem(self, value: Value) -> str | None:
        """Why a value cannot be it."""
        return None if value in self.words else f"must be one of {', '.join(self.words)}"


TINY = 1e-9
"""The least of what must be above zero."""
ALLOWED: dict[Family, dict[str, Number | Choice]] = {
    "xgboost": {
        "n_estimators": Number(300, 1, 10_000, whole=True),
        "max_depth": Number(8, 1, 32, whole=True),
        "learning_rate": Number(0.05, TINY, 1),
        "subsample": Number(0.8, TINY, 1),
        "colsample_bytree": Number(0.8, TINY, 1),
        "min_child_weight": Number(3, 0, 1e9),
        "gamma": Number(0.1, 0, 1e9),
        "reg_alpha": Number(0.1, 0, 1e9),
        "reg_lambda": Number(1.0, 0, 1e9),
        "max_bin": Number(256, 2, 65_536, whole=True),
        "colsample_bylevel": Number(None, TINY, 1),
        "colsample_bynode": Number(None, TINY, 1),
        "max_delta_step": Number(None, 0, 1e9),
        "max_leaves": Number(None, 0, 65_536, whole=True),
        "grow_policy": Choice(None, ("depthwise", "lossguide")),
    },
    "random_forest": {
        "n_estimators": Number(100, 1, 2_000, whole=True),
        "max_depth": Number(10, 1, 32, whole=True),
        "min_samples_leaf": Number(5, 1, 1_000_000, whole=True),
        "max_features": Choice("sqrt", ("sqrt", "log2")),
        "ccp_alpha": Number(0.0, 0, 1e9),
    },
    "logistic_regression": {
        "C": Number(1.0, TINY, 1e9),
        "max_iter": Number(1_000, 1, 100_000, whole=True),
        "tol": Number(1e-4, TINY, 1),
    },
    "sgd_classifier": {
        "alpha": Number(1e-4, TINY, 1e3),
        "max_iter": Number(100, 1, 100_000, whole=True),
        "penalty": Choice("l2", ("l2", "l1", "elasticnet")),
        "l1_ratio": Number(0.15, 0, 1),
        "learning_rate": Choice("optimal", ("optimal", "constant", "invscaling")),
        "eta0": Number(0.01, TINY, 100),
    },
}
STRONGER: dict[Family, dict[str, int]] = {
    "xgboost": {"reg_alpha": 1, "reg_lambda": 1},
    "random_forest": {"min_samples_leaf": 1},
    "logistic_regression": {"C": -1},
    "sgd_classifier": {"alpha": 1},
}
"""What regularises a family, and the power of the factor by which it does so more."""


def effective(family: Family, chosen: Mapping[str, Value]) -> Params:
    """The defaults of a family with the chosen values over them.

    >>> effective("logistic_regression", {"C": 0.5})
    {'C': 0.5, 'max_iter': 1000, 'tol': 0.0001}
    >>> effective("logistic_regression", {"depth": 3})
    Traceback (most recent call last):
    learning.training.problems.CannotTrain: learning.training.params: logistic_regression has no 'depth';
    it has C, max_iter, tol

    Raises:
        CannotTrain: for a name that the family does not know, or a value that it cannot take.
    """
    allowed = ALLOWED[family]
    for name, value in chosen.items():
        if name not in allowed:
            known = ", ".join(allowed)
            raise CannotTrain(f"learning.training.params: {family} has no {name!r}; it has {known}")
        if problem := allowed[name].problem(value):
            raise CannotTrain(f"learning.training.params.{name} {problem}, not {value!r}")
    merged = {name: chosen.get(name, rule.default) for name, rule in allowed.items()}
    return {name: _plain(allowed[name], value) for name, value in merged.items() if value is not None}


def regularised(family: Family, params: Params, factor: float) -> Params:
    """The same, held back ``factor`` times as much.

    >>> regularised("xgboost", {"reg_alpha": 0.1, "reg_lambda": 1.0}, 1.5)["reg_lambda"]
    1.5
    """
    changed = dict(params)
    for name, power in STRONGER[family].items():
        changed[name] = _plain(ALLOWED[family][name], float(params[name]) * factor**power)
    return changed


def _plain(rule: Number | Choice, value: Value) -> Value:
    """A whole number as an int, any other as a float, so that equal settings give equal records."""
    if isinstance(rule, Choice):
        return value
    return round(float(value)) if rule.whole else float(value)
