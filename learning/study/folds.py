"""Walk-forward: always learn from the past, be judged on what comes next."""

from typing import NamedTuple

import numpy as np

from learning.study.settings import Settings
from operators.spans import SECOND


class Span(NamedTuple):
    """Rows of a split: times [start, end) in microseconds UTC, and their places."""

    start: int
    end: int
    rows: np.ndarray


class Fold(NamedTuple):
    """What is learnt from, what says when to stop, and what is judged on: in this order of time, disjoint."""

    train: Span
    validation: Span
    test: Span


def folds(ts: np.ndarray, known: np.ndarray, horizon: int, settings: Settings) -> list[Fold]:
    """All folds over rows at ``ts`` (ascending, microseconds UTC).

    Rows whose future is not ``known`` belong nowhere. Purge: neither does a row whose horizon (seconds) reaches beyond
    the end of its split, so nothing is learnt from prices that are judged on, and no two splits share one. Embargo:
    validation and test begin that much later than their boundaries.
    """
    first, span = int(ts[0]), int(ts[-1]) + 1 - int(ts[0])
    edges = [first + span * unit // settings.units for unit in range(settings.units + 1)]
    found = []
    for number in range(settings.folds):
        start, judged, end = edges[number], edges[number + settings.train], edges[number + settings.train + 1]
        stop = judged - round((judged - start) * settings.validation)
        embargo = settings.embargo * SECOND
        cuts = ((start, stop), (stop + embargo, judged), (judged + embargo, end))
        found.append(Fold(*(_span(ts, known, begin, until, horizon * SECOND) for begin, until in cuts)))
    return found


def _span(ts: np.ndarray, known: np.ndarray, start: int, end: int, horizon: int) -> Span:
    return Span(start, end, np.flatnonzero(known & (ts >= start) & (ts + horizon <= end)))
