"""Prices thinned out for a chart, keeping every extreme."""

from collections.abc import Sequence
from typing import NamedTuple

from reports.bar import PriceBar


class Point(NamedTuple):
    """The newest price at ``ts``, and the lowest and highest since the point before."""

    ts: int
    low: float
    high: float
    close: float


def thinned(bars: Sequence[PriceBar], start: int, end: int, most: int = 600) -> list[Point]:
    """At most ``most`` points for the bars of one symbol that end between two times."""
    width = max((end - start) // most + 1, 1)
    points: dict[int, Point] = {}
    for bar in bars:
        if start <= bar.ts <= end:
            slot = (bar.ts - start) // width
            old = points.get(slot)
            low, high = (bar.low, bar.high) if old is None else (min(bar.low, old.low), max(bar.high, old.high))
            points[slot] = Point(bar.ts, low, high, bar.close)
    return list(points.values())
