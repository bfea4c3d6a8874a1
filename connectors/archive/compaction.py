"""Making few large files of many small ones: the same rows, faster to read.

A commit makes a small file of each type, day and symbol. Those of a day that is over become one (or as many as their
size demands); of the day that goes on, so many small ones at a time.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from connectors.archive import Damaged, parquet
from connectors.archive.catalogue import Catalogue
from connectors.archive.changes import Drafts, changing, name, remove
from connectors.archive.drafted import draft
from connectors.archive.entries import Entry

LARGEST = 2_000_000
"""Rows of a file at most, unless one commit brought more."""
SMALL = 65_536
TOGETHER = 16
"""So many small files of a day that goes on are made one."""


class Compacted(NamedTuple):
    """What a round did."""

    files_before: int
    files_after: int
    rows: int


def compact(root: Path, catalogue: Catalogue, everything: bool = False) -> Compacted:
    """Compact what is worth it, or ``everything`` that can be; killed at any moment, every row is there once.

    Raises:
        Damaged: when a file is not what was written; nothing is changed then.
        OSError: when the disk is full; nothing is changed then.
    """
    before = after = rows = 0
    drafts = Drafts(root)
    try:
        pinned = catalogue.pinned(time.time_ns() // 1_000)
        for run in runs([entry for entry in catalogue.files() if entry.path not in pinned], everything):
            for part in _alike(root, run):
                if merged := _merge(root, catalogue, drafts, part):
                    before, after, rows = before + len(part), after + 1, rows + merged.rows
    finally:
        drafts.close()
    return Compacted(before, after, rows)


def runs(files: Sequence[Entry], everything: bool = False) -> list[list[Entry]]:
    """Which files are made one: neighbours of one shard and place, at least two each.

    Args:
        files: of the catalogue.
        everything: also those of the day that goes on, however few.
    """
    newest = max((entry.place.date for entry in files), default="")
    ordered = sorted(files, key=lambda entry: (entry.shard, *entry.place[:2], entry.place.symbol or "", entry.first))
    found: list[list[Entry]] = []
    for _, group in groupby(ordered, key=lambda entry: (entry.shard, entry.place)):
        neighbours = list(group)
        if everything or neighbours[0].place.date < newest:
            found += _packed(neighbours, LARGEST)
        else:
            found += [run for run in _packed(neighbours, SMALL) if len(run) >= TOGETHER]
    return found


def _packed(files: Sequence[Entry], most: int) -> list[list[Entry]]:
    """Neighbours that have at most so many rows together."""
    found: list[list[Entry]] = [[]]
    for entry in files:
        if sum(one.rows for one in found[-1]) + entry.rows > most:
            found.append([])
        found[-1].append(entry)
    return [run for run in found if len(run) > 1]


def _alike(root: Path, run: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Parts of a run whose files have the same columns."""
    for _, group in groupby(run, key=lambda entry: parquet.opened(root / entry.path).schema_arrow.to_string()):
        if len(part := list(group)) > 1:
            yield part


def _merge(root: Path, catalogue: Catalogue, drafts: Drafts, run: Sequence[Entry]) -> Entry | None:
    """One file instead of several, which count until the moment when it does; None where they count no more."""
    path = drafts.next()
    merged = draft(path, run[0].shard, run[0].place, _rows(root, run))
    if merged.rows != sum(entry.rows for entry in run):
        raise Damaged(f"{root / run[0].path} and the next {len(run) - 1} hold {merged.rows} rows, not what was written")
    with changing(root):
        if not set(run) <= set(catalogue.files(merged.shard)):
            return None
        name(root, [(path, merged)])
        catalogue.swap(run, [merged])
        remove(root, [entry for entry in run if entry.path != merged.path])
    return merged


def _rows(root: Path, run: Sequence[Entry]) -> Iterator[pa.Table]:
    for entry in run:
        path = root / entry.path
        file = parquet.opened(path)
        yield from parquet.groups(file, path, range(file.num_row_groups))
