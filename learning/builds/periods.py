"""For which times the log has events of a symbol: roughly, and quickly, for whoever is told that it has none."""

from itertools import pairwise
from typing import NamedTuple

from connectors.log import Log, LogError
from schemas.topics import EVENTS, shard_of

FINEST = 60_000_000
"""Microseconds: a shorter gap is not looked for."""
LOOKS = 500
"""Places of a shard that are looked at: a longer log is looked at more coarsely."""
ANCIENT = 3_600_000_000
"""What is in force before the first event of a log stands before this time."""
NEAR = 2_000
"""Events that are read from each place on: other symbols share the shard."""


class Served(NamedTuple):
    """Times [start, end) in microseconds UTC in which there are events."""

    start: int
    end: int


def periods(log: Log, symbol: str, start: int | None = None, end: int | None = None) -> list[Served]:
    """The periods of ``symbol`` in the log, or in [start, end) of it; exact to a minute, or to a 500th of the whole."""
    shard = _shard(log, symbol)
    stop = _end_time(log, shard) if end is None else min(end, _end_time(log, shard))
    begin = start or ANCIENT
    at = _next(log, shard, symbol, begin)
    if at is None:  # rarer than one event in NEAR, or not there at all
        at = max(begin, _time(log, shard, log.offset_at(EVENTS.name, shard, begin)) or stop)
    if at >= stop:
        return []
    step = max(FINEST, (stop - at) // LOOKS)
    cells: list[Served] = []
    while at < stop:
        seen = _next(log, shard, symbol, at)
        if seen is not None and at <= seen < stop:
            at = seen if seen - at >= step else at
            cells.append(Served(at, min(at + step, stop)))
        at += step
    return merged(cells)


def merged(spans: list[Served]) -> list[Served]:
    """Neighbours as one.

    >>> merged([Served(0, 5), Served(5, 9), Served(20, 30)])
    [Served(start=0, end=9), Served(start=20, end=30)]
    """
    cuts = [0, *(number for number, (one, two) in enumerate(pairwise(spans), start=1) if one.end < two.start)]
    return [
        Served(spans[begin].start, spans[end - 1].end)
        for begin, end in zip(cuts, [*cuts[1:], len(spans)], strict=True)
        if spans
    ]


def _shard(log: Log, symbol: str) -> int:
    for info in log.topics():
        if info.name == EVENTS.name:
            return shard_of(symbol, info.shards)
    raise LogError("the log has no topic events: start a flow, it creates every topic")


def _end_time(log: Log, shard: int) -> int:
    """Just behind the last event; 0 for a shard without any."""
    start, end = log.start(EVENTS.name, shard), log.end(EVENTS.name, shard)
    last = _time(log, shard, end - 1) if end > start else None
    return 0 if last is None else last + 1_000


def _time(log: Log, shard: int, offset: int) -> int | None:
    reader = log.reader(EVENTS.name, shard, offset)
    try:
        found = reader.poll(1)
        return found[0].timestamp if found else None
    finally:
        reader.close()


def _next(log: Log, shard: int, symbol: str, at: int) -> int | None:
    """The time of the first event of the symbol from ``at`` on, if it is near."""
    reader = log.reader(EVENTS.name, shard, log.offset_at(EVENTS.name, shard, at))
    try:
        mark = f'"{symbol}"'.encode()
        return next((record.timestamp for record in reader.poll(NEAR) if mark in (record.value or b"")), None)
    finally:
        reader.close()
