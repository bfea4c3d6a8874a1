"""What is in an archive: spans, rows, bytes, and what is missing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path

import pyarrow.compute as pc

from connectors.archive import parquet
from connectors.archive.catalogue import Catalogue
from connectors.archive.entries import HOLE, Absent, Entry, Gone
from connectors.archive.holds import held
from connectors.archive.space import free
from connectors.log import Log, UnknownTopic
from schemas.topics import EVENTS


@dataclass(frozen=True)
class Series:
    """One type of one symbol (None: of all). Times are microseconds UTC; ``missing`` are days without a row between
    others."""

    type: str
    symbol: str | None
    files: int
    rows: int
    bytes: int
    oldest: int
    newest: int
    days: int
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Shard:
    """One shard: archived are the offsets from ``begins`` up to ``position``, the log ends at ``log_end``.

    ``missing`` is how many of them retention of the log took first; ``rows`` are here.
    """

    shard: int
    begins: int
    position: int
    log_end: int | None
    rows: int
    missing: int


@dataclass(frozen=True)
class Silence:
    """What the collector says that it lost of one channel of a symbol: how often, and for how many microseconds."""

    symbol: str | None
    channel: str
    gaps: int
    duration: int


@dataclass(frozen=True)
class Summary:
    """An archive. ``complete`` is the share of offsets that were archived of those that the log ever had there."""

    root: str
    files: int
    rows: int
    bytes: int
    free: int
    complete: float
    series: list[Series]
    shards: list[Shard]
    silences: list[Silence]
    absent: list[Absent]
    moved: int
    deleted: int
    readers: list[int]


def summary(root: Path, catalogue: Catalogue, log: Log | None = None) -> Summary:
    """Everything about an archive; the end of the log where there is one."""
    files, gone = catalogue.files(), catalogue.gone()
    shards = [_shard(catalogue, shard, files, gone, log) for shard in range(catalogue.shards)]
    rows, missing = sum(entry.rows for entry in files), sum(one.missing for one in shards)
    taken = sum(one.entry.rows for one in gone)
    return Summary(
        str(root),
        len(files),
        rows,
        sum(entry.bytes for entry in files),
        free(root),
        1.0 if not missing else (rows + taken) / (rows + taken + missing),
        _series(files),
        shards,
        _silences(root, [entry for entry in files if entry.place.type == "gap"]),
        [one for one in catalogue.absent() if one.reason != HOLE],
        sum(1 for one in gone if one.root),
        sum(1 for one in gone if not one.root),
        sorted({one.pid for reading in held(root).values() for one in reading}),
    )


def _shard(catalogue: Catalogue, shard: int, files: Sequence[Entry], gone: Sequence[Gone], log: Log | None) -> Shard:
    stand = catalogue.stands().get(shard)
    absent = [one for one in catalogue.absent() if one.shard == shard and one.reason != HOLE]
    return Shard(
        shard,
        catalogue.begins(shard),
        stand.position if stand else 0,
        _end(log, shard),
        sum(entry.rows for entry in files if entry.shard == shard),
        sum(one.stop - one.first for one in absent),
    )


def _end(log: Log | None, shard: int) -> int | None:
    try:
        return log.end(EVENTS.name, shard) if log is not None else None
    except UnknownTopic:
        return None


def _series(files: Iterable[Entry]) -> list[Series]:
    def key(entry: Entry) -> tuple[str, str]:
        return entry.place.type, entry.place.symbol or ""

    found = []
    for (kind, symbol), group in groupby(sorted(files, key=key), key=key):
        entries = list(group)
        days = sorted({entry.place.date for entry in entries})
        found.append(
            Series(
                kind,
                symbol or None,
                len(entries),
                sum(entry.rows for entry in entries),
                sum(entry.bytes for entry in entries),
                min(entry.oldest for entry in entries),
                max(entry.newest for entry in entries),
                len(days),
                tuple(_between(days)),
            )
        )
    return found


def _between(days: Sequence[str]) -> list[str]:
    """The days that are missing; those of 1970 are of control events from before the first market event."""
    real = [date.fromisoformat(day).toordinal() for day in days if day > "1970-01-01"]
    there = set(real)
    wanted = range(real[0], real[-1]) if real else range(0)
    return [date.fromordinal(day).isoformat() for day in wanted if day not in there]


def _silences(root: Path, files: Iterable[Entry]) -> list[Silence]:
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for entry in files:
        path = root / entry.path
        file = parquet.opened(path)
        for rows in parquet.groups(file, path, range(file.num_row_groups), ["channel", "start", "end"]):
            lengths = pc.subtract(rows["end"], rows["start"]).to_pylist()
            for channel, length in zip(rows["channel"].to_pylist(), lengths, strict=True):
                count, total = found.get((entry.place.symbol or "", channel), (0, 0))
                found[entry.place.symbol or "", channel] = (count + 1, total + max(0, length))
    return [Silence(symbol or None, channel, *counts) for (symbol, channel), counts in sorted(found.items())]
