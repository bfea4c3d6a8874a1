"""What is on a log: topics, shards, offsets, rates."""

from dataclasses import dataclass

from connectors.log import Cleanup, Log
from connectors.log.span import last_record, span

RECENT = 60_000_000
"""Microseconds of the log's own time over which a rate is taken."""


@dataclass(frozen=True)
class TopicSummary:
    """One topic. ``records`` counts offsets: on a compacted topic some of them are holes. ``bytes`` None: not known."""

    topic: str
    shards: int
    records: int
    bytes: int | None
    cleanup: Cleanup
    retention_ms: int | None


@dataclass(frozen=True)
class ShardSummary:
    """One shard. Times are microseconds UTC, None when it is empty; ``rate`` is records a second in its last minute."""

    shard: int
    start: int
    end: int
    first_timestamp: int | None
    last_timestamp: int | None
    rate: float | None


def summary(log: Log) -> list[TopicSummary]:
    """Every topic of a log."""
    return [
        TopicSummary(
            info.name,
            info.shards,
            sum(log.end(info.name, shard) - log.start(info.name, shard) for shard in range(info.shards)),
            log.size(info.name),
            info.cleanup,
            info.retention_ms,
        )
        for info in log.topics()
    ]


def describe(log: Log, topic: str, shards: int) -> list[ShardSummary]:
    """Every shard of a topic."""
    return [describe_shard(log, topic, shard) for shard in range(shards)]


def describe_shard(log: Log, topic: str, shard: int) -> ShardSummary:
    start, end, last = log.start(topic, shard), log.end(topic, shard), last_record(log, topic, shard)
    if last is None:
        return ShardSummary(shard, start, end, None, None, None)
    first = next(span(log, topic, shard, start, last.offset + 1, limit=1))
    since = max(first.timestamp, last.timestamp - RECENT)
    count = last.offset - log.offset_at(topic, shard, since)
    seconds = (last.timestamp - since) / 1_000_000
    return ShardSummary(
        shard, start, end, first.timestamp, last.timestamp, round(count / seconds, 3) if seconds > 0 else None
    )
