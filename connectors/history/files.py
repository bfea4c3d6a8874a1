"""Files of fetched rows: the columns of the archive, a file for each day and fetch, read back before it counts.

``<root>/backfill/type=<type>/date=<YYYY-MM-DD>/symbol=<SYMBOL>/<from>-<to>.parquet``. The day of a candle is the one it
begins in. The metadata of a file say which spans it completes: a day without a settlement is known, not missing.
"""

import os
from collections.abc import Collection, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from connectors.archive.columns import to_columns, to_events
from connectors.archive.kinds import Kind, kinds
from connectors.history.spans import MINUTE, Span, day_of, day_span, days_of, merged
from connectors.validate import check
from schemas.market import Kline, MarketEvent

FOLDER = "backfill"
COVERS = b"lockstep.covers"
"""Metadata: the spans that a file completes, as JSON."""
ROW_GROUP = 50_000
LOGGER = structlog.get_logger()


class BadFile(Exception):
    """A file is not what was to be saved, or cannot be read; the message says which, and what is wrong."""


class BackfillFiles:
    """The fetched rows of one archive's ``root``; of ``only`` those files (relative paths), where it is given."""

    def __init__(self, root: Path, only: Collection[str] | None = None) -> None:
        self.folder = root / FOLDER
        self.only = None if only is None else frozenset(only)
        self._sound: dict[tuple[Path, int, int], list[Span]] = {}
        """What files complete that were looked at, by path, size and time."""

    def save(self, tag: str, symbol: str, events: Sequence[MarketEvent], covers: Sequence[Span]) -> Path:
        """Write rows of one type and day, all at once or not at all; ``covers`` are the spans that they complete.

        Raises:
            BadFile: when what was read back is not what was to be saved; nothing is kept of it.
            OSError: when it cannot be written.
        """
        kind, span = kinds()[tag], Span(covers[0].start, covers[-1].end)
        path = self._place(tag, symbol, day_of(span.start)) / f"{span.start}-{span.end}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"_{path.name}.{os.getpid()}")
        try:
            write(partial, kind, events, covers)
            ensure_same(partial, kind, symbol, events, span)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        _sync(path.parent)
        return path

    def covered(self, tag: str, symbol: str, window: Span) -> list[Span]:
        """The spans in ``window`` that files complete. A file that cannot be read is removed: it will be missed."""
        found: list[Span] = []
        for path in self._paths(tag, symbol, window):
            try:
                found += self._covers(path, kinds()[tag], symbol)
            except BadFile as problem:
                LOGGER.warning("backfill.removed", file=str(path), problem=str(problem))
                path.unlink(missing_ok=True)
        return merged((max(start, window.start), min(end, window.end)) for start, end in found)

    def events(self, tag: str, symbol: str, window: Span) -> list[Any]:
        """The rows of [start, end) in the order of ``recv``; of candles by their start.

        Raises:
            BadFile: when a file cannot be read.
        """
        kind = kinds()[tag]
        rows = [
            event
            for path in self._paths(tag, symbol, window)
            for event in read(path, kind, symbol)
            if window.start <= placed(event) < window.end
        ]
        # Of rows that stand in two files, the one that was asked for in the later span counts.
        return [row for _, row in sorted({(event.recv, event.ts): event for event in rows}.items())]

    def names(self, symbols: Collection[str], window: Span) -> list[str]:
        """The files with rows of some symbols and days, by their paths relative to the folder."""
        found = [path for tag in self.tags() for symbol in symbols for path in self._paths(tag, symbol, window)]
        return [str(path.relative_to(self.folder)) for path in found]

    def symbols(self) -> list[str]:
        """Every symbol that has rows."""
        places = self.folder.glob("type=*/date=*/symbol=*") if self.folder.is_dir() else ()
        return sorted({place.name.removeprefix("symbol=") for place in places})

    def tags(self) -> list[str]:
        """Every type that has rows."""
        places = self.folder.glob("type=*") if self.folder.is_dir() else ()
        return sorted(place.name.removeprefix("type=") for place in places)

    def extent(self) -> Span | None:
        """From the first day with rows to the end of the last; None where there are none."""
        days = sorted({place.name.removeprefix("date=") for place in self.folder.glob("type=*/date=*")})
        if not days:
            return None
        return Span(day_span(date.fromisoformat(days[0])).start, day_span(date.fromisoformat(days[-1])).end)

    def _covers(self, path: Path, kind: Kind, symbol: str) -> list[Span]:
        """What a file completes, if every row of it is right."""
        stat = path.stat()
        key = (path, stat.st_size, stat.st_mtime_ns)
        if key not in self._sound:
            ensure_sound(path, kind, symbol)
            self._sound[key] = covers_of(path)
        return self._sound[key]

    def _place(self, tag: str, symbol: str, day: date) -> Path:
        return self.folder / f"type={tag}" / f"date={day.isoformat()}" / f"symbol={symbol}"

    def _paths(self, tag: str, symbol: str, window: Span) -> Iterator[Path]:
        for day in days_of([window]):
            place = self._place(tag, symbol, day)
            if place.is_dir():
                yield from sorted(path for path in place.glob("*.parquet") if self._counts(path))

    def _counts(self, path: Path) -> bool:
        wanted = self.only is None or str(path.relative_to(self.folder)) in self.only
        return wanted and not path.name.startswith("_")


def placed(event: Any) -> int:
    """When a row is of: a candle of its start, everything else of its time."""
    return event.start if isinstance(event, Kline) else event.ts  # type: ignore[no-any-return]


def write(path: Path, kind: Kind, events: Sequence[MarketEvent], covers: Sequence[Span]) -> None:
    """Write a file, with checksums, on the disk when it returns."""
    schema = kind.schema.with_metadata({COVERS: msgspec.json.encode([list(span) for span in covers])})
    table = pa.Table.from_arrays(to_columns(kind, events), schema=schema)
    pq.write_table(table, path, compression="zstd", row_group_size=ROW_GROUP, write_page_checksum=True)
    _sync(path)


def read(path: Path, kind: Kind, symbol: str) -> list[Any]:
    """The events of a file.

    Raises:
        BadFile: when it cannot be read, or has other columns.
    """
    try:
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
        if not table.schema.equals(kind.schema):
            raise BadFile(f"{path}: the columns are {table.schema.names}, not {kind.schema.names}")
        return to_events(kind, table, symbol)
    except (OSError, pa.ArrowException, ValueError, TypeError) as problem:
        raise BadFile(f"{path} cannot be read: {problem}") from problem


def covers_of(path: Path) -> list[Span]:
    """The spans that a file completes.

    Raises:
        BadFile: when it does not say.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
        return msgspec.json.decode(metadata[COVERS], type=list[Span])
    except (OSError, pa.ArrowException, KeyError, msgspec.DecodeError) as problem:
        raise BadFile(f"{path} does not say what it covers: {problem}") from problem


def ensure_same(path: Path, kind: Kind, symbol: str, events: Sequence[MarketEvent], span: Span) -> None:
    """Read a file back: count, columns, types, order, range and prices are as they were to be.

    Raises:
        BadFile: naming the first difference.
    """
    found = ensure_sound(path, kind, symbol, span)
    if len(found) != len(events):
        raise BadFile(f"{path}: {len(found)} rows were read back, {len(events)} were written")
    for place, (row, event) in enumerate(zip(found, events, strict=True)):
        if row != event:
            raise BadFile(f"{path}: row {place} was read back as {row}, but {event} was written")


def ensure_sound(path: Path, kind: Kind, symbol: str, span: Span | None = None) -> list[Any]:
    """The rows of a file, each of which is right by itself and behind the one before.

    Raises:
        BadFile: naming the first row that is not.
    """
    rows = read(path, kind, symbol)
    window = span or day_span(_day_of(path))
    before = -1
    for place, row in enumerate(rows):
        if problem := problem_of(row, window, before):
            raise BadFile(f"{path}: row {place}: {problem}")
        before = placed(row)
    return rows


def problem_of(row: Any, window: Span, before: int) -> str | None:
    """Why a row of ``window`` that comes after one of ``before`` is wrong; None where it is right."""
    at = placed(row)
    if not window.start <= at < window.end:
        return f"its time {at} is not in [{window.start}, {window.end})"
    if at <= before:
        return f"its time {at} does not come after {before}"
    if isinstance(row, Kline) and (at % MINUTE or not row.closed):
        return f"the candle of {at} is not that of a whole minute, or still runs"
    if not row.backfilled:
        return "it is not marked as backfilled"
    return check(row)


def _day_of(path: Path) -> date:
    try:
        return date.fromisoformat(path.parent.parent.name.removeprefix("date="))
    except ValueError as problem:
        raise BadFile(f"{path} does not stand in the folder of a day") from problem


def _sync(path: Path) -> None:
    """What was written is on the disk, even if the power fails now."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
