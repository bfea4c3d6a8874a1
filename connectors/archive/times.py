"""Finding a time in the archive."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow.compute as pc

from connectors.archive import parquet
from connectors.archive.entries import Entry


def first_at(root: Path, entries: Sequence[Entry], start: int, time: int) -> int | None:
    """The first offset from ``start`` on whose log timestamp is at or after ``time``; None where there is none.

    Args:
        root: the archive's.
        entries: the files of a shard, by first offset.
        start: offsets before it do not count.
        time: whole milliseconds in microseconds UTC.
    """
    found: int | None = None
    for entry in entries:
        if found is not None and entry.first >= found:
            break
        if entry.newest >= time and entry.last >= start:
            offset = _in_file(root, entry, start, time)
            found = offset if found is None or (offset is not None and offset < found) else found
    return found


def _in_file(root: Path, entry: Entry, start: int, time: int) -> int | None:
    path = root / entry.path
    file = parquet.opened(path)
    for rows in parquet.groups(file, path, range(file.num_row_groups), ["offset", "logged"]):
        wanted = pc.and_(pc.greater_equal(rows["logged"], time), pc.greater_equal(rows["offset"], start))
        offset = pc.min(rows["offset"].filter(wanted)).as_py()
        if offset is not None:
            return int(offset)
    return None
