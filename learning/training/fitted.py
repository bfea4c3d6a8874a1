"""What the families of models have in common."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from learning.training.rows import Matrix
from schemas.learning import Family

CLASSES = (-1, 0, 1)
"""Down, flat, up: the order of columns of every distribution here."""


class Fitted(Protocol):
    """A model in memory, of any family: a pure function of rows."""

    family: Family
    features: tuple[str, ...]
    classes: tuple[int, ...]
    """Those that it was trained on, ascending; none: it foretells a number."""
    rounds: int
    """Trees of each class, epochs or iterations that it is made of."""

    def outputs(self, rows: Matrix) -> npt.NDArray[np.float64]:
        """Probabilities of shape (rows, classes), or numbers of shape (rows,)."""
        ...

    def importance(self) -> dict[str, float]:
        """By feature; the shares sum to 1, or are all 0 for a model that looks at nothing."""
        ...

    def content(self) -> bytes:
        """The bytes of its file: the same for the same model."""
        ...


def distributions(model: Fitted, rows: Matrix) -> npt.NDArray[np.float64]:
    """Probabilities of down, flat and up, of shape (rows, 3), each row summing to 1; 0 for a class it never saw.

    Raises:
        TypeError: when it foretells a number.
    """
    if not model.classes:
        raise TypeError("this model foretells a number and knows no classes")
    said = np.zeros((len(rows), len(CLASSES)))
    if len(rows):
        outputs = model.outputs(rows)
        said[:, [CLASSES.index(name) for name in model.classes]] = outputs / outputs.sum(axis=1, keepdims=True)
    return said


def likeliest(said: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The class of each row of probabilities (rows, 3); of two that are equal the flatter, then the lower one.

    >>> likeliest(np.array([[0.4, 0.2, 0.4], [0.25, 0.375, 0.375]])).tolist()
    [-1, 0]
    """
    order = np.array([0, -1, 1])
    return order[np.argmax(said[:, [1, 0, 2]], axis=1)]


def shares(weights: dict[str, float]) -> dict[str, float]:
    """Weights divided by their sum.

    >>> shares({"mid": 3.0, "spread": 1.0})
    {'mid': 0.75, 'spread': 0.25}
    """
    total = sum(weights.values())
    return {name: weight / total if total else 0.0 for name, weight in weights.items()}
