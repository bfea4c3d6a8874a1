"""Classes of the rows, and how much each row weighs."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from learning.training.fitted import CLASSES
from learning.training.rows import Rows, Vector

Weighting = Literal["none", "inverse_frequency", "balanced"]


def counts_of(targets: Vector) -> dict[int, int]:
    """Rows of each class that occurs, ascending.

    >>> counts_of(np.array([1, -1, 1]))
    {-1: 1, 1: 2}
    """
    found = {name: int(np.count_nonzero(targets == name)) for name in CLASSES}
    return {name: count for name, count in found.items() if count}


def class_weights(method: Weighting, counts: dict[int, int]) -> dict[int, float]:
    """Rows / (classes * rows of the class); of two classes the upper one has lower rows / upper rows, the lower one 1.

    (contracts: settings section 4; King and Zeng 2001, XGBoost's scale_pos_weight.) ``inverse_frequency`` and
    ``balanced`` are two names of that one formula, in the origin and in scikit-learn.

    >>> class_weights("inverse_frequency", {-1: 10, 0: 80, 1: 10})[0]
    0.4166666666666667
    >>> class_weights("balanced", {-1: 30, 1: 10})
    {-1: 1.0, 1: 3.0}
    """
    if method == "none":
        return dict.fromkeys(counts, 1.0)
    if len(counts) == 2:
        (lower, negatives), (upper, positives) = counts.items()
        return {lower: 1.0, upper: negatives / positives}
    total = sum(counts.values())
    return {name: total / (len(counts) * count) for name, count in counts.items()}


def row_weights(targets: Vector, weights: dict[int, float]) -> npt.NDArray[np.float64]:
    """The weight of each row's class; all of them must have one."""
    found = np.zeros(len(targets))
    for name, weight in weights.items():
        found[targets == name] = weight
    return found


def positions(targets: Vector, classes: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """The place of each row's class among ``classes``, as XGBoost numbers them.

    >>> positions(np.array([1, -1]), (-1, 1)).tolist()
    [1, 0]
    """
    return np.searchsorted(np.array(classes), targets)


def known(rows: Rows, classes: tuple[int, ...]) -> Rows:
    """The rows of these classes: a model can be asked about no others."""
    return rows.only(np.isin(rows.targets, classes))
