"""Where a shard must be read from so that what forgets by itself is right at some time."""

from connectors.log import Log, LogError, Reader
from connectors.log.span import span
from schemas.codec import UNREADABLE, decode_event
from schemas.market import Gap, Tick

BEFORE = 2_000
"""So many records before a tick are looked at for gaps that it closes."""


class PastLost(LogError):
    """Retention took events that a rebuild needs."""


def lookback_offset(log: Log, shard: int, time: int) -> int:
    """The first tick at or after ``time`` (microseconds), or the start of a log that was never trimmed.

    Where gaps stand right before that tick, as after an outage, it is the tick before them: their loss is still felt.

    Raises:
        PastLost: when the log was trimmed to a point after ``time``.
    """
    start = log.start("events", shard)
    offset = log.offset_at("events", shard, time)
    if offset <= start and start > 0:
        raise PastLost(
            f"events/{shard}: a rebuild needs events from {time} (microseconds UTC) on, but the log begins at offset"
            f" {start}. Restore them from an archive, or go on with --accept-loss."
        )
    if offset <= start:
        return start
    return _before_gaps(log, shard, _first_tick(log, shard, offset))


def time_at(log: Log, shard: int, offset: int) -> int:
    """The timestamp of the event at ``offset``."""
    reader = log.reader("events", shard, offset)
    try:
        return _wait_for(reader, 1)[0].timestamp
    finally:
        reader.close()


def _first_tick(log: Log, shard: int, offset: int) -> int:
    """A tick is where the clock can be trusted: a market event could carry a wrong time."""
    end = log.end("events", shard)
    reader = log.reader("events", shard, offset)
    try:
        while reader.position < end:
            for record in _wait_for(reader, 500):
                if isinstance(_event(record.value), Tick):
                    return record.offset
        return offset
    finally:
        reader.close()


def _before_gaps(log: Log, shard: int, offset: int) -> int:
    """A restart's gaps are dated by the end of the outage, but stand before the tick that ends it."""
    tick, gap = None, False
    for record in span(log, "events", shard, max(log.start("events", shard), offset - BEFORE), offset):
        event = _event(record.value)
        if isinstance(event, Tick):
            tick, gap = record.offset, False
        elif isinstance(event, Gap):
            gap = True
    return tick if gap and tick is not None else offset


def _wait_for(reader: Reader, limit: int) -> list:
    while not (records := reader.poll(limit)):
        reader.wait(0.2)
    return records


def _event(value: bytes | None) -> object:
    try:
        return decode_event(value or b"")
    except UNREADABLE:
        return None
