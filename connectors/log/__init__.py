"""The log: topics, shards, offsets. One interface, two homes.

Semantics are Kafka's: offsets rise within a shard (with holes where a broker or compaction left them), a reader sees a
record only when everything before it is visible, and where the two homes differ, Kafka is right.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

Cleanup = Literal["delete", "compact"]
Headers = Sequence[tuple[str, bytes]]


class NewRecord(NamedTuple):
    """A record to append.

    ``timestamp`` is in microseconds UTC and kept to the millisecond (rounded down; the first millisecond of 1970 counts
    as the second, because Kafka takes zero for "now"). ``value`` None deletes a key on a compacted topic.
    """

    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: Headers = ()


class Record(NamedTuple):
    """A record as read; ``timestamp`` in microseconds UTC, whole milliseconds."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: Headers


class TopicInfo(NamedTuple):
    """What a topic is; ``retention_ms`` None keeps records for ever."""

    name: str
    shards: int
    cleanup: Cleanup
    retention_ms: int | None = None


class LogError(Exception):
    """The log could not do what was asked; the message says what to do."""


class UnknownTopic(LogError):
    """The topic does not exist."""


class OffsetTrimmed(LogError):
    """The asked offset is no longer in the log (retention or trim took it)."""


class OffsetBeyondEnd(LogError):
    """The asked offset lies after the end: the log lost records, or it is not the log the offset came from."""


class LogUnavailable(LogError):
    """The log cannot be reached now; trying again may help."""


class Reader(Protocol):
    """Reads one shard forward. One thread at a time."""

    position: int
    """The offset of the next record to ask for."""

    def poll(self, limit: int) -> list[Record]:
        """Up to ``limit`` records from ``position`` on, at once: an empty list where there is nothing new.

        A broker that is away looks like a log with nothing new: the reader reconnects by itself and goes on where it
        was.

        Raises:
            OffsetTrimmed: when ``position`` lies before the start of the shard.
            OffsetBeyondEnd: when ``position`` lies after the end of the shard.
            LogUnavailable: when the file behind an embedded log cannot be read now.
            LogError: when the broker refuses for good, for want of access for instance.
        """
        ...

    def poll_raw(self, limit: int) -> list[tuple[int, bytes | None]]:
        """As ``poll``, but only ``(offset, value)``: what the engine needs, as fast as the home can give it."""
        ...

    def wait(self, timeout: float) -> bool:
        """Sleep until something new may be there (true) or ``timeout`` seconds passed (false). Does not spin."""
        ...

    def close(self) -> None: ...


class Writer(Protocol):
    """Appends to one shard without waiting for each record; what it sent is visible after some milliseconds.

    Order is kept. After the first failure nothing that was sent later is written, and every further call raises an
    error: make a new writer, look how far the shard got, and go on from there. One thread at a time.
    """

    def send(self, records: Sequence[NewRecord]) -> None:
        """Take the records over; returns before they are durable.

        Raises:
            LogError: when these records are not acceptable, or anything sent before could not be written.
            LogUnavailable: when the log has been away for too long.
        """
        ...

    def flush(self) -> None:
        """Return when everything sent is on the log.

        Raises:
            LogError, LogUnavailable: when anything sent could not be written; what was written is a prefix.
        """
        ...

    def close(self) -> None:
        """Flush, and let go."""
        ...


class Log(Protocol):
    """The six verbs."""

    def create(self, topic: str, shards: int, cleanup: Cleanup = "delete", retention_ms: int | None = None) -> None:
        """Create a topic, or check that the existing one has as many shards.

        Raises:
            LogError: when it exists with another number of shards.
        """
        ...

    def append(self, topic: str, shard: int, records: Sequence[NewRecord]) -> int:
        """Append in order; returns the offset of the last record (``end - 1`` for no records) when they are on the log.

        All or a prefix is written, never a hole.

        Raises:
            UnknownTopic: when the topic does not exist.
            LogError: when a record is not acceptable (too large, no key on a compacted topic); none is written.
            LogUnavailable: when the log is away; a prefix may have been written.
        """
        ...

    def writer(self, topic: str, shard: int) -> Writer:
        """A buffered writer for one shard."""
        ...

    def reader(self, topic: str, shard: int, offset: int) -> Reader:
        """A reader that starts at ``offset``."""
        ...

    def start(self, topic: str, shard: int) -> int:
        """The first offset that is still there (equal to ``end`` when the shard is empty)."""
        ...

    def end(self, topic: str, shard: int) -> int:
        """The offset that the next record will get."""
        ...

    def offset_at(self, topic: str, shard: int, timestamp: int) -> int:
        """The first offset whose timestamp is at or after ``timestamp`` (microseconds UTC); ``end`` if there is none.

        Both are rounded down to milliseconds first, so the answer may be a millisecond early and is never late.
        """
        ...

    def trim(self, topic: str, shard: int, before: int) -> None:
        """Drop everything before the offset ``before``.

        Raises:
            LogError: when ``before`` lies after the end, or the topic is compacted (Kafka trims no such topic).
        """
        ...

    def maintain(self, topic: str) -> None:
        """Apply retention and compaction now, where the home leaves that to its users; brokers do it by themselves."""
        ...

    def size(self, topic: str) -> int | None:
        """Bytes on disk, or None where the home does not tell."""
        ...

    def topics(self) -> list[TopicInfo]:
        """What is there."""
        ...

    def close(self) -> None: ...


def open_log(kafka_bootstrap: str | None, root: Path, kafka_settings: Mapping[str, str] | None = None) -> Log:
    """The log at a Kafka address (``host:port,...``), or, without one, the embedded log in the folder ``root``.

    ``kafka_settings`` are librdkafka's own (``security.protocol``, ``sasl.username`` ...) and go through untouched.
    """
    if kafka_bootstrap:
        from connectors.log.kafka import KafkaLog

        return KafkaLog(kafka_bootstrap, kafka_settings or {})
    from connectors.log.sqlite import SqliteLog

    return SqliteLog(root)
