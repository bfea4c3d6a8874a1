"""Writes drawn history as an archive, day by day: what is there already is kept."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from bench.history.events import SYMBOL, Events, part, places
from bench.history.walk import Position, first
from connectors.archive.kinds import kind_of
from connectors.archive.layout import Place, date_of
from connectors.archive.rows import schema_of
from connectors.archive.writer import ArchiveWriter
from operators.spans import DAY
from schemas.market import Event, Tick

PARTS = 12
"""A day is made in so many parts: what is held in memory at once is one of them, and the day's Arrow columns."""
STATE = "_drawn.json"
"""Where the market stands behind the last day that was written."""
SHARD = 0


class Drawn(msgspec.Struct):
    """What was written: days [first, next) since 1970, drawn with ``seed``."""

    seed: int
    first: int
    next: int
    position: Position


def write_days(
    root: Path, days: int, begin: int, seed: int = 1, told: Callable[[str], None] = lambda line: None
) -> Drawn:
    """See that ``root`` is an archive of at least ``days`` days from the day ``begin`` (since 1970) on.

    Raises:
        ValueError: when it was drawn with another seed, or from another day on.
    """
    root.mkdir(parents=True, exist_ok=True)
    state = root / STATE
    drawn = Drawn(seed, begin, begin, first(seed, 60_000.0))
    if state.exists():
        drawn = msgspec.json.decode(state.read_bytes(), type=Drawn)
        if (drawn.seed, drawn.first) != (seed, begin):
            raise ValueError(
                f"{root} was drawn with seed {drawn.seed} from day {drawn.first} on: choose another folder"
            )
    with ArchiveWriter(root, 1) as writer:
        while drawn.next < begin + days:
            started = time.monotonic()
            after = _add_day(writer, drawn)
            writer.commit()
            count = after.offset - drawn.position.offset
            drawn = Drawn(seed, begin, drawn.next + 1, after)
            state.write_bytes(msgspec.json.encode(drawn))
            told(f"{date_of((drawn.next - 1) * DAY)}: {count:,} events in {time.monotonic() - started:.1f} s")
    return drawn


def _add_day(writer: ArchiveWriter, drawn: Drawn) -> Position:
    """Draw one day, and add it where a killed process had not come to say that it is there already."""
    position, begin, archived = drawn.position, drawn.next * DAY, writer.position(SHARD)
    for number in range(PARTS):
        found, after = part(drawn.seed, position, begin + DAY * number // PARTS, begin + DAY * (number + 1) // PARTS)
        where = places(found, position.offset)
        rows = {
            Place(kind_of(kind).name, date_of(begin), None if kind is Tick else SYMBOL): _batch(
                kind, events, where[kind]
            )
            for kind, events in found.items()
            if len(events.recv)
        }
        if after.offset > archived:
            writer.add_rows(SHARD, rows, after.offset)
        position = after
    return position


def _batch(kind: type[Event], events: Events, offsets: np.ndarray) -> pa.RecordBatch:
    count = len(offsets)
    own = kind_of(kind)
    columns = {
        "shard": pa.repeat(pa.scalar(SHARD, pa.int32()), count),
        "offset": pa.array(offsets),
        "logged": pa.array(events.recv // 1_000 * 1_000),
        "raw": pa.nulls(count, pa.binary()),
        "envelope": pa.nulls(count, pa.string()),
        **events.columns,
    }
    schema = schema_of(own.name)
    return pa.RecordBatch.from_arrays([columns[field.name] for field in schema], schema=schema)
