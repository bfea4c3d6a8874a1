"""The events of a shard, each with the clock at which it counts."""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.market import AnyMarketEvent


class Told(NamedTuple):
    """An event at its place in the shard; ``clock`` is the greatest ``recv`` up to it, microseconds UTC."""

    offset: int
    clock: int
    event: AnyMarketEvent


def told(events: Iterable[tuple[int, AnyMarketEvent]]) -> list[Told]:
    """The events of a shard, each with the clock at which it counts."""
    clock, found = 0, []
    for offset, event in events:
        clock = max(clock, event.recv)
        found.append(Told(offset, clock, event))
    return found
