"""Bytewax source on the log: one list of raw messages per poll and shard."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple
from zlib import crc32

import structlog
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from connectors.fatal import fatal
from connectors.log import Log, LogError, LogUnavailable, Reader
from connectors.log.span import span
from connectors.patience import patiently

Messages = list[tuple[int, bytes | None]]
"""[(offset, value)]"""


class Chunk(NamedTuple):
    """Messages of one shard. ``after`` is the offset of the one before them; None: nothing was passed on before."""

    shard: int
    after: int | None
    messages: Messages


Batch = tuple[str, Chunk]
"""(zero-padded shard as key, chunk)"""
State = tuple[int, tuple[int, int] | None]
"""(offset to go on at, (offset, checksum) of the last message that was passed on)"""


class ResumeTrimmed(LogError):
    """Retention took the events that the recovery state goes on with."""


def part_name(shard: int) -> str:
    """Zero-padded, so that the sorted order of names is the order of shards.

    >>> part_name(7)
    '00007'
    """
    return f"{shard:05d}"


class LogSource(FixedPartitionedSource[Batch, State]):
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

    @fatal
    def build_part(self, step_id: str, for_part: str, resume_state: State | None) -> "_Part":
        shard = int(for_part)
        offset, last = (self.start(shard), None) if resume_state is None else resume_state
        patiently(lambda: self._check(shard, offset, last))
        stop = None if self.stop is None else self.stop.get(shard, 0)
        reader = patiently(lambda: self.log.reader(self.topic, shard, offset))
        return _Part(reader, self.topic, shard, stop, self.batch, last)

    def _check(self, shard: int, offset: int, last: tuple[int, int] | None) -> None:
        """Is the log still the one that ``offset`` is from, and does it still hold it?"""
        first, end = self.log.start(self.topic, shard), self.log.end(self.topic, shard)
        if offset < first:
            raise ResumeTrimmed(
                f"{self.topic}/{shard}: must resume at offset {offset}, but the log begins at {first}: retention"
                " removed what is needed. Restore it from an archive, or go on without it with --accept-loss."
            )
        if offset > end:
            raise LogError(
                f"{self.topic}/{shard}: the recovery state goes on at offset {offset}, but the log ends at {end}: the"
                " state belongs to another log. Give it up with `lockstep run --discard-state`."
            )
        if last is not None and last[0] >= first and not self._holds(shard, *last):
            raise LogError(
                f"{self.topic}/{shard}: offset {last[0]} does not hold the message that the recovery state ends with:"
                " the state belongs to another log. Give it up with `lockstep run --discard-state`."
            )

    def _holds(self, shard: int, offset: int, checksum: int) -> bool:
        found = span(self.log, self.topic, shard, offset, offset + 1)
        return [crc32(record.value or b"") for record in found] == [checksum]


class _Part(StatefulSourcePartition[Batch, State]):
    """One shard; ``last`` is where and what the message before ``reader.position`` was, if there was one."""

    def __init__(
        self, reader: Reader, topic: str, shard: int, stop: int | None, batch: int, last: tuple[int, int] | None
    ) -> None:
        self.reader = reader
        self.topic = topic
        self.shard = shard
        self.stop = stop
        self.batch = batch
        self.position = reader.position
        self.resumed = last
        self.last: tuple[int, bytes | None] | None = None

    @fatal
    def next_batch(self) -> list[Batch]:
        if self.stop is not None and self.position >= self.stop:
            raise StopIteration
        messages = self._poll()
        self.position = self.reader.position
        if self.stop is not None and self.position > self.stop:
            messages = [message for message in messages if message[0] < self.stop]
        if not messages:
            return []
        before = self.last or self.resumed
        self.last = messages[-1]
        return [(part_name(self.shard), Chunk(self.shard, before and before[0], messages))]

    def _poll(self) -> Messages:
        """A log that is away makes the flow wait, not fail: it reads on when the log is back."""
        try:
            return self.reader.poll_raw(self.batch)
        except LogUnavailable as error:
            structlog.get_logger().warning("log.away", topic=self.topic, shard=self.shard, error=str(error))
            time.sleep(0.5)
            return []

    def snapshot(self) -> State:
        position = self.position if self.stop is None else min(self.position, self.stop)
        if self.last is None:
            return position, self.resumed
        offset, value = self.last
        return position, (offset, crc32(value or b""))

    def close(self) -> None:
        self.reader.close()


def stop_at_end(log: Log, topic: str, shards: int) -> dict[int, int]:
    """Where every shard ends now: a ``stop`` for a replay of what is there."""
    return {shard: log.end(topic, shard) for shard in range(shards)}
