"""Splitting a ready dataset again: the same rows in other periods."""

import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import structlog
from psycopg.types.json import Jsonb

from connectors.postgres.columns import moment
from learning.builds.control import free, known
from learning.builds.finish import counts, described
from learning.datasets.files import SplitFile, schema_of
from learning.datasets.metadata import DatasetMetadata, EmptySplit, SplitInfo, load_metadata, save_metadata
from learning.datasets.reading import read_split
from learning.datasets.request import FILLING, TimeBased
from learning.datasets.served import utc
from learning.datasets.splits import Split, lay_out
from learning.datasets.tally import ROW_GROUP, Targets

LOGGER = structlog.get_logger()
UPDATE = """
update datasets set train_period_start = %(train_start)s, train_period_end = %(train_end)s,
    validation_period_start = %(validation_start)s, validation_period_end = %(validation_end)s,
    test_period_start = %(test_start)s, test_period_end = %(test_end)s, train_records = %(train)s,
    validation_records = %(validation)s, test_records = %(test)s, metadata = metadata || %(more)s
where id = %(id)s
"""
NOTE = "split again from the rows of an earlier build: rows that it had purged at the edges of its splits are missing"


def resplit(connection: psycopg.Connection[Any], dataset: UUID, plan: TimeBased) -> tuple[dict[str, int], int]:
    """Put the rows of a ready dataset into other periods; files, metadata and row change together.

    Returns rows by split, and how many rows stand in none of them now. To be called in a transaction: it holds the
    dataset's lock until that ends.

    Raises:
        LookupError: when there is no such dataset.
        ValueError: when somebody else changes it just now, its values were filled in within its splits, no row of it
            lies in these periods, or its files are not those of its metadata.
        OSError: when files cannot be read or written.
    """
    row = known(connection, dataset)
    if not free(connection, dataset):
        raise ValueError(f"dataset {dataset} is being changed by somebody else: try again")
    folder = Path(str(row.storage_path))
    before = load_metadata(folder)
    if before.request.missing in FILLING:
        raise ValueError(
            f"dataset {dataset} has values that were filled in from rows of the same split ({before.request.missing});"
            " in other periods they would come from another one: build it anew"
        )
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        made = write_splits(before, all_rows(folder), plan, fresh)
        if not any(counts(made).values()):
            raise ValueError(f"dataset {dataset} has no row in these periods: it is left as it is. {_rows_of(before)}")
        save_metadata(made, fresh)
        _write_row(connection, dataset, plan, made)
        _swap(folder, fresh)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    for empty in made.empty_splits:
        start, end = empty.period
        told = {"symbol": empty.symbol, "split": empty.split, "start": start, "end": end, "reason": empty.reason}
        LOGGER.warning("dataset.empty_split", dataset=empty.dataset_id, **told)
    kept = counts(made)
    return kept, sum(info.rows for info in before.splits.values()) - sum(kept.values())


def _rows_of(metadata: DatasetMetadata) -> str:
    times = [time for info in metadata.splits.values() for time in (info.first, info.last) if time is not None]
    return f"Its rows are of {utc(min(times))} to {utc(max(times))}" if times else "It has no rows at all"


def all_rows(folder: Path) -> pa.Table:
    """The rows of all splits in the order of time, each once."""
    tables = [read_split(folder, split) for split in ("train", "validation", "test")]
    about = next((table.schema.metadata for table in tables if table.schema.metadata), None)
    rows = pa.concat_tables([table.replace_schema_metadata(about) for table in tables])
    return rows.sort_by([("timestamp", "ascending"), ("symbol", "ascending")])


def write_splits(before: DatasetMetadata, rows: pa.Table, plan: TimeBased, folder: Path) -> DatasetMetadata:
    """Write the files of a plan; what is to be known of the dataset then."""
    request = msgspec.structs.replace(before.request, plan=plan)
    infos = {
        split.key: write_split(split, rows, request.horizon, folder / f"{split.key}.{request.format}", before)
        for split in lay_out(plan, request.embargo)
    }
    empty = [
        EmptySplit(before.dataset_id, symbol, key, (info.start, info.end), "no_data_in_period")
        for key, info in infos.items()
        for symbol, count in info.symbols.items()
        if not count
    ]
    notes = (*(note for note in before.notes if note != NOTE), NOTE)
    return msgspec.structs.replace(
        before, request=request, splits=infos, empty_splits=empty, digest=digest_of(infos), notes=notes
    )


def write_split(split: Split, rows: pa.Table, horizon: int, path: Path, before: DatasetMetadata) -> SplitInfo:
    """Write one split: rows of its period whose target lies within it, and behind its embargo."""
    ts = rows.column("timestamp").cast(pa.int64()).to_numpy()
    inside = (ts >= split.start) & (ts < split.end)
    early, late = inside & (ts < split.after), inside & (ts >= split.after) & (ts + horizon > split.end)
    kept = rows.filter(pa.array(inside & ~early & ~late))
    schema = schema_of(before.features, before.request.target.kind).with_metadata(rows.schema.metadata)
    file = SplitFile(path, schema)
    for batch in kept.combine_chunks().to_batches(max_chunksize=ROW_GROUP):
        file.write(pa.record_batch(batch.columns, schema=schema))
    digest = file.close()
    chosen = ts[inside & ~early & ~late]
    targets = Targets()
    for target in kept.column("target").to_pylist():
        targets.add(target)
    found = {symbol: pc.sum(pc.equal(kept.column("symbol"), symbol)).as_py() or 0 for symbol in before.symbols}
    return SplitInfo(
        start=split.start,
        end=split.end,
        rows=kept.num_rows,
        first=int(chosen[0]) if digest else None,
        last=int(chosen[-1]) if digest else None,
        purged=int(late.sum()),
        embargoed=int(early.sum()),
        symbols=found,
        file=path.name if digest else "",
        sha256=digest,
        target=targets.figures(),
    )


def digest_of(infos: Mapping[str, SplitInfo]) -> str:
    """SHA-256 over the names and digests of all split files, as a build has it."""
    lines = "".join(f"{info.file} {info.sha256}\n" for info in infos.values())
    return sha256(lines.encode()).hexdigest()


def _write_row(connection: psycopg.Connection[Any], dataset: UUID, plan: TimeBased, made: DatasetMetadata) -> None:
    times = {
        f"{split}_{end}": moment(getattr(getattr(plan, split), end))
        for split in ("train", "validation", "test")
        for end in ("start", "end")
    }
    more = Jsonb({**described(made), "request": msgspec.to_builtins(made.request)})
    connection.execute(UPDATE, {"id": dataset, **times, **counts(made), "more": more})


def _swap(folder: Path, fresh: Path) -> None:
    """Put the new folder in the place of the old one."""
    old = folder.with_name(f"{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
