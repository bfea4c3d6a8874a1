"""How sure a difference between two models is, from the folds of a walk-forward."""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np
from scipy.stats import t as student


def interval(values: Sequence[float | None], overlap: float, level: float) -> dict[str, float | None]:
    """Mean, sample standard deviation and a confidence interval of figures of folds.

    The folds are judged on disjoint rows but learn from overlapping ones, so they agree more than independent ones
    would. The variance of the mean is therefore s² (1/k + overlap), with ``overlap`` the rows judged over the rows
    learnt from: Nadeau & Bengio (2003), "Inference for the Generalization Error". Figures that are None are left out.

    >>> interval([0.5, 0.5], 0.1, 0.95)
    {'mean': 0.5, 'std': 0.0, 'low': 0.5, 'high': 0.5}
    """
    known = [value for value in values if value is not None]
    if not known:
        return {"mean": None, "std": None, "low": None, "high": None}
    mean = float(np.mean(known))
    if len(known) < 2:
        return {"mean": mean, "std": None, "low": None, "high": None}
    deviation = float(np.std(known, ddof=1))
    reach = float(student.ppf(0.5 + level / 2, len(known) - 1)) * deviation * sqrt(1 / len(known) + overlap)
    return {"mean": mean, "std": deviation, "low": mean - reach, "high": mean + reach}


def paired(
    values: Sequence[float | None], others: Sequence[float | None], overlap: float, level: float
) -> dict[str, Any]:
    """The difference of two models on the same folds: as ``interval``, with ``p``, two-sided.

    ``p`` is that of the t test with the same corrected variance (k - 1 degrees of freedom); None where all
    differences are equal.
    """
    differences = [
        one - other for one, other in zip(values, others, strict=True) if one is not None and other is not None
    ]
    found: dict[str, Any] = interval(differences, overlap, level)
    p = None
    if len(differences) > 1 and found["std"]:
        error = found["std"] * sqrt(1 / len(differences) + overlap)
        p = float(2 * student.sf(abs(found["mean"] / error), len(differences) - 1))
    return found | {"p": p}


def holm(found: Sequence[float | None]) -> list[float | None]:
    """p values of several tests, raised so that one false alarm among all of them stays as unlikely as in one test.

    Holm (1979), "A Simple Sequentially Rejective Multiple Test Procedure".

    >>> holm([0.01, 0.04, None, 0.03])
    [0.03, 0.06, None, 0.06]
    """
    order = sorted((p, place) for place, p in enumerate(found) if p is not None)
    raised: list[float | None] = [None] * len(found)
    least = 0.0
    for rank, (p, place) in enumerate(order):
        least = max(least, min(1.0, p * (len(order) - rank)))
        raised[place] = least
    return raised
