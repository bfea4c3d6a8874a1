"""Which activations of feature registries stand on a shard of ``events``."""

from collections.abc import Iterator
from typing import NamedTuple

from connectors.log import Log
from connectors.log.span import raw_span, span
from connectors.origins import last_origin
from schemas.codec import UNREADABLE, decode_event, decode_registry_change
from schemas.registry import RegistryActivated, RegistryChange
from schemas.topics import EVENTS, FEATURES, REGISTRIES

MARK = b'"registry.activated"'
"""What the bytes of an activation hold; another event may hold it too, as a text."""


class Placed(NamedTuple):
    """An activation, and its offset on ``events``."""

    offset: int
    event: RegistryActivated


def standing(log: Log, shard: int, stop: int, prefix: str = "") -> list[Placed]:
    """The activations before offset ``stop`` of a shard, in order, also those that retention took from ``events``.

    As far as a flow has come, its records on ``registries`` name them; only what lies behind is searched. ``prefix`` is
    that of the flow's topics. A log whose topics were copied needs ``registries`` beside ``features``.
    """
    covered = _covered(log, shard, prefix)
    found = [place for place in _told(log, shard, prefix) if place.offset <= covered and place.offset < stop]
    return found + list(searched(log, shard, covered + 1, stop))


def newest(log: Log, shard: int, prefix: str = "") -> Placed | None:
    """The activation that was written to a shard last; it may not have come into force yet."""
    found = standing(log, shard, log.end(EVENTS.name, shard), prefix)
    return found[-1] if found else None


def searched(log: Log, shard: int, first: int, stop: int) -> Iterator[Placed]:
    """The activations among the events [first, stop) of a shard, found by reading all of them."""
    for batch in raw_span(log, EVENTS.name, shard, max(first, log.start(EVENTS.name, shard)), stop, 5_000):
        for offset, value in batch:
            if value and MARK in value and (event := _decoded(value)) is not None:
                yield Placed(offset, event)


def _covered(log: Log, shard: int, prefix: str) -> int:
    """The offset up to which a flow has told of every activation; -1 where none has."""
    topics = {topic.name for topic in log.topics()}
    if not {prefix + FEATURES.name, prefix + REGISTRIES.name} <= topics:
        return -1
    origin = last_origin(log, prefix + FEATURES.name, shard)
    return -1 if origin is None else origin.offset


def _told(log: Log, shard: int, prefix: str) -> Iterator[Placed]:
    """What a flow made of the activations that it read."""
    topic = prefix + REGISTRIES.name
    if topic not in {found.name for found in log.topics()}:
        return
    for record in span(log, topic, shard, log.start(topic, shard), log.end(topic, shard)):
        try:
            change = decode_registry_change(record.value or b"")
        except UNREADABLE:
            continue
        yield Placed(change.origin.offset, _as_activation(change))


def _as_activation(change: RegistryChange) -> RegistryActivated:
    """The activation that a change came of; a late one as of when it came into force."""
    return RegistryActivated(
        recv=max(change.ts, 1),
        at=max(change.at, 1),
        version=change.version,
        config=change.config,
        sha256=change.sha256,
        previous=change.before,
        rollback=change.rollback,
        reason=change.reason,
        by=change.by,
        decision=change.decision,
    )


def _decoded(value: bytes) -> RegistryActivated | None:
    try:
        event = decode_event(value)
    except UNREADABLE:
        return None
    return event if isinstance(event, RegistryActivated) else None
