"""A log as it was when less was known."""

from connectors.log import Log, LogError, Reader, Record


class CutLog:
    """Reads ``events`` of one shard up to an offset, and nothing else: what came later is not there.

    It is for what computes features, so it only reads.
    """

    def __init__(self, log: Log, shard: int, stop: int) -> None:
        self.log = log
        self.shard = shard
        self.stop = stop

    def start(self, topic: str, shard: int) -> int:
        """As the log says."""
        return min(self.log.start(topic, shard), self.end(topic, shard))

    def end(self, topic: str, shard: int) -> int:
        """Where the cut is; topics and shards that are not to be seen end at once."""
        if (topic, shard) == ("events", self.shard):
            return min(self.stop, self.log.end(topic, shard))
        return self.log.start(topic, shard)

    def offset_at(self, topic: str, shard: int, timestamp: int) -> int:
        """As the log says, up to the cut."""
        return min(self.log.offset_at(topic, shard, timestamp), self.end(topic, shard))

    def reader(self, topic: str, shard: int, offset: int) -> "CutReader":
        """A reader that sees nothing behind the cut.

        Raises:
            LogError: where that would be all.
        """
        if offset > self.end(topic, shard):
            raise LogError(f"{topic}/{shard}: offset {offset} lies behind the cut at {self.end(topic, shard)}")
        return CutReader(self.log.reader(topic, shard, offset), self.end(topic, shard))


class CutReader:
    """A reader that ends at ``stop``."""

    def __init__(self, reader: Reader, stop: int) -> None:
        self.reader = reader
        self.stop = stop

    @property
    def position(self) -> int:
        """The offset of the next record to ask for."""
        return min(self.reader.position, self.stop)

    def poll(self, limit: int) -> list[Record]:
        """As the reader does."""
        if self.reader.position >= self.stop:
            return []
        return [record for record in self.reader.poll(limit) if record.offset < self.stop]

    def poll_raw(self, limit: int) -> list[tuple[int, bytes | None]]:
        """As the reader does."""
        if self.reader.position >= self.stop:
            return []
        return [message for message in self.reader.poll_raw(limit) if message[0] < self.stop]

    def wait(self, timeout: float) -> bool:
        """Nothing new ever comes."""
        return False

    def close(self) -> None:
        """Let go."""
        self.reader.close()
