"""What a target makes of two prices."""

from math import isfinite
from typing import NamedTuple

SMALLEST_DEVIATION = 1e-12
"""Below it, returns have no deviation to speak of (contracts: features 8)."""


class Label(NamedTuple):
    """What came of the vector of ``ts``: ``change`` is ``later / price - 1``, known at ``matured`` = ts + horizon.

    Times in microseconds UTC, prices in quote currency; ``label`` is the class of ``change``: -1, 0 or 1.
    """

    ts: int
    matured: int
    price: float
    later: float
    change: float
    label: int


def change_of(price: float, later: float) -> float | None:
    """The return from one price to a later one; None where it is no number.

    >>> change_of(100.0, 101.0) == 101.0 / 100.0 - 1
    True
    """
    change = later / price - 1
    return change if isfinite(change) else None


def classify(change: float, threshold: float) -> int:
    """+1 above the threshold, -1 below its negative, else 0; with threshold 0 an unchanged price is 0.

    >>> [classify(change, 0.001) for change in (0.002, 0.001, -0.001, -0.002)]
    [1, 0, 0, -1]
    """
    if change > threshold:
        return 1
    return -1 if change < -threshold else 0


def risk_adjusted(change: float, deviation: float) -> float:
    """A return in units of the deviation of **past** returns; 0 where that is next to nothing.

    >>> risk_adjusted(0.01, 0.005), risk_adjusted(0.01, 1e-13)
    (2.0, 0.0)
    """
    return 0.0 if abs(deviation) < SMALLEST_DEVIATION else change / deviation
