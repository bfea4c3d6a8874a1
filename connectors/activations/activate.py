"""Writing the activation of a feature registry to every shard, with the second from which on it counts."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from uuid import uuid4

from connectors.activations.standing import Placed, newest
from connectors.control import FIRST, log_time
from connectors.log import Log, LogError, NewRecord
from connectors.pace import wall_clock
from connectors.resume import read_tail
from schemas.codec import decode_event, encode
from schemas.registry import RegistryActivated, fingerprint
from schemas.topics import EVENTS

SECOND = 1_000_000
DELAY = 5 * SECOND
"""So long before its boundary an activation is on every shard of a log that grows."""
LIVE = 10 * SECOND
"""A log whose clock is this close to ours is a live one, also where its next event takes a while."""
LOOK = 0.3
"""Seconds to see whether a log with a clock of its own goes on, and how fast."""


class Superseded(LogError):
    """Another activation came first: what was asked for was decided without knowing it."""


def activate(
    log: Log,
    shards: int,
    config: Mapping[str, Any],
    *,
    base: str = "",
    expected: str | None = None,
    rollback: bool = False,
    reason: str = "",
    by: str = "",
    delay: int = DELAY,
    now: Callable[[], int] = wall_clock,
    sole: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> RegistryActivated:
    """Put a feature registry in force from a whole second on that lies ahead of every shard's clock.

    In a log that grows the boundary lies ``delay`` microseconds of its time ahead, in one that rests it is the next
    second, and on an empty log its beginning. An activation that a killed writer left in some shards only is completed
    before.

    Args:
        log: where the events are.
        shards: how many shards they have.
        config: the registry as its file has it, checked before.
        base: the version in force before the first activation of the log.
        expected: the version that the decision rests on: the newest on the log. None: whichever.
        rollback: whether it is a return to an earlier version.
        reason: why.
        by: who decided.
        delay: microseconds.
        now: the wall clock, microseconds UTC.
        sole: held meanwhile, so that two activations never mix: a lease, say, which raises where somebody else has it.

    Raises:
        Superseded: when the newest version on the log is not ``expected``; nothing was written.
        LogError: when the log refuses the event.
    """
    with sole():
        before = complete(log, shards)
        previous = base if before is None else before.version
        if expected is not None and previous != expected:
            raise Superseded(
                f"feature registry {previous or '(that of the settings)'} was activated meanwhile, where {expected} was"
                " expected: look at what it changes, then activate again"
            )
        at, recv = boundary(log, shards, delay, now)
        event = RegistryActivated(
            recv=recv,
            at=at if before is None else max(at, before.at + SECOND),
            version=str(config["version"]),
            config=dict(config),
            sha256=fingerprint(dict(config)),
            previous=previous,
            rollback=rollback,
            reason=reason,
            by=by,
            decision=uuid4().hex,
        )
        for shard in range(shards):
            _write(log, shard, event)
        return event


def complete(log: Log, shards: int) -> RegistryActivated | None:
    """Write the newest activation to those shards that lack it, because its writer was killed; returns it.

    Two shards that disagree would carry two versions for ever. Shards are written in order, so the first one that has
    any has the newest. Call it while nobody else activates.
    """
    found = [newest(log, shard) for shard in range(shards)]
    event = next((_as_written(log, shard, place) for shard, place in enumerate(found) if place is not None), None)
    if event is None:
        return None
    for other, there in enumerate(found):
        if there is None or there.event.decision != event.decision:
            _write(log, other, event)
    return event


def boundary(log: Log, shards: int, delay: int = DELAY, now: Callable[[], int] = wall_clock) -> tuple[int, int]:
    """The second from which on an activation may count, and the time of the log; microseconds UTC."""
    clock = _clock(log, shards)
    if clock == 0:
        return SECOND, FIRST
    if abs(now() - clock) < LIVE:
        return _whole(max(clock, now()) + delay), clock
    begin = time.monotonic()
    time.sleep(LOOK)
    later = _clock(log, shards)
    if later == clock:
        return _whole(clock), clock
    pace = (later - clock) / (time.monotonic() - begin)
    return _whole(later + max(delay, int(pace * delay / SECOND))), later


def _clock(log: Log, shards: int) -> int:
    """The furthest clock of all shards; 0 while there is no event."""
    return max(read_tail(log, shard).clock for shard in range(shards))


def _whole(time: int) -> int:
    """The first whole second that is not before ``time``: the vectors of ``time`` itself are not out yet."""
    return -(-time // SECOND) * SECOND


def _as_written(log: Log, shard: int, place: Placed) -> RegistryActivated:
    """The activation as its writer meant it, where ``events`` still has it."""
    if log.start(EVENTS.name, shard) > place.offset:
        return place.event
    reader = log.reader(EVENTS.name, shard, place.offset)
    try:
        while not (records := reader.poll(1)):
            reader.wait(0.2)
        event = decode_event(records[0].value or b"")
    finally:
        reader.close()
    return event if isinstance(event, RegistryActivated) else place.event


def _write(log: Log, shard: int, event: RegistryActivated) -> None:
    """Append it to one shard; times rise along a log, or it could not be searched by time."""
    at = FIRST if log.end(EVENTS.name, shard) == 0 else max(event.recv, log_time(log, shard))
    log.append(EVENTS.name, shard, [NewRecord(None, encode(event), at)])
