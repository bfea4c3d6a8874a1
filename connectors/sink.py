"""Bytewax sink on the log that writes every record exactly once, without trusting anybody.

Bytewax repeats outputs after a crash. An output partition takes records only from the shard of the same number, in
origin order, so the topic itself says what is there already: at start, and after an outage, the sink reads each of its
topics to the real end and drops whatever is not newer than the last origin found.

All topics of a shard go through one partition, the principal topic last: what it holds proves that the others hold
everything up to the same origin, so a rebuild from the principal topic alone loses nothing.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from connectors.fatal import fatal
from connectors.log import Log, LogError, LogUnavailable, NewRecord
from connectors.origins import last_origin
from connectors.patience import patiently
from connectors.source import part_name
from schemas.origin import HEADER
from schemas.output import Output


class Lease(Protocol):
    """The right to write one shard of a topic."""

    def check(self) -> bool:
        """Whether the right was held without a break since the last call. Raises when another writer has it."""
        ...

    def release(self) -> None: ...


Take = Callable[[str, int], Lease]


class Unleased:
    """For a log that nobody else can write to."""

    def __init__(self, topic: str, shard: int) -> None:
        self.name = (topic, shard)

    def check(self) -> bool:
        """There is nobody to lose it to."""
        return True

    def release(self) -> None:
        """Nothing was taken."""


class Counters:
    """What a process wrote, for the metrics; no result depends on it."""

    def __init__(self) -> None:
        self.written: dict[str, int] = {}
        self.suppressed: dict[str, int] = {}

    @staticmethod
    def add(counts: dict[str, int], topic: str, n: int) -> None:
        counts[topic] = counts.get(topic, 0) + n


class LogSink(FixedPartitionedSink[Output, None]):
    """Writes ``(part_name(shard), Output)`` pairs to shard ``shard`` of the topic each output names.

    Args:
        log: where the topics are.
        topics: their names in the order in which they are written; the last is the principal one.
        shards: how many shards each has.
        take: takes the lease on a shard of the principal topic before the first write.
        counters: told how many records were written and how many repeats were dropped.
        prefix: put before each topic's name, for a replay beside the original.
    """

    def __init__(
        self,
        log: Log,
        topics: Sequence[str],
        shards: int,
        take: Take = Unleased,
        counters: Counters | None = None,
        prefix: str = "",
    ) -> None:
        self.log = log
        self.topics = tuple(topics)
        self.shards = shards
        self.take = take
        self.counters = counters or Counters()
        self.prefix = prefix

    def list_parts(self) -> list[str]:
        return [part_name(shard) for shard in range(self.shards)]

    def part_fn(self, item_key: str) -> int:
        return int(item_key)

    @fatal
    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "_Part":
        shard = int(for_part)
        lease = self.take(self.prefix + self.topics[-1], shard)
        streams = {topic: _Stream(self.log, self.prefix + topic, shard, self.counters) for topic in self.topics}
        return _Part(streams, lease)


class _Part(StatefulSinkPartition[Output, None]):
    """One shard of every topic of a flow."""

    def __init__(self, streams: "dict[str, _Stream]", lease: Lease) -> None:
        self.streams = streams
        self.lease = lease
        *self.others, self.principal = streams.values()

    @fatal
    def write_batch(self, values: list[Output]) -> None:
        for value in values:
            self.streams[value.topic].fresh(value)
        for stream in self.others:
            if stream.batch:
                stream.send()
                stream.flush()
        self.principal.send()

    @fatal
    def snapshot(self) -> None:
        """Called at the end of an epoch, which is not closed before its outputs are on the log."""
        if not self.lease.check():
            for stream in self.streams.values():
                stream.look_again()
        self.principal.flush()

    def close(self) -> None:
        self.snapshot()
        for stream in self.streams.values():
            stream.writer.close()
        self.lease.release()


class _Stream:
    """Writes one shard of one topic in origin order, each record once, also across an outage of the log."""

    def __init__(self, log: Log, topic: str, shard: int, counters: Counters) -> None:
        self.log = log
        self.topic = topic
        self.shard = shard
        self.counters = counters
        self.batch: list[Output] = []
        self.unconfirmed: list[Output] = []
        self.last = patiently(lambda: last_origin(log, topic, shard))
        self.writer = patiently(lambda: log.writer(topic, shard))

    def fresh(self, value: Output) -> None:
        """Take a record into the next batch unless the topic has it."""
        if self.last is not None and value.origin <= self.last:
            Counters.add(self.counters.suppressed, self.topic, 1)
            return
        self.last = value.origin
        self.batch.append(value)

    def send(self) -> None:
        """Hand the batch to the log."""
        if not self.batch:
            return
        batch, self.batch = self.batch, []
        self.unconfirmed += batch
        Counters.add(self.counters.written, self.topic, len(batch))
        try:
            self.writer.send([_record(value) for value in batch])
        except LogUnavailable:
            self._recover()

    def flush(self) -> None:
        """Return when everything sent is on the log."""
        try:
            self.writer.flush()
        except LogUnavailable:
            self._recover()
        self.unconfirmed.clear()

    def look_again(self) -> None:
        """Somebody may have written while we could not tell: never go back behind what the topic holds now."""
        self.flush()
        newest = patiently(lambda: last_origin(self.log, self.topic, self.shard))
        if newest is not None and (self.last is None or newest > self.last):
            self.last = newest

    def _recover(self) -> None:
        """Wait until the log is back, find out what it has, and write the rest."""
        patiently(self._write_rest)
        self.unconfirmed.clear()

    def _write_rest(self) -> None:
        with suppress(LogError):
            self.writer.close()  # it only repeats the failure that brought us here
        written = last_origin(self.log, self.topic, self.shard)
        self.writer = self.log.writer(self.topic, self.shard)
        rest = [value for value in self.unconfirmed if written is None or value.origin > written]
        self.writer.send([_record(value) for value in rest])
        self.writer.flush()


def _record(value: Output) -> NewRecord:
    headers = ((HEADER, value.origin.header()),)
    return NewRecord(value.key.encode(), value.value, value.timestamp, headers)
