"""A range of a shard, and its newest record."""

from collections.abc import Callable, Generator
from typing import Any

from connectors.log import Log, LogUnavailable, Reader, Record

SILENCE = 30.0
"""Seconds without the next record of a range that is known to be there."""


def span(log: Log, topic: str, shard: int, start: int, stop: int, limit: int = 2_000) -> Generator[Record, None, None]:
    """The records from offset ``start`` on and before ``stop``, where ``stop`` is at most the end.

    Raises:
        LogUnavailable: when the log falls silent half way.
    """
    for batch in _batches(log, topic, shard, start, stop, lambda reader: reader.poll(limit)):
        yield from (record for record in batch if record.offset < stop)


def raw_span(
    log: Log, topic: str, shard: int, start: int, stop: int, limit: int = 2_000
) -> Generator[list[tuple[int, bytes | None]], None, None]:
    """As ``span``, but batches of ``(offset, value)``: what an engine needs, as fast as the home can give it.

    Raises:
        LogUnavailable: when the log falls silent half way.
    """
    for batch in _batches(log, topic, shard, start, stop, lambda reader: reader.poll_raw(limit)):
        wanted = batch if batch[-1][0] < stop else [message for message in batch if message[0] < stop]
        if wanted:
            yield wanted


def _batches(
    log: Log, topic: str, shard: int, start: int, stop: int, poll: Callable[[Reader], list[Any]]
) -> Generator[list[Any], None, None]:
    """What a reader gives until it is at ``stop``; the last batch may reach beyond it."""
    if start >= stop:
        return
    reader = log.reader(topic, shard, start)
    try:
        while reader.position < stop:
            if batch := poll(reader):
                yield batch
            elif reader.position < stop and not reader.wait(SILENCE):
                place = f"topic {topic}, shard {shard}: offset {reader.position} of {stop}"
                raise LogUnavailable(f"{place} did not come within {SILENCE:g} s: is the broker running?")
    finally:
        reader.close()


def last_record(log: Log, topic: str, shard: int) -> Record | None:
    """The newest record of a shard; looks further back by and by, because compaction leaves holes. None when empty."""
    start, upper, step = log.start(topic, shard), log.end(topic, shard), 1
    while upper > start:
        lower = max(start, upper - step)
        if found := list(span(log, topic, shard, lower, upper)):
            return found[-1]
        upper, step = lower, step * 16
    return None
