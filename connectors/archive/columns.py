"""Events to columns and back, a batch at a time.

Both ways go column by column through C: lists of Python values become Arrow arrays and the other way round, and whole
batches are encoded with one call. That is what lets a month be read in minutes.
"""

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, pairwise, repeat
from operator import attrgetter
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa

from connectors.archive.kinds import LEVELS, Field, Kind

_ENCODER = msgspec.json.Encoder()
Batch: TypeAlias = pa.RecordBatch | pa.Table


def to_columns(kind: Kind, events: Sequence[Any]) -> list[pa.Array]:
    """The typed columns of events of one kind, in the order of ``kind.fields``."""
    if not events:
        return [pa.array([], column.type) for column in kind.schema]
    if len(kind.fields) == 1:
        columns: Iterable[Sequence[Any]] = [[getattr(event, kind.fields[0].name) for event in events]]
    else:
        columns = zip(*map(attrgetter(*(field.name for field in kind.fields)), events), strict=True)
    return [_WRITE[field.form](values) for field, values in zip(kind.fields, columns, strict=True)]


def to_events(kind: Kind, batch: Batch, symbol: str | None) -> list[Any]:
    """The events of typed columns; ``symbol`` is the one of the folder, None where they concern every symbol.

    >>> from connectors.archive.kinds import kinds
    >>> from schemas.market import Trade
    >>> trade = Trade("BTCUSDT", 1, 2, "7", "buy", 100.5, 0.1)
    >>> batch = pa.RecordBatch.from_arrays(to_columns(kinds()["trade"], [trade]), schema=kinds()["trade"].schema)
    >>> to_events(kinds()["trade"], batch, "BTCUSDT") == [trade]
    True
    """
    names = kind.event.__struct_fields__
    with uncollected():
        values = iter([_read(field, batch) for field in kind.fields])
        return list(map(kind.event, *(repeat(symbol) if name == "symbol" else next(values) for name in names)))


def to_values(kind: Kind, batch: Batch, symbol: str | None) -> list[bytes]:
    """The messages of typed columns: what ``schemas.codec.encode`` makes of each event."""
    with uncollected():
        return encoded(to_events(kind, batch, symbol))


def encoded(events: Iterable[Any]) -> list[bytes]:
    """One JSON object per event; no JSON text of ours holds a line end."""
    lines = _ENCODER.encode_lines(events).split(b"\n")
    lines.pop()
    return lines


def _write_levels(books: Sequence[Sequence[tuple[float, float]]]) -> pa.Array:
    offsets = np.zeros(len(books) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, books), np.int32, len(books)), out=offsets[1:])
    flat = np.fromiter(chain.from_iterable(chain.from_iterable(books)), np.float64, 2 * int(offsets[-1]))
    pairs = [pa.array(np.ascontiguousarray(flat[side::2])) for side in (0, 1)]
    levels = pa.StructArray.from_arrays(pairs, fields=list(LEVELS.value_type))
    return pa.ListArray.from_arrays(pa.array(offsets), levels, type=LEVELS)


def _write_json(values: Sequence[Any]) -> pa.Array:
    return pa.array([None if value is None else _ENCODER.encode(value).decode() for value in values], pa.string())


_WRITE: dict[str, Callable[[Sequence[Any]], pa.Array]] = {
    "integer": lambda values: pa.array(values, pa.int64()),
    "number": lambda values: pa.array(values, pa.float64()),
    "text": lambda values: pa.array(values, pa.string()),
    "flag": lambda values: pa.array(values, pa.bool_()),
    "levels": _write_levels,
    "json": _write_json,
}


def _read(field: Field, batch: Batch) -> list[Any]:
    if field.name not in batch.schema.names:
        return [field.default] * batch.num_rows  # a field that is younger than the file
    column = batch.column(field.name)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if column.null_count == len(column):
        return [None] * len(column)
    if field.form == "levels":
        return _read_levels(column)
    values = _read_plain(field, column)
    if field.alike and (default := field.default) in values:
        return [default if value == default else value for value in values]
    return values


def _read_plain(field: Field, column: pa.Array) -> list[Any]:
    if field.form == "json":
        return [None if text is None else field.decode(text) for text in column.to_pylist()]
    if field.form == "text" or not column.null_count:
        return column.to_numpy(zero_copy_only=False).tolist()  # type: ignore[no-any-return]
    present = column.is_valid().to_numpy(zero_copy_only=False).tolist()
    values = column.fill_null(False if field.form == "flag" else 0).to_numpy(zero_copy_only=False).tolist()
    return [value if there else None for value, there in zip(values, present, strict=True)]


def _read_levels(column: pa.ListArray) -> list[Any]:
    levels = column.flatten()
    prices, sizes = (levels.field(side).to_numpy(zero_copy_only=False).tolist() for side in (0, 1))
    pairs = list(zip(prices, sizes, strict=True))
    offsets = column.offsets.to_numpy()
    bounds = (offsets - offsets[0]).tolist()
    return [pairs[begin:end] for begin, end in pairwise(bounds)]


@contextmanager
def uncollected() -> Iterator[None]:
    """Without looking for cycles, which would take longer than all the rest: millions of tuples, and no cycle."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
