"""The log: topics, shards, offsets. One interface, two homes.

Semantics are Kafka's: offsets rise within a shard (with holes where a broker or compaction left them), a reader sees a
record only when everything before it is visible, and where the two homes differ, Kafka is right.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

Cleanup = Literal["delete", "compact"]
Headers = Sequence[tuple[str, bytes]]


class NewRecord(NamedTuple):
    """A record to append. ``timestamp`` is in microseconds UTC (Kafka keeps its milliseconds); ``value`` None deletes a
    key on a compacted topic."""

    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: Headers = ()


class Record(NamedTuple):
    """A record as read."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: Headers


class TopicInfo(NamedTuple):
    """What a topic is."""

    name: str
    shards: int
    cleanup: Cleanup


class LogError(Exception):
    """The log could not do what was asked; the message says what to do."""


class UnknownTopic(LogError):
    """The topic does not exist."""


class OffsetTrimmed(LogError):
    """The asked offset is no longer in the log (retention or trim took it)."""


class LogUnavailable(LogError):
    """The log cannot be reached now; trying again may help."""


class Reader(Protocol):
    """Reads one shard forward."""

    position: int
    """The offset of the next record to ask for."""

    def poll(self, limit: int) -> list[Record]:
        """Up to ``limit`` records from ``position`` on, at once: an empty list where there is nothing new.

        Raises:
            OffsetTrimmed: when ``position`` lies before the start of the shard.
            LogUnavailable: when the log cannot be reached.
        """
        ...

    def poll_raw(self, limit: int) -> list[tuple[int, bytes | None]]:
        """As ``poll``, but only ``(offset, value)``: what the engine needs, as fast as the home can give it."""
        ...

    def wait(self, timeout: float) -> bool:
        """Sleep until something new may be there (true) or ``timeout`` seconds passed (false). Does not spin."""
        ...

    def close(self) -> None: ...


class Log(Protocol):
    """The six verbs."""

    def create(
        self, topic: str, shards: int, cleanup: Cleanup = "delete", retention_ms: int | None = None
    ) -> None:
        """Create a topic, or check that the existing one has as many shards.

        Raises:
            LogError: when it exists with another number of shards.
        """
        ...

    def append(self, topic: str, shard: int, records: Sequence[NewRecord]) -> int:
        """Append in order, durably; returns the offset of the last record. All or a prefix is written, never a hole."""
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
        """The first offset whose timestamp is at or after ``timestamp`` (microseconds UTC); ``end`` if there is none."""
        ...

    def trim(self, topic: str, shard: int, before: int) -> None:
        """Drop everything before the offset ``before``."""
        ...

    def topics(self) -> list[TopicInfo]:
        """What is there."""
        ...

    def close(self) -> None: ...
