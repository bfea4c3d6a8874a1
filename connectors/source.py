"""Bytewax source on the log: one list of raw messages per poll and shard."""

import time
from collections.abc import Callable, Mapping

import structlog
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from connectors.log import Log, LogError, LogUnavailable, Reader

Messages = list[tuple[int, bytes | None]]
"""[(offset, value)]"""
Batch = tuple[str, tuple[int, Messages]]
"""(zero-padded shard as key, (shard, messages))"""


def part_name(shard: int) -> str:
    """Zero-padded, so that the sorted order of names is the order of shards.

    >>> part_name(7)
    '00007'
    """
    return f"{shard:05d}"


class LogSource(FixedPartitionedSource[Batch, int]):
    """Reads a topic, shard by shard.

    Args:
        log: where the topic is.
        topic: its name.
        shards: how many shards it has.
        start: the offset at which a shard begins when there is no recovery state.
        stop: per shard, the offset before which to stop; None follows the log for ever.
        batch: the most messages a poll returns. It changes speed and memory, never results.
    """

    def __init__(
        self,
        log: Log,
        topic: str,
        shards: int,
        start: Callable[[int], int],
        stop: Mapping[int, int] | None = None,
        batch: int = 2_000,
    ) -> None:
        self.log = log
        self.topic = topic
        self.shards = shards
        self.start = start
        self.stop = stop
        self.batch = batch

    def list_parts(self) -> list[str]:
        return [part_name(shard) for shard in range(self.shards)]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_Part":
        shard = int(for_part)
        offset = self.start(shard) if resume_state is None else resume_state
        first = self.log.start(self.topic, shard)
        if offset < first:
            raise LogError(
                f"{self.topic}/{shard}: must resume at offset {offset}, but the log begins at {first}: retention"
                " removed what is needed. Restore it from an archive, or go on without it with --accept-loss."
            )
        if offset > (end := self.log.end(self.topic, shard)):
            raise LogError(
                f"{self.topic}/{shard}: the recovery state goes on at offset {offset}, but the log ends at {end}: the"
                " state belongs to another log. Give it up with `lockstep run --discard-state`."
            )
        stop = None if self.stop is None else self.stop.get(shard, 0)
        return _Part(self.log.reader(self.topic, shard, offset), self.topic, for_part, stop, self.batch)


class _Part(StatefulSourcePartition[Batch, int]):
    def __init__(self, reader: Reader, topic: str, part: str, stop: int | None, batch: int) -> None:
        self.reader = reader
        self.topic = topic
        self.part = part
        self.shard = int(part)
        self.stop = stop
        self.batch = batch
        self.position = reader.position

    def next_batch(self) -> list[Batch]:
        if self.stop is not None and self.position >= self.stop:
            raise StopIteration
        messages = self._poll()
        if not messages:
            return []
        self.position = messages[-1][0] + 1
        if self.stop is not None and self.position > self.stop:
            messages = [message for message in messages if message[0] < self.stop]
        return [(self.part, (self.shard, messages))] if messages else []

    def _poll(self) -> Messages:
        """A log that is away makes the flow wait, not fail: it reads on when the log is back."""
        try:
            return self.reader.poll_raw(self.batch)
        except LogUnavailable as error:
            structlog.get_logger().warning("log.away", topic=self.topic, shard=self.shard, error=str(error))
            time.sleep(0.5)
            return []

    def snapshot(self) -> int:
        return self.position if self.stop is None else min(self.position, self.stop)

    def close(self) -> None:
        self.reader.close()


def stop_at_end(log: Log, topic: str, shards: int) -> dict[int, int]:
    """Where every shard ends now: a ``stop`` for a replay of what is there."""
    return {shard: log.end(topic, shard) for shard in range(shards)}
