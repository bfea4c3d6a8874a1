"""How good predictions were: what came of them, counted."""

from collections.abc import Sequence
from itertools import accumulate
from math import log
from typing import Any

from schemas.prediction import Outcome

BINS = 10
LEAST = 10
"""A share of fewer outcomes than this says nothing."""


def rolling(outcomes: Sequence[Outcome], window: int) -> list[tuple[int, float]]:
    """(when it was known, share of right ones among the last ``window``), from the tenth outcome on.

    Outcomes that became known at the same moment give one point.
    """
    sums = [0, *accumulate(int(one.label == one.predicted) for one in outcomes)]
    points: dict[int, float] = {}
    for number, one in enumerate(outcomes, start=1):
        first = max(0, number - window)
        if number >= min(LEAST, window):
            points[one.matured] = (sums[number] - sums[first]) / (number - first)
    return list(points.items())


def judged(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Accuracy, log-loss (nats), the share of the most frequent class, confusion and calibration.

    ``confusion`` maps each label that occurred (rows: what happened) to counts by label (columns: what was said).
    ``calibration`` has, for each tenth of confidence that occurred, the mean confidence, the share of right ones and
    how many there were. Nothing but the number where there are no outcomes.
    """
    if not outcomes:
        return {"samples": 0}
    labels = sorted({one.label for one in outcomes} | {one.predicted for one in outcomes})
    confusion = {truth: dict.fromkeys(labels, 0) for truth in labels}
    for one in outcomes:
        confusion[one.label][one.predicted] += 1
    total = len(outcomes)
    return {
        "samples": total,
        "accuracy": sum(confusion[label][label] for label in labels) / total,
        "majority": max(sum(row.values()) for row in confusion.values()) / total,
        "log_loss": sum(-log(max(one.probabilities.get(str(one.label), 0.0), 1e-15)) for one in outcomes) / total,
        "labels": labels,
        "confusion": [[confusion[truth][said] for said in labels] for truth in labels],
        "calibration": calibration(outcomes),
    }


def calibration(outcomes: Sequence[Outcome]) -> list[dict[str, float]]:
    """Confidence beside the share of right ones, by tenths of confidence."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for one in outcomes:
        confidence = one.probabilities.get(str(one.predicted), 0.0)
        bins.setdefault(min(int(confidence * BINS), BINS - 1), []).append((confidence, one.label == one.predicted))
    return [
        {
            "confidence": sum(confidence for confidence, _ in own) / len(own),
            "right": sum(right for _, right in own) / len(own),
            "samples": len(own),
        }
        for _, own in sorted(bins.items())
    ]
