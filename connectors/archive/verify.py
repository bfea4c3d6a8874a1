"""Looking whether an archive is what was written: every file whole, every offset once."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from connectors.archive import ArchiveError, parquet
from connectors.archive.catalogue import Catalogue
from connectors.archive.entries import Entry
from connectors.archive.log import ArchiveLog
from connectors.log import Log
from connectors.log.span import span
from schemas.topics import EVENTS

WINDOW = 16_000_000
"""Offsets that are counted at once."""
SHOWN = 20
"""Problems of one sort that are told; a damaged disk has millions."""


class Found(NamedTuple):
    """What a look found: files and rows that were read, offsets that were compared with the log, and problems."""

    files: int
    rows: int
    compared: int
    problems: list[str]


def verify(root: Path, catalogue: Catalogue, log: Log | None = None, quick: bool = False) -> Found:
    """Look at every file; with ``quick`` only whether it is there in its size; with ``log`` compare what that holds."""
    files = catalogue.files()
    problems = [problem for entry in files for problem in _file(root, entry, quick)]
    problems += _leftovers(root, files)
    compared = 0
    if not quick and not problems:
        for shard in range(catalogue.shards):
            problems += list(_offsets(root, catalogue, shard))
        if log is not None and not problems:
            compared, differing = _compare(root, log, catalogue)
            problems += differing
    return Found(len(files), sum(entry.rows for entry in files), compared, problems)


def _file(root: Path, entry: Entry, quick: bool) -> Iterator[str]:
    path = root / entry.path
    cure = "bring a copy of it back, or archive again from a log that still holds it"
    if not path.exists():
        yield f"{entry.path} is missing: {cure}"
    elif path.stat().st_size != entry.bytes:
        yield f"{entry.path} has {path.stat().st_size} bytes, not {entry.bytes}: {cure}"
    elif not quick and parquet.stamp(path).digest != entry.digest:
        yield f"{entry.path} holds other bytes than were written: {cure}"
    elif not quick:
        try:
            count = parquet.opened(path).metadata.num_rows
        except ArchiveError as error:
            yield str(error)
        else:
            if count != entry.rows:
                yield f"{entry.path} has {count} rows, not {entry.rows}: {cure}"


def _leftovers(root: Path, files: Sequence[Entry]) -> list[str]:
    known = {entry.path for entry in files}
    found = (path.relative_to(root).as_posix() for path in sorted(root.glob("type=*/date=*/symbol=*/*")))
    left = [path for path in found if path not in known]
    return [f"{path} was left by a process that was killed: lockstep archive run removes it" for path in left[:SHOWN]]


def _offsets(root: Path, catalogue: Catalogue, shard: int) -> Iterator[str]:
    """Whether every offset that must be here is, once."""
    stand = catalogue.stands().get(shard)
    if stand is None:
        return
    absent = [(one.first, one.stop) for one in catalogue.absent() if one.shard == shard]
    begin = catalogue.begins(shard)
    told = 0
    for lower in range(begin, stand.position, WINDOW):
        upper = min(lower + WINDOW, stand.position)
        counts = np.zeros(upper - lower, np.uint8)
        for entry in catalogue.files(shard, lower):
            if entry.first < upper:
                for offsets in _of_file(root, entry):
                    counts[offsets[(offsets >= lower) & (offsets < upper)] - lower] += 1
        for first, stop in absent:
            counts[max(first - lower, 0) : max(stop - lower, 0)] += 1
        for offset in np.flatnonzero(counts != 1)[: SHOWN - told]:
            told += 1
            times = "missing" if not counts[offset] else f"here {counts[offset]} times"
            yield f"events/{shard}: offset {lower + int(offset)} is {times}: archive again from a log that holds it"


def _of_file(root: Path, entry: Entry) -> Iterator[np.ndarray]:
    path = root / entry.path
    file = parquet.opened(path)
    for rows in parquet.groups(file, path, range(file.num_row_groups), ["offset"]):
        yield rows.column("offset").to_numpy()


def _compare(root: Path, log: Log, catalogue: Catalogue) -> tuple[int, list[str]]:
    """Record by record, where the log still holds what is archived."""
    compared, problems = 0, []
    archived = ArchiveLog(log, root)
    for shard, stand in catalogue.stands().items():
        start = max(log.start(EVENTS.name, shard), archived.start(EVENTS.name, shard))
        stop = min(log.end(EVENTS.name, shard), stand.position)
        pairs = zip(*(span(one, EVENTS.name, shard, start, stop) for one in (log, archived)), strict=False)
        for theirs, ours in pairs:
            compared += 1
            if theirs._replace(headers=tuple(theirs.headers)) != ours._replace(headers=tuple(ours.headers)):
                problems.append(
                    f"events/{shard}, offset {theirs.offset}: the archive holds another record than the log"
                )
                break
    archived.holds.close()
    return compared, problems
