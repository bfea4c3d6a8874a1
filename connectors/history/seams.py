"""Where fetched rows stand among the events of a shard that were heard live."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from connectors.history.rows import Row, ticks
from connectors.log import Log
from connectors.log.span import span
from schemas.codec import UNREADABLE, decode_event
from schemas.market import MarketEvent, Tick
from schemas.topics import EVENTS

BEFORE = 2_000
"""So many records before a seam are looked through for the time of the last event."""


class Seam(NamedTuple):
    """Rows that stand right before the live offset ``at``; ``first`` rows stand before them."""

    at: int
    first: int
    rows: list[Row]


class Place(NamedTuple):
    """Where an offset of the history is: row ``row`` of ``seam``, or the live offset ``live`` (the other is -1)."""

    seam: int
    row: int
    live: int


class Seams:
    """The seams of one shard, and how its offsets count.

    A live offset becomes greater by the rows that stand before it, so that a history without fetched rows has the
    offsets of the log. A row stands behind everything live that was received up to the moment it was known.
    """

    def __init__(self, log: Log, shard: int, rows: Sequence[Row]) -> None:
        self.seams = sewn(log, shard, rows)
        self.begins = [seam.at + seam.first for seam in self.seams]
        self.lives = [seam.at for seam in self.seams]
        self.times = [row.recv // 1_000 for seam in self.seams for row in seam.rows]

    @property
    def total(self) -> int:
        """Rows in all seams."""
        return len(self.times)

    def place(self, offset: int) -> Place:
        """Where an offset of the history is."""
        number = bisect_right(self.begins, offset) - 1
        if number < 0:
            return Place(-1, -1, offset)
        seam = self.seams[number]
        row = offset - self.begins[number]
        if row < len(seam.rows):
            return Place(number, row, -1)
        return Place(number, -1, offset - seam.first - len(seam.rows))

    def offset(self, live: int) -> int:
        """The offset in the history of a live one."""
        number = bisect_right(self.lives, live) - 1
        if number < 0:
            return live
        seam = self.seams[number]
        return live + seam.first + len(seam.rows)

    def row_at(self, timestamp: int) -> int | None:
        """The offset of the first row whose time is at or after ``timestamp`` (both to the millisecond)."""
        found = bisect_left(self.times, timestamp // 1_000)
        if found == len(self.times):
            return None
        number = bisect_right([seam.first for seam in self.seams], found) - 1
        return self.seams[number].at + found

    def stop(self, number: int) -> int | None:
        """The live offset at which the seam behind ``number`` begins; None where there is none."""
        return self.lives[number + 1] if number + 1 < len(self.lives) else None


def sewn(log: Log, shard: int, rows: Sequence[Row]) -> list[Seam]:
    """The seams that put the rows, in the order of ``recv``, into a shard."""
    seams: list[Seam] = []
    done = first = 0
    recvs = [row.recv for row in rows]
    while done < len(rows):
        at, after = following(log, shard, rows[done].recv)
        until = len(rows) if after is None else bisect_left(recvs, after)
        run = list(rows[done:until])
        run = sorted([*run, *ticks(run, preceding(log, shard, at), after)])
        seams.append(Seam(at, first, run))
        first += len(run)
        done = until
    return seams


def following(log: Log, shard: int, time: int) -> tuple[int, int | None]:
    """The first offset that was received after ``time``, and when that was; the end, and None, where none was."""
    begin, end = log.offset_at(EVENTS.name, shard, time), log.end(EVENTS.name, shard)
    for record in span(log, EVENTS.name, shard, begin, end):
        received = time_of(record.value)
        if received is not None and received > time:
            return record.offset, received
    return end, None


def preceding(log: Log, shard: int, offset: int) -> int | None:
    """When the last event before ``offset`` was received; None where there is none."""
    begin = max(log.start(EVENTS.name, shard), offset - BEFORE)
    heard = [time_of(record.value) for record in span(log, EVENTS.name, shard, begin, offset)]
    return next((time for time in reversed(heard) if time is not None), None)


def time_of(value: bytes | None) -> int | None:
    """When an event was received; None for what moves no clock."""
    try:
        event = decode_event(value or b"")
    except UNREADABLE:
        return None
    return event.recv if isinstance(event, MarketEvent | Tick) else None
