"""How good a model is on rows that it has not learnt from.

Classes: precision, recall and F1 are the classes' own, weighted by their frequency; the precision of a class that was
never foretold is 0. ROC-AUC is each class against the others, weighted by frequency (Fawcett 2006, section 9.2), None
where the rows are all of one class. Log-loss is in nats. Brier is the squared distance of the probabilities to what
came true, summed over all classes: 0 to 2 (Brier 1950). ``calibration`` is the expected calibration error over ten bins
of confidence (Naeini et al. 2015), ``majority`` the share of the most frequent class.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from learning.training.fitted import CLASSES, Fitted, distributions, likeliest
from learning.training.rows import Rows, Vector

Floats = npt.NDArray[np.float64]
BINS = 10
SMALLEST = float(np.finfo(np.float64).eps)
"""Of a probability under a logarithm, as in scikit-learn."""


class Evaluation(msgspec.Struct, frozen=True):
    """Figures by name over ``rows``, the confusion of classes (rows: what came true; columns: what was foretold).

    Without rows there are no figures, and ``reason`` says so.
    """

    rows: int
    figures: dict[str, float | None] = {}
    confusion: tuple[tuple[int, ...], ...] = ()
    reason: str = ""

    def metrics(self) -> dict[str, Any]:
        """As a model's record keeps them."""
        kept: dict[str, Any] = {"rows": self.rows, **self.figures}
        if self.confusion:
            kept["confusion"] = [list(row) for row in self.confusion]
        return kept | ({"reason": self.reason} if self.reason else {})


class Decisive(NamedTuple):
    """The evaluation that decides about a model, of which split, and why it is not the test split."""

    split: str
    evaluation: Evaluation
    warning: str


def evaluate(model: Fitted, rows: Rows) -> Evaluation:
    """A model over a split; an empty one has the reason ``empty_split``."""
    if not rows.count:
        return Evaluation(0, reason="empty_split")
    if model.classes:
        return judge(rows.targets, distributions(model, rows.features))
    return judge_numbers(rows.targets, model.outputs(rows.features))


def decisive(evaluations: Mapping[str, Evaluation], reason: str = "") -> Decisive:
    """The test split, else with a warning the validation split (contracts: TK-MS-30).

    ``reason`` says why there is no test split where somebody knows better: ``download_failed``, ``file_not_found``.

    >>> decisive({"validation": Evaluation(10, {"accuracy": 0.8}), "test": Evaluation(0, reason="empty_split")})[::2]
    ('validation', 'empty_split')

    Raises:
        ValueError: when neither has rows.
    """
    for split in ("test", "validation"):
        found = evaluations.get(split)
        if found is not None and found.rows:
            missing = evaluations.get("test", Evaluation(0)).reason
            return Decisive(split, found, "" if split == "test" else reason or missing or "no_test_split")
    raise ValueError("neither the test nor the validation split has rows: nothing is known of how good the model is")


def judge(labels: Vector, said: Floats) -> Evaluation:
    """Classes against probabilities of down, flat and up, of shape (rows, 3).

    >>> judge(np.array([1, -1]), np.array([[0.2, 0.0, 0.8], [0.6, 0.0, 0.4]])).figures["accuracy"]
    1.0
    """
    if not len(labels):
        return Evaluation(0, reason="empty_split")
    foretold = likeliest(said)
    came = np.column_stack([labels == name for name in CLASSES])
    confusion = np.array([[int(np.sum(row & (foretold == name))) for name in CLASSES] for row in came.T])
    right = np.sum(said * came, axis=1)
    figures = {
        "accuracy": float(np.trace(confusion) / len(labels)),
        **_by_class(confusion),
        "roc_auc": roc_auc(came, said),
        "log_loss": float(-np.log(np.clip(right, SMALLEST, 1 - SMALLEST)).mean()),
        "brier": float(np.sum((said - came) ** 2, axis=1).mean()),
        "calibration": calibration(foretold == labels, said.max(axis=1)),
        "majority": float(confusion.sum(axis=1).max() / len(labels)),
    }
    return Evaluation(len(labels), figures, tuple(tuple(row) for row in confusion.tolist()))


def _by_class(confusion: npt.NDArray[np.int64]) -> dict[str, float | None]:
    hits, came, foretold = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    weights = came / came.sum()
    precision = hits / np.maximum(foretold, 1)
    recall = hits / np.maximum(came, 1)
    f1 = 2 * hits / np.maximum(came + foretold, 1)
    found = {"precision": precision, "recall": recall, "f1_score": f1}
    return {name: float(weights @ value) for name, value in found.items()}


def roc_auc(came: npt.NDArray[np.bool_], said: Floats) -> float | None:
    """The area under each class's curve, weighted by the rows of the class; None with a single class."""
    counts = came.sum(axis=0)
    if np.count_nonzero(counts) < 2:
        return None
    areas = [count * _area(came[:, k], said[:, k]) for k, count in enumerate(counts.tolist()) if count]
    return float(sum(areas) / counts.sum())


def _area(hit: npt.NDArray[np.bool_], score: Floats) -> float:
    """The share of pairs of a hit and a miss in which the hit has the higher score; equal scores count half."""
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    hits = int(hit.sum())
    return float((ranks[place][hit].sum() - hits * (hits + 1) / 2) / (hits * (len(hit) - hits)))


def calibration(hit: npt.NDArray[np.bool_], confidence: Floats) -> float:
    """The mean over rows of |hits - confidence| of their bin; bin k holds confidences in (k/10, (k+1)/10]."""
    place = np.searchsorted(np.arange(1, BINS) / BINS, confidence)
    distances = np.bincount(place, weights=hit - confidence, minlength=BINS)
    return float(np.abs(distances).sum() / len(hit))


def judge_numbers(truths: Vector, foretold: Floats) -> Evaluation:
    """Numbers against numbers; r2 is None where the truths do not vary."""
    if not len(truths):
        return Evaluation(0, reason="empty_split")
    errors = truths - foretold
    squares = float(np.mean(errors**2))
    variance = float(np.var(truths))
    figures = {
        "mse": squares,
        "mae": float(np.abs(errors).mean()),
        "rmse": float(np.sqrt(squares)),
        "r2_score": 1 - squares / variance if variance > 0 else None,
    }
    return Evaluation(len(truths), figures)
