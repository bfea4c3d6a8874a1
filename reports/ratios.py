"""Ratios of a series of returns. Each is None, with a reason, where it has no meaning."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

YEAR = 365 * 86_400
"""Seconds: these markets never close."""
Ratio = tuple[float | None, str]
"""(value, why it is None)"""
FLAT = 1e-12
"""Deviations below this part of the largest return are rounding errors."""


def returns(equity: Sequence[float]) -> list[float] | None:
    """The simple return from each sample to the next; None when equity was not always positive.

    >>> returns([100.0, 150.0, 75.0])
    [0.5, -0.5]
    """
    if any(value <= 0 for value in equity):
        return None
    return [after / before - 1 for before, after in pairwise(equity)]


def sharpe(found: Sequence[float] | None, period: float) -> Ratio:
    """Mean over sample standard deviation of the returns of ``period`` seconds each, annualised; risk-free rate 0.

    Sharpe, W. F. (1994), "The Sharpe Ratio". Annualised by the square root of the periods of a year of 365 days.
    """
    if found is None:
        return None, "equity was not always positive"
    if len(found) < 2:
        return None, "fewer than two sampling periods"
    deviation = float(np.std(found, ddof=1))
    if deviation <= FLAT * max(map(abs, found)):
        return None, "equity did not vary"
    return float(np.mean(found)) / deviation * math.sqrt(YEAR / period), ""


def sortino(found: Sequence[float] | None, period: float) -> Ratio:
    """As ``sharpe``, over the root of the mean square of the negative returns, counted over all periods (target 0)."""
    if found is None:
        return None, "equity was not always positive"
    if len(found) < 2:
        return None, "fewer than two sampling periods"
    deviation = math.sqrt(float(np.mean(np.square(np.minimum(found, 0.0)))))
    if deviation <= FLAT * max(map(abs, found)):
        return None, "no period with a loss"
    return float(np.mean(found)) / deviation * math.sqrt(YEAR / period), ""
