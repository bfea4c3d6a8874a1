"""Rows to learn from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.floating[Any]]
"""Of shape (rows, features), C-contiguous; NaN where a value is unknown."""
Vector = npt.NDArray[np.floating[Any]] | npt.NDArray[np.integer[Any]]
"""One number a row."""


@dataclass(frozen=True)
class Rows:
    """Rows of one split in the order of their time.

    ``features`` has a column for each feature; ``targets`` is what came of each row: -1, 0 or 1 for classes, else the
    number itself.

    >>> Rows(np.array([[0.5, np.nan]]), np.array([1])).count
    1
    """

    features: Matrix
    targets: Vector

    @property
    def count(self) -> int:
        """How many rows."""
        return len(self.targets)

    def only(self, chosen: npt.NDArray[np.bool_]) -> "Rows":
        """The rows that are chosen; the same object where that is all of them."""
        return self if bool(chosen.all()) else Rows(self.features[chosen], self.targets[chosen])


def no_rows(features: int) -> Rows:
    """An empty split."""
    return Rows(np.empty((0, features)), np.empty(0))
