"""Exact sums: means and deviations that are the same on every machine and in every version of Python.

``fsum`` rounds once, whatever the order; the built-in ``sum`` changed with Python 3.12 and numpy's depends on the
processor. Deviations take two passes, since the mean of squares loses every digit of a small variance.
"""

from collections.abc import Sequence
from math import fsum, sqrt


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean."""
    return fsum(values) / len(values)


def deviation(values: Sequence[float]) -> float:
    """Population standard deviation (divisor n); exactly 0.0 when all values are equal.

    >>> deviation([0.1, 0.1, 0.1]), deviation([1.0, 3.0])
    (0.0, 1.0)
    """
    if max(values) == min(values):
        return 0.0
    middle = mean(values)
    return sqrt(fsum([(value - middle) ** 2 for value in values]) / len(values))


def zscore(values: Sequence[float]) -> float:
    """(newest - mean) / deviation.

    Raises:
        ZeroDivisionError: when all values are equal.
    """
    return (values[-1] - mean(values)) / deviation(values)


def correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Pearson's correlation, -1..1.

    Raises:
        ZeroDivisionError: when all values of one side are equal.
    """
    dx, dy = deviation(x), deviation(y)
    mx, my = mean(x), mean(y)
    return fsum([(a - mx) * (b - my) for a, b in zip(x, y, strict=True)]) / len(x) / (dx * dy)
