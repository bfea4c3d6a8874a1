"""Hyper-parameters tried on the validation split (contracts: settings section 4, TK-MS-34)."""

import random
from collections.abc import Iterator, Mapping
from itertools import product
from math import exp, log
from typing import Literal

import msgspec

from learning.training.params import ALLOWED, Choice, Params, Value
from schemas.learning import Family

GRID: dict[Family, dict[str, tuple[Value, ...]]] = {
    "xgboost": {
        "max_depth": (3, 5, 7, 10),
        "learning_rate": (0.01, 0.1, 0.3),
        "n_estimators": (100, 200, 500),
        "subsample": (0.8, 1.0),
        "colsample_bytree": (0.8, 1.0),
        "min_child_weight": (1, 3, 5),
    },
    "random_forest": {
        "max_depth": (5, 10, 15),
        "n_estimators": (50, 100, 200),
        "min_samples_leaf": (1, 5, 20),
        "max_features": ("sqrt", "log2"),
    },
    "logistic_regression": {"C": (0.001, 0.01, 0.1, 1.0, 10.0)},
    "sgd_classifier": {"alpha": (1e-5, 1e-4, 1e-3, 1e-2), "penalty": ("l2", "l1", "elasticnet")},
}
"""The first is the origin's. A random search draws from the span of each row, by its logarithm where that is wide."""
WIDE = 10
"""The ratio of two ends from which a span is wide."""


class Trial(msgspec.Struct, frozen=True):
    """One set of hyper-parameters: all of them, the trees or epochs that were kept, and how good it was."""

    params: Params
    rounds: int
    score: float


def candidates(
    family: Family, kind: Literal["grid", "random"], base: Params, fixed: Mapping[str, Value], trials: int, seed: int
) -> list[Params]:
    """At most ``trials`` different sets, the first of them ``base``; what is ``fixed`` stays.

    A grid that has more points than that is sampled.

    >>> found = candidates("logistic_regression", "grid", {"C": 1.0, "tol": 0.1}, {}, 3, seed=1)
    >>> found[0], len(found)
    ({'C': 1.0, 'tol': 0.1}, 3)
    """
    free = {name: values for name, values in GRID[family].items() if name not in fixed}
    chance = random.Random(seed)
    found = [base]
    for point in _grid(free, trials, chance) if kind == "grid" else _drawn(family, free, trials, chance):
        if len(found) == trials:
            break
        if (candidate := base | point) not in found:
            found.append(candidate)
    return found


def _grid(free: Mapping[str, tuple[Value, ...]], trials: int, chance: random.Random) -> Iterator[Params]:
    points = list(product(*free.values()))
    chosen = sorted(chance.sample(range(len(points)), min(trials, len(points))))
    for number in chosen:
        yield dict(zip(free, points[number], strict=True))


def _drawn(
    family: Family, free: Mapping[str, tuple[Value, ...]], trials: int, chance: random.Random
) -> Iterator[Params]:
    for _ in range(2 * trials):
        yield {name: _draw(ALLOWED[family][name], values, chance) for name, values in free.items()}


def _draw(rule: object, values: tuple[Value, ...], chance: random.Random) -> Value:
    if isinstance(rule, Choice):
        return values[chance.randrange(len(values))]
    low, high = float(values[0]), float(values[-1])
    place = chance.random()
    wide = high / low >= WIDE
    drawn = exp(log(low) + place * (log(high) - log(low))) if wide else low + place * (high - low)
    return round(drawn) if getattr(rule, "whole", False) else round(drawn, 9)
