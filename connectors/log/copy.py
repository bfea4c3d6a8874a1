"""Copying topics from one home of the log to another.

Offsets begin at 0 in a new topic, so every copied record says in its headers where it stood; the last of them tells a
later run where to go on. A copy that was interrupted, or whose source grew, is continued by running it again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from connectors.log import Log, LogError, NewRecord, Record, TopicInfo, UnknownTopic
from connectors.log.span import last_record, span

SOURCE_OFFSET = "source-offset"
"""Header: the offset in the log copied from, in decimal digits."""

SOURCE_TIMESTAMP = "source-timestamp"
"""Header: the record's timestamp there, microseconds UTC, in decimal digits."""

BATCH = 2_000


@dataclass(frozen=True)
class CopiedShard:
    """What one run did: it copied ``records`` records between the source's offsets ``first`` and, excluded, ``end``."""

    topic: str
    shard: int
    first: int
    end: int
    records: int


def topic_info(log: Log, topic: str) -> TopicInfo:
    """What a topic is.

    Raises:
        UnknownTopic: naming the topics there are.
    """
    topics = {info.name: info for info in log.topics()}
    if topic not in topics:
        raise UnknownTopic(f"there is no topic {topic}; there are: {', '.join(sorted(topics)) or 'none'}")
    return topics[topic]


def copy_topic(source: Log, target: Log, topic: str) -> Iterator[CopiedShard]:
    """Copy a topic shard by shard, creating it where it is missing; yields each shard when it is done.

    Raises:
        LogError: when the target has a topic of that name that is not a copy, or one with other shards.
        LogUnavailable: when either log is away; what arrived is a prefix, and another run goes on behind it.
    """
    info = topic_info(source, topic)
    target.create(topic, info.shards, info.cleanup, info.retention_ms)
    for shard in range(info.shards):
        yield copy_shard(source, target, topic, shard)


def copy_shard(source: Log, target: Log, topic: str, shard: int) -> CopiedShard:
    """Copy what the target's shard does not have yet, up to the source's present end."""
    first, end = next_offset(source, target, topic, shard), source.end(topic, shard)
    if first > end:
        raise LogError(
            f"topic {topic}, shard {shard}: the target was copied up to offset {first}, but the source ends at {end}: "
            "it is not the log the copy came from"
        )
    found = span(source, topic, shard, first, end, BATCH)
    writer, records = target.writer(topic, shard), 0
    try:
        while batch := [_moved(record) for record in islice(found, BATCH)]:
            writer.send(batch)
            records += len(batch)
        writer.flush()
    finally:
        found.close()
        writer.close()
    return CopiedShard(topic, shard, first, end, records)


def next_offset(source: Log, target: Log, topic: str, shard: int) -> int:
    """The offset of the source at which copying starts or goes on."""
    last = last_record(target, topic, shard)
    place = f"topic {topic}, shard {shard}"
    if last is None:
        if target.end(topic, shard) > 0:
            raise LogError(f"{place}: the target has lost what it held, so nobody knows how far it was: use a new log")
        return source.start(topic, shard)
    offset = dict(last.headers).get(SOURCE_OFFSET)
    if offset is None:
        raise LogError(f"{place}: the target's offset {last.offset} is no copy (no {SOURCE_OFFSET}): use a new log")
    return int(offset) + 1


def _moved(record: Record) -> NewRecord:
    kept = [header for header in record.headers if header[0] not in (SOURCE_OFFSET, SOURCE_TIMESTAMP)]
    kept += [(SOURCE_OFFSET, b"%d" % record.offset), (SOURCE_TIMESTAMP, b"%d" % record.timestamp)]
    return NewRecord(record.key, record.value, record.timestamp, tuple(kept))
