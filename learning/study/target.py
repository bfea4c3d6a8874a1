"""What came of each row."""

from typing import NamedTuple

import numpy as np

from learning.study.bars import Bars
from learning.study.rows import Rows
from learning.study.settings import Question
from operators.spans import SECOND

UNKNOWN = 9
"""The class of a row whose future is not known."""


class Targets(NamedTuple):
    """By row: the return over the horizon (NaN where a bar is missing, or not there yet), its class -1, 0, 1 (or
    ``UNKNOWN``), and the class of the return over the horizon that ends at the row."""

    change: np.ndarray
    label: np.ndarray
    last: np.ndarray


def targets(bars: Bars, rows: Rows, question: Question) -> Targets:
    """The targets of ``rows``: both prices are closes of bars without a hole between them.

    Raises:
        ValueError: when the horizon is no whole number of bars.
    """
    horizon = question.horizon * SECOND
    if horizon % bars.interval or not horizon:
        raise ValueError(
            f"a horizon of {question.horizon} s is no whole number of bars of {bars.interval // SECOND} s each"
        )
    steps = horizon // bars.interval
    ahead = np.full(len(bars), np.nan)
    if len(bars) > steps:
        later = bars.close[steps:] / bars.close[:-steps] - 1
        whole = bars.start[steps:] - bars.start[:-steps] == horizon
        ahead[:-steps] = np.where(whole, later, np.nan)
    past = np.full(len(bars), np.nan)
    past[steps:] = ahead[: len(bars) - steps]
    change = ahead[rows.bar]
    return Targets(change, classes(change, question.threshold), classes(past[rows.bar], question.threshold))


def classes(change: np.ndarray, threshold: float) -> np.ndarray:
    """1 above the threshold, -1 below its negative, else 0; ``UNKNOWN`` for NaN.

    >>> classes(np.array([0.2, 0.1, -0.2, np.nan]), 0.1).tolist()
    [1, 0, -1, 9]
    """
    found = (change > threshold).astype(np.int8) - (change < -threshold).astype(np.int8)
    return np.where(np.isnan(change), np.int8(UNKNOWN), found)
