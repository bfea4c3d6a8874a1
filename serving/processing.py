"""How much was processed lately, counted by offsets: no record is read but the newest."""

from collections.abc import Mapping
from typing import NamedTuple

from connectors.log import Log
from connectors.log.span import last_record
from schemas.topics import EVENTS, FEATURES

HOUR = 3_600_000_000
DAY = 24 * HOUR
Ends = Mapping[tuple[str, int], int]
"""Where each shard of each topic ends."""


class Processed(NamedTuple):
    """Records of an hour, of a day, and all that there ever were."""

    hour: int
    day: int
    total: int


def computed(log: Log, ends: Ends, now: int) -> Processed:
    """Vectors on ``features``. ``now`` in microseconds UTC.

    Raises:
        LogError: when the log cannot be asked.
    """
    return _counted(log, FEATURES.name, _of(ends, FEATURES.name), now)


def processed(log: Log, ends: Ends, origins: Mapping[int, int], now: int) -> Processed:
    """Events that a flow has read: up to the one that caused the newest vector of its shard (``origins``).

    Raises:
        LogError: when the log cannot be asked.
    """
    read = {shard: min(end, origins.get(shard, -1) + 1) for shard, end in _of(ends, EVENTS.name).items()}
    return _counted(log, EVENTS.name, read, now)


def newest(log: Log, ends: Ends) -> int | None:
    """The time of the newest event, in microseconds UTC; None where there is none.

    Raises:
        LogError: when the log cannot be asked.
    """
    found = [last_record(log, EVENTS.name, shard) for shard in _of(ends, EVENTS.name)]
    return max((record.timestamp for record in found if record), default=None)


def _of(ends: Ends, topic: str) -> dict[int, int]:
    return {shard: end for (name, shard), end in ends.items() if name == topic}


def _counted(log: Log, topic: str, ends: Mapping[int, int], now: int) -> Processed:
    hour, day = (
        sum(max(0, end - log.offset_at(topic, shard, now - before)) for shard, end in ends.items())
        for before in (HOUR, DAY)
    )
    return Processed(hour, day, sum(ends.values()))
