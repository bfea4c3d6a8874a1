"""One file on its way into the archive: written as a draft, and described while its rows pass by."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from connectors.archive import Damaged, parquet
from connectors.archive.columns import Batch
from connectors.archive.entries import Entry
from connectors.archive.layout import Place


class Described:
    """Passes rows on, and remembers what the catalogue says of them."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.rows = 0
        self.first = self.last = -1
        self.oldest = self.newest = 0

    def passing(self, rows: Iterable[Batch]) -> Iterator[Batch]:
        """The same rows.

        Raises:
            Damaged: when their offsets do not rise.
        """
        for one in rows:
            if one.num_rows:
                self._look(one)
                yield one

    def _look(self, rows: Batch) -> None:
        offsets, logged = (rows.column(name).to_numpy() for name in ("offset", "logged"))
        if offsets[0] <= self.last or (len(offsets) > 1 and int(np.diff(offsets).min()) <= 0):
            raise Damaged(f"{self.where}: offsets do not rise around {int(offsets[0])}: lockstep archive verify")
        oldest, newest = int(logged.min()), int(logged.max())
        if not self.rows:
            self.first, self.oldest, self.newest = int(offsets[0]), oldest, newest
        self.oldest, self.newest = min(self.oldest, oldest), max(self.newest, newest)
        self.last = int(offsets[-1])
        self.rows += rows.num_rows


def draft(path: Path, shard: int, place: Place, rows: Iterable[Batch]) -> Entry:
    """Write rows of one place and shard, in the order of their offsets, to ``path``; its row for the catalogue.

    Raises:
        Damaged: when the offsets do not rise.
        OSError: when the disk is full.
    """
    described = Described(f"{place.folder}, shard {shard}")
    written = parquet.write(path, place.type, described.passing(rows))
    return Entry(
        shard, place, described.first, described.last, described.rows, described.oldest, described.newest, *written
    )
