"""How good foretold classes are."""

from math import isnan

import numpy as np
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

CLASSES = (-1, 0, 1)
"""Down, flat, up: the order of every row of probabilities."""
LEAST = 1e-6
"""Probabilities below it count as this: one impossible thing that happens must not decide a mean."""
METRICS = ("accuracy", "balanced_accuracy", "log_loss", "roc_auc", "direction_auc", "edge_bps", "calls")
Scores = dict[str, float | None]


def scores(actual: np.ndarray, change: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray) -> Scores:
    """The figures of one fold.

    Args:
        actual: classes, (rows,).
        change: the returns behind them, (rows,).
        predicted: the classes that were foretold, (rows,).
        probabilities: (rows, 3), in the order of ``CLASSES``.

    Returns:
        ``accuracy``; ``balanced_accuracy`` (mean recall of the classes that occur); ``log_loss`` in nats; ``roc_auc``
        one class against the others, weighted by frequency; ``direction_auc`` of up against down among the rows that
        moved, which tells direction apart from size; ``edge_bps``, the mean return in the foretold direction of the
        rows for which one was foretold, in basis points before costs; ``calls``, the share of those rows. None where
        a figure has no meaning, such as an AUC with one class.
    """
    sound = np.clip(probabilities, LEAST, None)
    sound = sound / sound.sum(axis=1, keepdims=True)
    called = predicted != 0
    return {
        "accuracy": float(accuracy_score(actual, predicted)),
        "balanced_accuracy": float(np.mean([np.mean(predicted[actual == one] == one) for one in np.unique(actual)])),
        "log_loss": float(log_loss(actual, sound, labels=list(CLASSES))),
        "roc_auc": _auc(actual, sound),
        "direction_auc": _direction(actual, sound),
        "edge_bps": float(np.mean(change[called] * predicted[called]) * 1e4) if called.any() else None,
        "calls": float(np.mean(called)),
    }


def likeliest(probabilities: np.ndarray) -> np.ndarray:
    """The class of the largest probability, the first of equals.

    >>> likeliest(np.array([[0.2, 0.3, 0.5], [0.4, 0.4, 0.2]])).tolist()
    [1, -1]
    """
    return np.array(CLASSES)[np.argmax(probabilities, axis=1)]


def _auc(actual: np.ndarray, probabilities: np.ndarray) -> float | None:
    """One against the rest, each class weighted by how often it occurs."""
    found = [
        (np.mean(actual == one), roc_auc_score(actual == one, probabilities[:, place]))
        for place, one in enumerate(CLASSES)
        if 0 < np.mean(actual == one) < 1
    ]
    return float(sum(share * auc for share, auc in found) / sum(share for share, _ in found)) if found else None


def _direction(actual: np.ndarray, probabilities: np.ndarray) -> float | None:
    moved = actual != 0
    if len(np.unique(actual[moved])) < 2:
        return None
    down, up = probabilities[moved, 0], probabilities[moved, 2]
    value = roc_auc_score(actual[moved] == 1, up / (up + down))
    return None if isnan(value) else float(value)
