"""Which control events stand on a shard, and which of them are in force at an offset."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from connectors.log import Log
from schemas.account import AccountConfigured
from schemas.codec import UNREADABLE, decode_event
from schemas.events import Control
from schemas.model import ModelShadowed
from schemas.registry import RegistryActivated
from schemas.strategy import StrategyConfigured

MARKS = (
    b'"account.configured"', b'"strategy.configured"', b'"model.activated"', b'"model.shadowed"',
    b'"registry.activated"',
)  # fmt: skip
"""What the bytes of control events hold; a market event may hold it too, as a text."""
BATCH = 5_000


class Placed(NamedTuple):
    """A control event and where it stands."""

    offset: int
    event: Control


def controls(log: Log, shard: int, stop: int) -> Iterator[Placed]:
    """The control events of a shard before offset ``stop``, in order.

    Everything is read, as nobody keeps an index of them; it takes a small part of the time of a replay.
    """
    reader = log.reader("events", shard, log.start("events", shard))
    try:
        while reader.position < stop:
            messages = reader.poll_raw(BATCH)
            for offset, value in messages:
                if value and offset < stop and any(mark in value for mark in MARKS):
                    yield from _placed(offset, value)
            if not messages:
                reader.wait(0.2)
    finally:
        reader.close()


def in_force(placed: Iterable[Placed], offset: int) -> list[Control]:
    """What still counts at ``offset`` of what stands before it: the newest per account, strategy, model, registry."""
    found: dict[tuple[str, ...], Control] = {}
    for at, event in placed:
        if at < offset:
            key = _key(event)
            found.pop(key, None)
            found[key] = event
    return list(found.values())


def _placed(offset: int, value: bytes) -> Iterator[Placed]:
    try:
        event = decode_event(value)
    except UNREADABLE:
        return
    if isinstance(event, Control):
        yield Placed(offset, event)


def _key(event: Control) -> tuple[str, ...]:
    if isinstance(event, AccountConfigured):
        return ("account", event.kind)
    if isinstance(event, StrategyConfigured):
        return ("strategy", event.settings.strategy)
    if isinstance(event, ModelShadowed):
        return ("shadow", event.strategy, event.symbol or "", event.version)
    if isinstance(event, RegistryActivated):
        return ("registry",)
    return ("model", event.strategy, event.symbol or "")
