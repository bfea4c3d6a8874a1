"""Whether the columns of a dataset are fit to learn from."""

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from learning.datasets.tally import Targets

KEPT = 20_000
"""At most so many rows, evenly spaced, are compared with one another."""
MISSING = 0.05
"""A feature that lacks more of its values is warned of (contracts: features 14)."""
ALIKE = 0.95
"""Two features that correlate more tell the same."""
FORETELLING = 0.999
"""A feature that correlates so with what came later cannot have been known before."""
ENOUGH = 50
"""Rows below which a correlation says nothing."""
ROBUST = 6.0
"""Robust z-score beyond which a value is an outlier."""
IMBALANCE = 0.8
"""A class with a larger share is warned of."""
BLOCK = 1_000


class Thinned:
    """Rows evenly spaced over all that were added: never more than ``KEPT``.

    >>> thinned = Thinned(limit=4)
    >>> for value in range(10):
    ...     thinned.add([float(value)])
    >>> thinned.matrix()[:, 0].tolist()
    [0.0, 4.0, 8.0]
    """

    def __init__(self, limit: int = KEPT) -> None:
        self.limit = limit
        self.stride = 1
        self.seen = 0
        self.rows: list[Sequence[float]] = []

    def add(self, row: Sequence[float]) -> None:
        """One more."""
        if self.seen % self.stride == 0:
            if len(self.rows) == self.limit:
                self.rows = self.rows[::2]
                self.stride *= 2
            if self.seen % self.stride == 0:
                self.rows.append(row)
        self.seen += 1

    def matrix(self) -> np.ndarray:
        """(rows, columns) as float64."""
        return np.array(self.rows, dtype=np.float64).reshape(len(self.rows), -1)


class Quality:
    """Sees every kept row once, before gaps are filled."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.missing = np.zeros(len(names), dtype=np.int64)
        self.infinite = np.zeros(len(names), dtype=np.int64)
        self.least = np.full(len(names), np.inf)
        self.most = np.full(len(names), -np.inf)
        self.targets = Targets()
        self.thinned = Thinned()
        self._block: list[array] = []
        self._found: tuple[int, np.ndarray] | None = None

    def add(self, values: array, change: float, target: float) -> None:
        """One row; ``change`` is the return that came of it."""
        self.targets.add(target)
        self.thinned.add(array("d", (*values, change)))
        self._block.append(values)
        if len(self._block) == BLOCK:
            self._count()

    def report(self) -> dict[str, Any]:
        """Figures by feature, and warnings in words. Shares are of all rows."""
        self._count()
        rows = self.targets.count
        alike = self._alike()
        found: dict[str, Any] = {
            "rows": rows,
            "missing": self._shares(self.missing, rows),
            "infinite": self._shares(self.infinite, rows),
            "constant": [
                name for name, low, high in zip(self.names, self.least, self.most, strict=True) if rows and low == high
            ],
            "empty": [name for name, count in zip(self.names, self.missing, strict=True) if rows and count == rows],
            "alike": alike,
            "outliers": self._outliers(),
            "target": self.targets.figures(),
        }
        found["warnings"] = _warnings(found)
        return found

    def foretelling(self) -> dict[str, float]:
        """Features that correlate with the return that came later as nothing honest does."""
        if len(self.thinned.rows) < ENOUGH:
            return {}
        return {
            name: float(value)
            for name, value in zip(self.names, self._correlations()[-1], strict=False)
            if np.isfinite(value) and abs(value) >= FORETELLING
        }

    def _count(self) -> None:
        if not self._block:
            return
        block = np.frombuffer(b"".join(self._block), dtype=np.float64).reshape(len(self._block), -1)
        self._block.clear()
        self.missing += np.isnan(block).sum(axis=0)
        self.infinite += np.isinf(block).sum(axis=0)
        self.least = np.fmin(self.least, np.where(np.isnan(block), np.inf, block).min(axis=0, initial=np.inf))
        self.most = np.fmax(self.most, np.where(np.isnan(block), -np.inf, block).max(axis=0, initial=-np.inf))

    def _shares(self, counts: np.ndarray, rows: int) -> dict[str, float]:
        return {name: count / rows for name, count in zip(self.names, counts.tolist(), strict=True) if count}

    def _correlations(self) -> np.ndarray:
        """Of all features, and of the return last; kept until there are more rows."""
        if self._found is None or self._found[0] != self.thinned.seen:
            self._found = self.thinned.seen, _correlations(self.thinned.matrix())
        return self._found[1]

    def _alike(self) -> list[tuple[str, str, float]]:
        if len(self.thinned.rows) < ENOUGH:
            return []
        correlations = self._correlations()
        upper = np.triu(np.abs(correlations[:-1, :-1]) > ALIKE, k=1)
        return [
            (self.names[one], self.names[other], round(float(correlations[one, other]), 6))
            for one, other in np.argwhere(upper).tolist()
        ]

    def _outliers(self) -> dict[str, float]:
        """The share of values far from the median, in robust deviations (1.4826 times the median distance)."""
        found = {}
        for name, column in zip(self.names, self.thinned.matrix().T, strict=False):
            values = column[np.isfinite(column)]
            if len(values) < ENOUGH:
                continue
            middle = np.median(values)
            spread = 1.4826 * np.median(np.abs(values - middle))
            if spread > 0 and (share := float(np.mean(np.abs(values - middle) > ROBUST * spread))) > 0:
                found[name] = round(share, 6)
        return found


def _correlations(matrix: np.ndarray) -> np.ndarray:
    """Pearson, over the rows where both are known; NaN where one is constant."""
    known = np.isfinite(matrix)
    centre = np.where(known, matrix, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    scale = np.nanmax(np.abs(np.where(known, matrix - centre, 0.0)), axis=0, initial=0.0)
    scaled = np.where(known, matrix - centre, 0.0) / np.where(scale > 0, scale, 1.0)
    weight = known.astype(np.float64)
    count = weight.T @ weight
    with np.errstate(divide="ignore", invalid="ignore"):
        sums = scaled.T @ weight
        squares = (scaled * scaled).T @ weight
        cross = scaled.T @ scaled
        variance = squares - sums * sums / count
        variance = np.where(variance > 1e-12 * np.maximum(squares, 1e-300), variance, 0.0)
        return (cross - sums * sums.T / count) / np.sqrt(variance * variance.T)


def _warnings(found: dict[str, Any]) -> list[str]:
    warnings = [f"{name}: {share:.1%} of its values are missing" for name, share in found["missing"].items()
                if share > MISSING]  # fmt: skip
    warnings += [f"{name}: {share:.1%} of its values are infinite" for name, share in found["infinite"].items()]
    warnings += [f"{name}: has one value throughout" for name in found["constant"]]
    warnings += [f"{one} and {other} correlate by {value:.3f}" for one, other, value in found["alike"]]
    classes = found["target"].get("classes")
    if classes and len(classes) > 1:
        label, most = max(classes.items(), key=lambda item: item[1])
        if most > IMBALANCE * sum(classes.values()):
            warnings.append(f"target: {most / sum(classes.values()):.1%} are of class {label}")
    return warnings
