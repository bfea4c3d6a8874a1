"""Where a flow begins when there is no recovery state: one look-back before the last output."""

from connectors.log import Log, LogError, Reader
from connectors.patience import patiently
from connectors.sink import last_origin
from schemas.codec import UNREADABLE, decode_event
from schemas.market import Tick


class PastLost(LogError):
    """Retention took events that a rebuild needs."""


def rebuild_offset(log: Log, principal: str, shard: int, lookback: int) -> int:
    """The offset from which a shard's engine must be fed so that its next new output is right.

    Without any output yet that is the start of the log. Otherwise it is the first tick at least ``lookback``
    microseconds before the event that caused the newest record of the ``principal`` topic: everything in the engine is
    a pure function of that look-back, and the sink drops what is written already.

    Raises:
        PastLost: when the log no longer holds that look-back.
    """
    return patiently(lambda: _rebuild_offset(log, principal, shard, lookback))


def _rebuild_offset(log: Log, principal: str, shard: int, lookback: int) -> int:
    start = log.start("events", shard)
    origin = last_origin(log, principal, shard)
    if origin is None:
        return start
    if origin.offset >= log.end("events", shard):
        raise LogError(
            f"{principal}/{shard}: its newest record comes from events/{shard} offset {origin.offset}, but events ends"
            f" at {log.end('events', shard)}: the two topics belong to different logs."
            f" Delete {principal}, or restore events."
        )
    if origin.offset < start:
        raise PastLost(
            f"events/{shard}: {principal} was written up to offset {origin.offset}, but the log begins at {start}: what"
            " lies between was never processed. Restore it from an archive, or go on with --accept-loss."
        )
    return lookback_offset(log, shard, time_at(log, shard, origin.offset) - lookback)


def lookback_offset(log: Log, shard: int, time: int) -> int:
    """The first tick at or after ``time`` (microseconds), or the start of a log that was never trimmed.

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
    return _first_tick(log, shard, offset)


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
                if _is_tick(record.value):
                    return record.offset
        return offset
    finally:
        reader.close()


def _wait_for(reader: Reader, limit: int) -> list:
    while not (records := reader.poll(limit)):
        reader.wait(0.2)
    return records


def _is_tick(value: bytes | None) -> bool:
    try:
        return isinstance(decode_event(value or b""), Tick)
    except UNREADABLE:
        return False
