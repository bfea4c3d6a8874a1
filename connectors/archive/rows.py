"""Records of the log as rows of the archive, and back: nothing of a record is lost, whatever it holds."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from connectors.archive.columns import Batch, encoded, to_columns, to_values, uncollected
from connectors.archive.kinds import PLACE, UNREADABLE, kind_of, kinds
from connectors.archive.layout import DAY, Place, date_of, symbol_of
from connectors.log import Record
from schemas.codec import UNREADABLE as STRANGE
from schemas.codec import decode_event

Group = tuple[list[Record], list[Any]]
"""Records and their events, None for what is none."""


class Envelope(msgspec.Struct, frozen=True, omit_defaults=True):
    """Key and headers of a record; bytes are base64 in JSON."""

    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


_open = msgspec.json.Decoder(Envelope).decode


def sorted_out(shard: int, records: Iterable[Record]) -> dict[Place, pa.RecordBatch]:
    """The rows of records of one shard, in their order, by where they belong."""
    groups: dict[Place, Group] = {}
    known: dict[tuple[type, int, str | None], Group] = {}
    with uncollected():
        for record in records:
            event = _event(record.value)
            key = (type(event), record.timestamp // DAY, getattr(event, "symbol", None))
            if (group := known.get(key)) is None:
                name = UNREADABLE if event is None else kind_of(key[0]).name
                place = Place(name, date_of(record.timestamp), symbol_of(key[2]))
                group = known[key] = groups.setdefault(place, ([], []))
            group[0].append(record)
            group[1].append(event)
        return {place: _rows(shard, place, *group) for place, group in groups.items()}


def rows_of(shard: int, place: Place, offsets: Sequence[int], logged: Sequence[int], events: Sequence[Any]) -> Batch:
    """Rows of events of one place that were never bytes; their messages are what their columns give.

    Args:
        shard: which one they stand in.
        place: their type, day and symbol.
        offsets: rising.
        logged: the log's timestamps, whole milliseconds in microseconds.
        events: all of that type and symbol.
    """
    kind = kinds()[place.type]
    plain = [_constant(shard, len(events)), _integers(offsets), _integers(logged), _nulls(pa.binary(), len(events))]
    columns = [*plain, _nulls(pa.string(), len(events)), *to_columns(kind, events)]
    return pa.RecordBatch.from_arrays(columns, schema=schema_of(place.type))


def schema_of(name: str) -> pa.Schema:
    """The columns of a type of event; of what is unreadable, its bytes."""
    return pa.schema([*PLACE, *(kinds()[name].schema if name != UNREADABLE else ())])


def values_of(place: Place, rows: Batch) -> list[bytes | None]:
    """The messages, byte for byte."""
    raw = rows.column("raw")
    if place.type == UNREADABLE:
        return raw.to_pylist()  # type: ignore[no-any-return]
    if raw.null_count == len(raw):
        return to_values(kinds()[place.type], rows, place.symbol)  # type: ignore[return-value]
    kept = raw.to_pylist()
    if raw.null_count == 0:
        return kept  # type: ignore[no-any-return]
    plain = iter(to_values(kinds()[place.type], rows.filter(raw.is_null()), place.symbol))
    return [next(plain) if value is None else value for value in kept]


def records_of(place: Place, rows: Batch) -> list[Record]:
    """The records, as the log held them."""
    key = place.symbol.encode() if place.symbol is not None else None
    offsets, logged = (rows.column(name).to_numpy().tolist() for name in ("offset", "logged"))
    values = values_of(place, rows)
    envelopes = rows.column("envelope").to_pylist()
    return [
        Record(offset, key, value, time, ()) if envelope is None else _enclosed(offset, value, time, envelope)
        for offset, value, time, envelope in zip(offsets, values, logged, envelopes, strict=True)
    ]


def _rows(shard: int, place: Place, records: Sequence[Record], events: Sequence[Any]) -> pa.RecordBatch:
    values = [record.value for record in records]
    typed = [] if place.type == UNREADABLE else to_columns(kinds()[place.type], events)
    key = place.symbol.encode() if place.symbol is not None else None
    columns = [
        _constant(shard, len(records)),
        _integers([record.offset for record in records]),
        _integers([record.timestamp for record in records]),
        pa.array(_strange(place, typed, values), pa.binary()),
        pa.array([_envelope(record, key) for record in records], pa.string()),
    ]
    return pa.RecordBatch.from_arrays([*columns, *typed], schema=schema_of(place.type))


def _strange(place: Place, typed: Sequence[pa.Array], values: Sequence[bytes | None]) -> list[bytes | None]:
    """The messages that the columns do not give, None for the others: the columns themselves are asked."""
    if place.type == UNREADABLE:
        return list(values)
    kind = kinds()[place.type]
    made = to_values(kind, pa.RecordBatch.from_arrays(list(typed), schema=kind.schema), place.symbol)
    return [None if ours == theirs else theirs for ours, theirs in zip(made, values, strict=True)]


def _event(value: bytes | None) -> Any:
    try:
        return decode_event(value or b"")
    except STRANGE:
        return None


def _envelope(record: Record, key: bytes | None) -> str | None:
    if record.key == key and not record.headers:
        return None
    return encoded([Envelope(record.key, tuple(record.headers))])[0].decode()


def _enclosed(offset: int, value: bytes | None, time: int, envelope: str) -> Record:
    found = _open(envelope)
    return Record(offset, found.key, value, time, found.headers)


def _constant(value: int, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, pa.int32()), count)


def _integers(values: Sequence[int]) -> pa.Array:
    return pa.array(values, pa.int64())


def _nulls(kind: pa.DataType, count: int) -> pa.Array:
    return pa.nulls(count, kind)
