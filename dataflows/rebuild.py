"""Where a flow begins when there is no recovery state: one look-back before the last output, or before a checkpoint."""

from typing import NamedTuple

from connectors.log import Log, LogError, Reader
from connectors.patience import patiently
from connectors.sink import last_origin
from dataflows.checkpoints import TOPIC, checkpoint_before
from operators.engine import Beginning
from schemas.codec import UNREADABLE, decode_event
from schemas.market import Tick


class PastLost(LogError):
    """Retention took events that a rebuild needs."""


class Start(NamedTuple):
    """Where a shard is read from, and how its engine begins there (None: with the first message)."""

    offset: int
    beginning: Beginning | None = None


class Memory(NamedTuple):
    """What a flow needs of the past: ``lookback`` microseconds of events, and, where ``layout`` is not empty, the state
    of a checkpoint of that layout on ``checkpoints``."""

    lookback: int
    layout: str
    checkpoints: str = TOPIC


def resume(log: Log, principal: str, shard: int, memory: Memory) -> Start:
    """Where a shard's engine must begin so that its next new output is right.

    Without any output yet that is the start of the log. Otherwise it goes on from the event that caused the newest
    record of the ``principal`` topic, see ``begin_at``; the sink drops what is written already.

    Raises:
        PastLost: when the log no longer holds what that needs.
    """
    return patiently(lambda: _resume(log, principal, shard, memory))


def begin_at(log: Log, shard: int, offset: int, memory: Memory) -> Start:
    """How an engine begins that is to be right from ``offset`` on.

    The market stage is fed from the first tick at least one look-back before; everything in it is a pure function of
    that. Stages that remember without bound take over the newest checkpoint before ``offset`` (the look-back counts
    from there), or are fed the log from its first event on.

    Raises:
        PastLost: when the log no longer holds that.
    """
    if not memory.layout:
        return Start(lookback_offset(log, shard, time_at(log, shard, offset) - memory.lookback))
    checkpoint = checkpoint_before(log, memory.checkpoints, shard, offset, memory.layout)
    if checkpoint is not None:
        at = checkpoint.origin.offset
        first = lookback_offset(log, shard, time_at(log, shard, at) - memory.lookback)
        return Start(first, Beginning(at, checkpoint.state))
    if log.start("events", shard) > 0:
        raise PastLost(
            f"events/{shard}: the flow must know everything since the first event, the log begins at offset"
            f" {log.start('events', shard)}, and {memory.checkpoints} holds no state to go on from before offset"
            f" {offset}. Restore the log from an archive, or go on with --accept-loss."
        )
    return Start(0)


def _resume(log: Log, principal: str, shard: int, memory: Memory) -> Start:
    start = log.start("events", shard)
    origin = last_origin(log, principal, shard)
    if origin is None:
        return Start(start)
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
    return begin_at(log, shard, origin.offset, memory)


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
