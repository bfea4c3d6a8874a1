"""Writing and reading one Parquet file of the archive."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.archive import ArchiveError, Damaged
from connectors.archive.columns import Batch
from connectors.archive.kinds import UNREADABLE, kinds

GROUP = 65_536
"""Rows of a row group: some megabytes, and a fraction of a second to read."""
LAYOUT = "1"
"""Raised whenever the columns that every file has, or their meaning, change."""


class Written(NamedTuple):
    """A file on disk: how many bytes it has, and their BLAKE2b."""

    bytes: int
    digest: str


def metadata(kind: str) -> dict[bytes, bytes]:
    """What a file says about itself: the layout, the type, and its fields, from which its version follows."""
    names = [f"{field.name}:{field.form}" for field in kinds()[kind].fields] if kind != UNREADABLE else []
    version = blake2b("\n".join(names).encode(), digest_size=6).hexdigest()
    return {
        b"lockstep.layout": LAYOUT.encode(),
        b"lockstep.type": kind.encode(),
        b"lockstep.schema": version.encode(),
        b"lockstep.fields": msgspec.json.encode(names),
    }


def write(path: Path, kind: str, rows: Iterable[Batch]) -> Written:
    """Write a file to the end. It has no name that anybody reads yet, and is not synced: ``changes.name`` does both.

    Times and sequence numbers are stored as differences, which are small; the rest by dictionary where that helps.

    Raises:
        ValueError: when there are no rows.
        OSError: when the disk is full.
    """
    pieces = _regrouped(rows)
    first = next(pieces, None)
    if first is None:
        raise ValueError(f"{path}: a file of the archive has rows")
    schema = first.schema.with_metadata(metadata(kind))
    integers = [field.name for field in schema if pa.types.is_integer(field.type)]
    path.parent.mkdir(parents=True, exist_ok=True)
    encodings = {
        "use_dictionary": [name for name in _leaves(schema) if name not in integers],
        "column_encoding": dict.fromkeys(integers, "DELTA_BINARY_PACKED"),
    }
    with path.open("xb") as file, pq.ParquetWriter(file, schema, compression="zstd", **encodings) as writer:
        for table in chain([first], pieces):
            writer.write_table(table.cast(schema), row_group_size=GROUP)
    return stamp(path)


def _regrouped(rows: Iterable[Batch]) -> Iterator[pa.Table]:
    """The rows in pieces of whole row groups, and at last the rest."""
    waiting: list[pa.Table] = []
    for one in rows:
        waiting.append(pa.Table.from_batches([one]) if isinstance(one, pa.RecordBatch) else one)
        count = sum(map(len, waiting))
        if count >= GROUP:
            table = pa.concat_tables(waiting)
            yield table.slice(0, count // GROUP * GROUP)
            waiting = [table.slice(count // GROUP * GROUP)]
    rest = pa.concat_tables(waiting) if waiting else None
    if rest is not None and len(rest):
        yield rest


def stamp(path: Path) -> Written:
    """Size and digest of a file."""
    state = blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return Written(path.stat().st_size, state.hexdigest())


def opened(path: Path) -> pq.ParquetFile:
    """A file to be read.

    Raises:
        FileNotFoundError: when it is not there: it may have been compacted in the meantime.
        Damaged: when it is no Parquet file.
        ArchiveError: when a newer Lockstep wrote it.
    """
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise Damaged(f"{path} is damaged: {error}: put a good copy in its place (lockstep archive verify)") from error
    _check(path, file.schema_arrow)
    return file


def groups(file: pq.ParquetFile, path: Path, numbers: Sequence[int], columns: list[str] | None = None) -> Iterator[
    pa.Table
]:  # fmt: skip
    """Row groups, one after the other.

    Raises:
        Damaged: when one cannot be read.
    """
    for number in numbers:
        try:
            yield file.read_row_group(number, columns=columns, use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise Damaged(f"{path}, row group {number}, is damaged: {error}: put a good copy in its place") from error


def _check(path: Path, schema: pa.Schema) -> None:
    said = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
    if said.get("lockstep.layout") != LAYOUT:
        found = said.get("lockstep.layout", "none")
        raise ArchiveError(f"{path} has layout {found}, this Lockstep reads {LAYOUT}: read it with the one it is from")
    name = said.get("lockstep.type", "")
    if name == UNREADABLE:
        return
    if name not in kinds():
        raise ArchiveError(f"{path} holds {name!r}, a type that this Lockstep does not know: read it with a newer one")
    known = {f"{field.name}:{field.form}" for field in kinds()[name].fields}
    if strange := [field for field in msgspec.json.decode(said["lockstep.fields"]) if field not in known]:
        raise ArchiveError(
            f"{path}: {name} has a field {strange[0]} that this Lockstep does not know: read it with the one it is from"
        )


def _leaves(schema: pa.Schema) -> list[str]:
    """The names of a schema's columns as Parquet has them."""
    found: list[str] = []
    for field in schema:
        if pa.types.is_list(field.type):
            found += [f"{field.name}.list.element.{side.name}" for side in field.type.value_type]
        else:
            found.append(field.name)
    return found
