"""Places in the log as a person names them: an offset, a time, the beginning or the end."""

from collections.abc import Callable
from datetime import UTC, datetime

from connectors.log import Log

Place = Callable[[Log, str, int], int]
"""(log, topic, shard) -> offset"""


def parse_place(text: str) -> Place:
    """Read ``beginning``, ``end``, an offset, or an ISO 8601 time (UTC unless it says otherwise).

    >>> parse_place("17")(None, "events", 0)
    17

    Raises:
        ValueError: for anything else.
    """
    if text == "beginning":
        return lambda log, topic, shard: log.start(topic, shard)
    if text == "end":
        return lambda log, topic, shard: log.end(topic, shard)
    if text.isdigit():
        return lambda log, topic, shard: int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no place in the log: say beginning, end, an offset such as 1041, or a time such as"
            " 2026-08-09T21:27:00Z"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    micros = int(moment.timestamp() * 1_000_000)
    return lambda log, topic, shard: log.offset_at(topic, shard, micros)
