"""One split while it is being written: its file, and everything that is counted."""

from array import array
from collections import Counter
from typing import Any

import numpy as np

from learning.datasets.files import SplitFile, batch_of
from learning.datasets.metadata import SplitInfo
from learning.datasets.missing import Filler
from learning.datasets.row import Lost, Row
from learning.datasets.splits import Split

ROW_GROUP = 10_000
"""Rows that are held in memory for each split, and written at once."""


class Tally:
    """Takes the rows of one split in, in the order of time."""

    def __init__(self, split: Split, file: SplitFile, filler: Filler, symbols: tuple[str, ...]) -> None:
        self.split = split
        self.file = file
        self.filler = filler
        self.symbols = Counter(dict.fromkeys(symbols, 0))
        self.moments = Counter(dict.fromkeys(symbols, 0))
        self.lost: Counter[str] = Counter()
        self.gone: dict[str, Counter[str]] = {symbol: Counter() for symbol in symbols}
        self.purged = self.embargoed = self.skipped = 0
        self.first: int | None = None
        self.last: int | None = None
        self.targets = Targets()
        self._rows: list[tuple[int, str, array, float]] = []

    @property
    def rows(self) -> int:
        """How many were kept."""
        return self.symbols.total()

    def take(self, row: Row, horizon: int) -> bool:
        """Keep the row if it belongs here; whether it did."""
        fate = self.split.fate(row.ts, row.symbol, horizon)
        if fate is None:
            return False
        self.moments[row.symbol] += 1
        if fate == "purged":
            self.purged += 1
            return False
        if fate == "embargoed":
            self.embargoed += 1
            return False
        values = self.filler.fill(row.ts, row.symbol, row.values, row.broken)
        if values is None:
            self.skipped += 1
            return False
        self.first = row.ts if self.first is None else self.first
        self.last = row.ts
        self.symbols[row.symbol] += 1
        self.targets.add(row.target)
        self._rows.append((row.ts, row.symbol, values, row.target))
        if len(self._rows) >= ROW_GROUP:
            self.flush(self.filler.settled(row.ts))
        return True

    def lose(self, lost: Lost, horizon: int) -> None:
        """Count a moment without a row, where it would have been this split's."""
        if self.split.fate(lost.ts, lost.symbol, 0) != "kept":
            return
        if lost.reason == "end" and lost.ts + horizon > self.split.end:
            self.moments[lost.symbol] += 1
            self.purged += 1
        else:
            self.lost[lost.reason] += 1
            self.moments[lost.symbol] += 1
            self.gone[lost.symbol][lost.reason] += 1

    def flush(self, before: int | None = None) -> None:
        """Write what is held, or of it the rows before a time."""
        rows = [row for row in self._rows if before is None or row[0] < before]
        if not rows:
            return
        ts, symbols, values, targets = zip(*rows, strict=True)
        block = np.frombuffer(b"".join(values), dtype=np.float64).reshape(len(ts), -1)
        self.file.write(batch_of(self.file.schema, ts, symbols, block, targets))
        del self._rows[: len(rows)]

    def info(self, name: str) -> SplitInfo:
        """Finish the file; what is to be known of the split."""
        self.flush()
        sha256 = self.file.close()
        return SplitInfo(
            start=self.split.start,
            end=self.split.end,
            rows=self.rows,
            first=self.first,
            last=self.last,
            purged=self.purged,
            embargoed=self.embargoed,
            skipped=self.skipped,
            lost=dict(sorted(self.lost.items())),
            missing=dict(sorted(self.filler.missing.items())),
            filled=dict(sorted(self.filler.filled.items())),
            symbols=dict(self.symbols),
            file=name if sha256 else "",
            sha256=sha256,
            target=self.targets.figures(),
        )


class Targets:
    """What the targets of a split are like."""

    def __init__(self) -> None:
        self.count = 0
        self.total = self.squares = 0.0
        self.least = self.most = 0.0
        self.classes: Counter[int] = Counter()

    def add(self, target: float) -> None:
        """Count one more."""
        if not self.count:
            self.least = self.most = target
        self.count += 1
        self.total += target
        self.squares += target * target
        self.least, self.most = min(self.least, target), max(self.most, target)
        if target in (-1, 0, 1):
            self.classes[int(target)] += 1

    def figures(self) -> dict[str, Any]:
        """Mean, deviation and extremes; ``classes`` by label where all are classes."""
        if not self.count:
            return {}
        mean = self.total / self.count
        found: dict[str, Any] = {
            "mean": mean,
            "deviation": max(self.squares / self.count - mean * mean, 0.0) ** 0.5,
            "min": self.least,
            "max": self.most,
        }
        if self.classes.total() == self.count:
            found["classes"] = {str(label): self.classes[label] for label in sorted(self.classes)}
        return found
