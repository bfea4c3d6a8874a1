"""Drawdowns: how far equity fell below its own peak, and for how long."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple


class Drawdown(NamedTuple):
    """The deepest fall in quote currency, the deepest in per cent of its peak (None where a peak was not positive), and
    the longest time from a peak until equity was back there, in the unit of the times."""

    amount: float
    percent: float | None
    longest: int


def below_peak(equity: Sequence[float]) -> list[float]:
    """How far each value lies below the highest so far; never negative.

    >>> below_peak([1.0, 3.0, 2.0, 4.0])
    [0.0, 0.0, 1.0, 0.0]
    """
    return [peak - value for peak, value in zip(accumulate(equity, max), equity, strict=True)]


def drawdown(times: Sequence[int], equity: Sequence[float]) -> Drawdown:
    """The drawdowns of a curve; the last one may still last."""
    if not equity:
        return Drawdown(0.0, None, 0)
    peaks = list(accumulate(equity, max))
    falls = below_peak(equity)
    percent = max(fall / peak * 100 for fall, peak in zip(falls, peaks, strict=True)) if min(peaks) > 0 else None
    longest, since, below = 0, times[0], False
    for time, fall in zip(times, falls, strict=True):
        if fall > 0 or below:
            longest = max(longest, time - since)
        below = fall > 0
        if not below:
            since = time
    return Drawdown(max(falls), percent, longest)
