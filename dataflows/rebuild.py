"""Where a flow begins when there is no recovery state: one look-back before the last output, or before a checkpoint."""

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from connectors.log import Log, LogError
from connectors.lookback import PastLost, lookback_offset, time_at
from connectors.origins import last_origin
from connectors.patience import patiently
from dataflows.checkpoints import TOPIC, checkpoint_before
from dataflows.registries import Registries, registries_of
from operators.engine import Beginning
from operators.features.featureset import FeatureSet
from operators.market import REMEMBERED


class Start(NamedTuple):
    """Where a shard is read from, and how its engine begins there (None: with the first message)."""

    offset: int
    beginning: Beginning | None = None


class Memory(NamedTuple):
    """What a flow needs of the past: for each of its registries ``lookback`` microseconds of events, and, where
    ``layout`` is not empty, the state of a checkpoint of that layout.

    ``features`` are in force before the first activation of the log; ``prefix`` is that of the flow's topics.
    """

    features: FeatureSet
    lookback: Callable[[FeatureSet], int]
    layout: str
    prefix: str = ""


def resume(log: Log, principal: str, shard: int, memory: Memory) -> Start:
    """Where a shard's engine must begin so that its next new output is right.

    Without any output yet that is the start of the log. Otherwise it goes on from the event that caused the newest
    record of the ``principal`` topic, see ``begin_at``; the sink drops what is written already.

    Raises:
        PastLost: when the log no longer holds what that needs.
    """
    return patiently(lambda: _resume(log, principal, shard, memory))


def begin_at(log: Log, shard: int, offset: int, memory: Memory, stop: int | None = None) -> Start:
    """How an engine begins that is to be right from ``offset`` on, until ``stop`` (None: for ever).

    The market stage is fed from the first tick at least one look-back before; everything in it is a pure function of
    that, and of the registry in force there, which it is told. Stages that remember without bound take over the newest
    checkpoint before ``offset`` (the look-back counts from there), or are fed the log from its first event on.

    Raises:
        PastLost: when the log no longer holds that.
    """
    if not memory.layout:
        return _warm(log, shard, offset, memory, stop)
    checkpoints = memory.prefix + TOPIC
    checkpoint = checkpoint_before(log, checkpoints, shard, offset, memory.layout)
    if checkpoint is not None:
        at = checkpoint.origin.offset
        first, begin = _warm(log, shard, at, memory, stop)
        return Start(first, Beginning(at, checkpoint.state, before=begin.before if begin else ()))
    if log.start("events", shard) > 0:
        raise PastLost(
            f"events/{shard}: the flow must know everything since the first event, the log begins at offset"
            f" {log.start('events', shard)}, and {checkpoints} holds no state to go on from before offset"
            f" {offset}. Restore the log from an archive, or go on with --accept-loss."
        )
    return Start(0)


def cold(log: Log, shard: int, offset: int, memory: Memory) -> Start:
    """An engine begins with the event at ``offset`` and knows nothing but the registry in force there."""
    if offset <= 0:
        return Start(offset)
    time = time_at(log, shard, offset) if offset < log.end("events", shard) else 0
    return _told(offset, registries_of(log, shard, memory.features, offset, memory.prefix), time)


def _warm(log: Log, shard: int, offset: int, memory: Memory, stop: int | None) -> Start:
    """One look-back before ``offset``; without ``stop`` that of any registry that may yet come, if the log holds it."""
    end = offset if stop is None else stop
    registries = registries_of(log, shard, memory.features, end, memory.prefix)
    time = time_at(log, shard, offset)
    needed = registries.lookback(memory.lookback, offset, time)
    first = None
    if stop is None:
        with suppress(PastLost):
            first = lookback_offset(log, shard, time - max(needed, REMEMBERED))
    if first is None:
        first = lookback_offset(log, shard, time - needed)
    return _told(first, registries, time_at(log, shard, first))


def _told(first: int, registries: Registries, time: int) -> Start:
    before = registries.before(first, time)
    return Start(first, Beginning(before=before) if before else None)


def _resume(log: Log, principal: str, shard: int, memory: Memory) -> Start:
    start = log.start("events", shard)
    origin = last_origin(log, principal, shard)
    if origin is None:
        return cold(log, shard, start, memory)
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
