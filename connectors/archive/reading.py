"""Reading a shard of the archive in the order of its offsets: the rows of all types, days and symbols, merged."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from connectors.archive import parquet
from connectors.archive.entries import Entry
from connectors.archive.rows import records_of, values_of
from connectors.log import Record

SPAN = 16_384
"""Offsets that are merged at once."""


class Cursor:
    """One file on its way: a row group is in memory, of which the rows before some offset were taken.

    The file is not held open: a file that is compacted away in between raises ``FileNotFoundError``.
    """

    def __init__(self, root: Path, entry: Entry, position: int) -> None:
        self.entry = entry
        self.path = root / entry.path
        file = parquet.opened(self.path)
        column = file.schema_arrow.get_field_index("offset")
        bounds = [file.metadata.row_group(group).column(column).statistics for group in range(file.num_row_groups)]
        wanted = [group for group, found in enumerate(bounds) if found is None or found.max >= position]
        self._groups = parquet.groups(file, self.path, wanted)
        self._rows: pa.Table | None = None
        self._offsets = np.empty(0, np.int64)
        self._next = 0
        self._turn(position)

    @property
    def head(self) -> int | None:
        """The offset of the next row; None at the end."""
        return int(self._offsets[self._next]) if self._rows is not None else None

    def take(self, stop: int) -> Iterator[pa.Table]:
        """The next rows with offsets before ``stop``."""
        while self._rows is not None:
            upper = int(np.searchsorted(self._offsets, stop))
            if upper > self._next:
                yield self._rows.slice(self._next, upper - self._next)
            if upper < len(self._offsets):
                self._next = upper
                return
            self._turn(0)

    def _turn(self, position: int) -> None:
        """The next row group that has rows from ``position`` on."""
        self._rows = None
        for rows in self._groups:
            self._offsets = rows.column("offset").to_numpy()
            self._next = int(np.searchsorted(self._offsets, position))
            if self._next < len(self._offsets):
                self._rows = rows
                return


class Merged:
    """A shard from ``position`` on, out of ``entries`` (by first offset), some thousand offsets at a time."""

    def __init__(self, root: Path, entries: Sequence[Entry], position: int) -> None:
        self.position = position
        self._root = root
        self._entries = [entry for entry in entries if entry.last >= position]
        self._cursors: list[Cursor] = []

    def values(self, stop: int) -> list[tuple[int, bytes | None]]:
        """The next ``(offset, message)`` before ``stop``; empty where there is none."""
        found = [
            (table.column("offset").to_numpy().tolist(), values_of(cursor.entry.place, table))
            for cursor, table in self._tables(stop)
        ]
        if len(found) == 1:
            return list(zip(*found[0], strict=True))
        pairs = [pair for offsets, values in found for pair in zip(offsets, values, strict=True)]
        pairs.sort(key=_offset)
        return pairs

    def records(self, stop: int) -> list[Record]:
        """As ``values``, whole records."""
        found = [record for cursor, table in self._tables(stop) for record in records_of(cursor.entry.place, table)]
        found.sort(key=_offset)
        return found

    def _tables(self, stop: int) -> list[tuple[Cursor, pa.Table]]:
        """The rows of the next span of offsets that has any."""
        while self.position < stop:
            upper = min(self.position + SPAN, stop)
            self._open(upper)
            tables = [(cursor, table) for cursor in self._cursors for table in cursor.take(upper)]
            self._cursors = [cursor for cursor in self._cursors if cursor.head is not None]
            self.position = upper
            if tables:
                return tables
            self._skip(stop)
        return []

    def _open(self, upper: int) -> None:
        while self._entries and self._entries[0].first < upper:
            self._cursors.append(Cursor(self._root, self._entries.pop(0), self.position))

    def _skip(self, stop: int) -> None:
        """Over a hole, to the next row that there is."""
        heads = [cursor.head for cursor in self._cursors if cursor.head is not None]
        heads += [entry.first for entry in self._entries[:1]]
        self.position = max(self.position, min([*heads, stop]))


def _offset(item: tuple) -> int:  # type: ignore[type-arg]
    return item[0]  # type: ignore[no-any-return]
