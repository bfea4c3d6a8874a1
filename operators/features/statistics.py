"""Exact sums: means and deviations that are the same on every machine and in every version of Python.

``fsum`` rounds once, whatever the order; the built-in ``sum`` changed with Python 3.12 and numpy's depends on the
processor. Deviations are taken from differences to one of the values: the mean of squares, and even a rounded mean of
large values, loses the digits of a small variance.
"""

from collections.abc import Sequence
from math import fsum, sqrt


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean.

    Raises:
        OverflowError: when the values are too large to be added.
    """
    try:
        return fsum(values) / len(values)
    except ValueError as error:
        raise OverflowError("infinite values of both signs cannot be added") from error


def centred(values: Sequence[float]) -> list[float]:
    """Each value less the mean of all.

    >>> centred([1e15, 1e15 + 1, 1e15 + 2])
    [-1.0, 0.0, 1.0]
    """
    newest = values[-1]
    moves = [value - newest for value in values]
    middle = mean(moves)
    return [move - middle for move in moves]


def size(centred_values: Sequence[float]) -> float:
    """Population standard deviation (divisor n) of values that are centred."""
    return sqrt(mean([value * value for value in centred_values]))


def deviation(values: Sequence[float]) -> float:
    """Population standard deviation (divisor n); exactly 0.0 when all values are equal.

    >>> deviation([0.1, 0.1, 0.1]), deviation([1.0, 3.0])
    (0.0, 1.0)
    """
    return size(centred(values))


def zscore(values: Sequence[float]) -> float:
    """(newest - mean) / deviation.

    Raises:
        ZeroDivisionError: when all values are equal.
    """
    around = centred(values)
    return around[-1] / size(around)


def correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Pearson's, -1..1.

    >>> correlation([1.0, 2.0, 3.0], [6.0, 4.0, 2.0])
    -1.0

    Raises:
        ZeroDivisionError: when all values of one side are equal.
    """
    dx, dy = centred(x), centred(y)
    return mean([a * b for a, b in zip(dx, dy, strict=True)]) / size(dx) / size(dy)
