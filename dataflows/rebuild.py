"""Where a flow begins when there is no recovery state: one look-back before the last output, or before a checkpoint."""

from typing import NamedTuple

from connectors.log import Log, LogError
from connectors.lookback import PastLost, lookback_offset, time_at
from connectors.patience import patiently
from connectors.sink import last_origin
from dataflows.checkpoints import TOPIC, checkpoint_before
from operators.engine import Beginning


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
