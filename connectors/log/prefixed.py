"""A log of which only the topics with one prefix are seen: several installations on one cluster."""

from collections.abc import Sequence

from connectors.log import Cleanup, Log, NewRecord, Reader, TopicInfo, Writer
from connectors.log.address import Address, address_of


class PrefixedLog:
    """``log`` with ``prefix`` put before every topic's name, and taken off again in what it lists."""

    def __init__(self, log: Log, prefix: str) -> None:
        self.log = log
        self.prefix = prefix

    def create(self, topic: str, shards: int, cleanup: Cleanup = "delete", retention_ms: int | None = None) -> None:
        self.log.create(self.prefix + topic, shards, cleanup, retention_ms)

    def append(self, topic: str, shard: int, records: Sequence[NewRecord]) -> int:
        return self.log.append(self.prefix + topic, shard, records)

    def writer(self, topic: str, shard: int) -> Writer:
        return self.log.writer(self.prefix + topic, shard)

    def reader(self, topic: str, shard: int, offset: int) -> Reader:
        return self.log.reader(self.prefix + topic, shard, offset)

    def start(self, topic: str, shard: int) -> int:
        return self.log.start(self.prefix + topic, shard)

    def end(self, topic: str, shard: int) -> int:
        return self.log.end(self.prefix + topic, shard)

    def offset_at(self, topic: str, shard: int, timestamp: int) -> int:
        return self.log.offset_at(self.prefix + topic, shard, timestamp)

    def trim(self, topic: str, shard: int, before: int) -> None:
        self.log.trim(self.prefix + topic, shard, before)

    def maintain(self, topic: str) -> None:
        self.log.maintain(self.prefix + topic)

    def size(self, topic: str) -> int | None:
        return self.log.size(self.prefix + topic)

    def topics(self) -> list[TopicInfo]:
        ours = [info for info in self.log.topics() if info.name.startswith(self.prefix)]
        return [info._replace(name=info.name.removeprefix(self.prefix)) for info in ours]

    def address(self) -> Address | None:
        """Where another process finds it; None where the log below has no address."""
        below = address_of(self.log)
        return None if below is None else {"home": "prefixed", "prefix": self.prefix, "log": below}

    def close(self) -> None:
        self.log.close()
