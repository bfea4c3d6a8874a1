"""Cutting the rows before the test split into folds, each judged by what came after it."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from learning.training.rows import Rows
from learning.training.walk_forward import Fold

SECOND = 1_000_000


def folds_of(times: npt.NDArray[np.int64], rows: Rows, count: int, *, horizon: int, embargo: int = 0) -> Iterator[Fold]:
    """``count`` folds: each learns from half of the time, and is judged by the next of ``count`` parts of the rest.

    A row whose horizon reaches beyond its part is dropped, and so are those of the first ``embargo`` seconds of a part
    that judges (contracts: features 9).

    Args:
        times: of the rows, microseconds UTC, rising.
        rows: as many.
        count: how many folds.
        horizon: of the target, seconds.
        embargo: seconds.

    >>> times = np.arange(8) * SECOND
    >>> for fold in folds_of(times, Rows(np.zeros((8, 1)), np.arange(8)), 2, horizon=1):
    ...     print(fold.name, fold.train.targets, fold.validation.targets)
    fold_0 [0 1 2] [4]
    fold_1 [2 3 4] [6]
    """
    if not len(times) or count < 1:
        return
    begin, end = int(times[0]), int(times[-1]) + SECOND
    window = (end - begin) // 2
    step = (end - begin - window) // count
    for number in range(count):
        first = begin + number * step
        middle = first + window
        train = _between(times, first, middle - horizon * SECOND)
        judged = _between(times, middle + embargo * SECOND, middle + step - horizon * SECOND)
        yield Fold(f"fold_{number}", rows.only(train), rows.only(judged))


def joined(parts: Sequence[tuple[npt.NDArray[np.int64], Rows]]) -> tuple[npt.NDArray[np.int64], Rows]:
    """The times and rows of several splits as one, in the order of time."""
    times = np.concatenate([found for found, _ in parts])
    features = np.concatenate([rows.features for _, rows in parts])
    targets = np.concatenate([rows.targets for _, rows in parts])
    order = np.argsort(times, kind="stable")
    return times[order], Rows(features[order], targets[order])


def _between(times: npt.NDArray[np.int64], first: int, stop: int) -> npt.NDArray[np.bool_]:
    return (times >= first) & (times < stop)
