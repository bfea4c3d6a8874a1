"""Control events: what concerns every symbol is written to every shard."""

import time
from collections.abc import Sequence

import msgspec

from connectors.log import Log, NewRecord
from connectors.log.span import last_record
from schemas.codec import encode
from schemas.events import Control
from schemas.topics import EVENTS

FIRST = 1_000
"""The time of what is in force before the first event of a log, whose time nobody knows yet."""


def broadcast(log: Log, shards: int, events: Sequence[Control]) -> None:
    """Append the events, in order, to every shard, as of now; at the head of an empty log as of before everything.

    A log whose times did not rise could not be searched by time, and a recorded session begins in the past.
    """
    for shard in range(shards):
        empty = log.end(EVENTS.name, shard) == 0
        now = FIRST if empty else time.time_ns() // 1_000
        records = [NewRecord(None, encode(msgspec.structs.replace(event, recv=now)), now) for event in events]
        log.append(EVENTS.name, shard, records)


def log_time(log: Log, shard: int) -> int:
    """The time of the newest event of a shard, in microseconds UTC; ``FIRST`` where there is none."""
    newest = last_record(log, EVENTS.name, shard)
    return FIRST if newest is None else max(newest.timestamp, FIRST)


def append_now(log: Log, shard: int, event: Control) -> None:
    """Append a control event to one shard, as of the log's own time: that of a demo or a recording is not ours."""
    now = log_time(log, shard)
    log.append(EVENTS.name, shard, [NewRecord(None, encode(msgspec.structs.replace(event, recv=now)), now)])
