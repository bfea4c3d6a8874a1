"""A log in memory that can be away, and can fail half way through an append."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from connectors.log import LogUnavailable, NewRecord, TopicInfo, UnknownTopic


class MemoryLog:
    """As much of ``Log`` as a collector uses.

    ``fate(topic, shard, records)`` says how many of the records are written before the log fails; None: all, no
    failure. ``away`` makes everything fail at once.
    """

    def __init__(self) -> None:
        self.shards: dict[str, int] = {}
        self.records: defaultdict[tuple[str, int], list[NewRecord]] = defaultdict(list)
        self.away = False
        self.fate: Callable[[str, int, Sequence[NewRecord]], int | None] = lambda topic, shard, records: None
        self.failures = 0
        self.lock = threading.Lock()

    def _there(self, topic: str) -> None:
        if self.away:
            self.failures += 1
            raise LogUnavailable("the log in memory is away")
        if topic not in self.shards:
            raise UnknownTopic(topic)

    def create(self, topic: str, shards: int, cleanup: str = "delete", retention_ms: int | None = None) -> None:
        self.shards.setdefault(topic, shards)
        self._there(topic)

    def append(self, topic: str, shard: int, records: Sequence[NewRecord]) -> int:
        with self.lock:
            self._there(topic)
            written = self.fate(topic, shard, records)
            self.records[topic, shard] += records if written is None else records[:written]
            if written is not None:
                self.failures += 1
                raise LogUnavailable(f"the log in memory failed after {written} of {len(records)} records")
            return len(self.records[topic, shard]) - 1

    def writer(self, topic: str, shard: int) -> "MemoryWriter":
        self._there(topic)
        return MemoryWriter(self, topic, shard)

    def reader(self, topic: str, shard: int, offset: int) -> "MemoryReader":
        self._there(topic)
        return MemoryReader(self, topic, shard, offset)

    def start(self, topic: str, shard: int) -> int:
        self._there(topic)
        return 0

    def end(self, topic: str, shard: int) -> int:
        self._there(topic)
        return len(self.records[topic, shard])

    def topics(self) -> list[TopicInfo]:
        return [TopicInfo(name, shards, "delete") for name, shards in self.shards.items()]

    def close(self) -> None:
        pass


class MemoryWriter:
    """Writes when it is flushed, as a buffered writer may."""

    def __init__(self, log: MemoryLog, topic: str, shard: int) -> None:
        self.log, self.topic, self.shard = log, topic, shard
        self.waiting: list[NewRecord] = []
        self.failure: LogUnavailable | None = None

    def send(self, records: Sequence[NewRecord]) -> None:
        if self.failure:
            raise self.failure
        self.waiting += records

    def flush(self) -> None:
        if self.failure:
            raise self.failure
        waiting, self.waiting = self.waiting, []
        try:
            if waiting:
                self.log.append(self.topic, self.shard, waiting)
        except LogUnavailable as error:
            self.failure = error
            raise

    def close(self) -> None:
        self.flush()


class MemoryReader:
    """Reads one shard forward."""

    def __init__(self, log: MemoryLog, topic: str, shard: int, offset: int) -> None:
        self.log, self.topic, self.shard, self.position = log, topic, shard, offset

    def poll_raw(self, limit: int) -> list[tuple[int, bytes | None]]:
        self.log._there(self.topic)
        found = self.log.records[self.topic, self.shard][self.position : self.position + limit]
        first, self.position = self.position, self.position + len(found)
        return [(first + index, record.value) for index, record in enumerate(found)]

    def wait(self, timeout: float) -> bool:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if len(self.log.records[self.topic, self.shard]) > self.position:
                return True
            time.sleep(0.001)
        return False

    def close(self) -> None:
        pass
