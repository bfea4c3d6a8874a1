"""Rows on their way from a worker to the dataset: in two plain files, a block at a time."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from learning.datasets.row import Lost, Row

BLOCK = 4_096
"""Rows that are held in memory."""
REASONS = ("tainted", "gap", "vector", "price", "deviation", "end")
PLAIN = ("ts", "symbol", "target", "change", "shard", "seen", "matured", "broken")
"""The fields of a row but its values, in the order in which ``Row`` has them."""
LOST = np.dtype([("ts", "<i8"), ("symbol", "<u4"), ("reason", "u1")])


def row_type(features: int) -> np.dtype:
    """How a row of so many features lies on disk."""
    return np.dtype([("ts", "<i8"), ("symbol", "<u4"), ("target", "<f8"), ("change", "<f8"), ("shard", "<i4"),
                     ("seen", "<i8"), ("matured", "<i8"), ("broken", "<i8"),
                     ("values", "<f8", (features,))])  # fmt: skip


class Spool:
    """Writes what a piece makes; ``path`` without its suffixes ``.rows`` and ``.lost``."""

    def __init__(self, path: Path, symbols: Sequence[str], features: int) -> None:
        self.places = {symbol: place for place, symbol in enumerate(symbols)}
        self.type = row_type(features)
        self.rows = self.lost = 0
        self._files: list[IO[bytes]] = [path.with_suffix(suffix).open("wb") for suffix in (".rows", ".lost")]
        self._rows: list[Row] = []
        self._lost: list[Lost] = []

    def add(self, row: Row) -> None:
        """One more row."""
        self._rows.append(row)
        if len(self._rows) == BLOCK:
            self._flush_rows()

    def lose(self, lost: Iterable[Lost]) -> None:
        """Moments without a row."""
        self._lost += lost
        if len(self._lost) >= BLOCK:
            self._flush_lost()

    def close(self) -> None:
        """All is on disk."""
        self._flush_rows()
        self._flush_lost()
        for file in self._files:
            file.close()

    def _flush_rows(self) -> None:
        block = np.zeros(len(self._rows), dtype=self.type)
        if len(block):
            for name in ("ts", "target", "change", "shard", "seen", "matured", "broken"):
                block[name] = [getattr(row, name) for row in self._rows]
            block["symbol"] = [self.places[row.symbol] for row in self._rows]
            block["values"] = np.frombuffer(b"".join(row.values for row in self._rows)).reshape(len(block), -1)
        self._files[0].write(block.tobytes())
        self.rows += len(block)
        self._rows.clear()

    def _flush_lost(self) -> None:
        found = [(lost.ts, self.places[lost.symbol], REASONS.index(lost.reason)) for lost in self._lost]
        self._files[1].write(np.array(found, dtype=LOST).tobytes())
        self.lost += len(found)
        self._lost.clear()


def read_rows(path: Path, symbols: Sequence[str], features: int, target: Callable[[float], float]) -> Iterator[Row]:
    """The rows of a spool in their order; ``target`` makes of a number what it was (a class is an int)."""
    with path.with_suffix(".rows").open("rb") as file:
        for block in _blocks(file, row_type(features)):
            plain = [block[name].tolist() for name in PLAIN]
            for values, (ts, symbol, what, *others) in zip(block["values"], zip(*plain, strict=True), strict=True):
                yield Row(ts, symbols[symbol], array("d", values.tobytes()), target(what), *others)


def read_lost(path: Path, symbols: Sequence[str]) -> Iterator[Lost]:
    """The lost moments of a spool."""
    with path.with_suffix(".lost").open("rb") as file:
        for block in _blocks(file, LOST):
            for ts, symbol, reason in block.tolist():
                yield Lost(ts, symbols[symbol], REASONS[reason])  # type: ignore[arg-type]


def remove(path: Path) -> None:
    """What was read is not needed any more."""
    for suffix in (".rows", ".lost"):
        path.with_suffix(suffix).unlink(missing_ok=True)


def _blocks(file: IO[bytes], kind: np.dtype) -> Iterator[Any]:
    while read := file.read(BLOCK * kind.itemsize):
        yield np.frombuffer(read, dtype=kind)
