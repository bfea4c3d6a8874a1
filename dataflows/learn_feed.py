"""What the governor follows: the topics of one log, read to their present end as often as it is asked to."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import structlog

from connectors.log import Log, OffsetTrimmed, Reader
from learning.governor.governor import Governor
from schemas.codec import (
    UNREADABLE,
    decode_account,
    decode_command,
    decode_event,
    decode_learning,
    decode_prediction,
    decode_quality,
)
from schemas.prediction import Outcome
from schemas.topics import ACCOUNT, COMMANDS, EVENTS, FEATURES, LEARNING, PREDICTIONS, QUALITY

BATCH = 5_000
SILENCE = 30.0
"""Seconds that a record which is known to be there may take."""
DAY = 86_400_000_000
LOOKBACK = 7 * DAY
"""Microseconds of predictions and executions that are read again after a restart; more where a candidate has longer."""
TICK = b'{"type":"tick"'
CONTROL = (b'{"type":"strategy.', b'{"type":"model.')
WANTED: dict[str, tuple[bytes, ...]] = {
    PREDICTIONS.name: (b'{"type":"outcome"',),
    ACCOUNT.name: (b'{"type":"execution"',),
    QUALITY.name: (b'{"type":"quality"',),
    COMMANDS.name: (b'{"type":"train"',),
    LEARNING.name: (b'{"type":"training.done"', b'{"type":"model.alert"'),
}
"""How the records of each topic begin that matter: the others are not even decoded."""
DECODERS: dict[str, Callable[[bytes], Any]] = {
    PREDICTIONS.name: decode_prediction,
    ACCOUNT.name: decode_account,
    QUALITY.name: decode_quality,
    COMMANDS.name: decode_command,
    LEARNING.name: decode_learning,
}


class Read(NamedTuple):
    """One record that matters."""

    shard: int
    offset: int
    record: Any


class Feed:
    """Reads the log into a governor, topic by topic: what a later one means depends on the earlier ones. Answers come
    before what they answer, so that nothing is waited for that is over.

    ``events``, ``commands`` and ``learning`` are read from their beginning, with hardly a look at market data; of the
    others only what still counts: predictions and executions of the last days, rows since the last training.
    """

    def __init__(self, log: Log, shards: int, governor: Governor) -> None:
        self.log = log
        self.shards = shards
        self.governor = governor
        self._readers: dict[tuple[str, int], Reader] = {}

    def follow(self) -> None:
        """Read everything up to where the log ends now."""
        self.events()
        for topic in (LEARNING.name, COMMANDS.name, QUALITY.name, ACCOUNT.name):
            for read in self._records(topic):
                self.governor.feed(read.record, read.shard, f"{read.shard}/{read.offset}")
        outcomes = [read.record for read in self._records(PREDICTIONS.name) if isinstance(read.record, Outcome)]
        for outcome in sorted(outcomes, key=lambda one: (one.matured, one.symbol)):
            self.governor.feed(outcome)
        self._rows()

    def events(self) -> None:
        """Read strategies and model events, and the log's time."""
        for shard in range(self.shards):
            tick = b""
            for offset, value in self._new(EVENTS.name, shard):
                if value.startswith(TICK):
                    tick = value
                elif value.startswith(CONTROL) and (event := _decoded(decode_event, EVENTS.name, shard, offset, value)):
                    self.governor.feed(event, shard)
            if tick and (event := _decoded(decode_event, EVENTS.name, shard, -1, tick)):
                self.governor.tick(event.recv)

    def wait(self, seconds: float) -> None:
        """Until something may be there."""
        self._reader(EVENTS.name, 0).wait(seconds)

    def close(self) -> None:
        """Let go of the log's readers."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _records(self, topic: str) -> Iterator[Read]:
        wanted, decode = WANTED[topic], DECODERS[topic]
        for shard in range(self.shards):
            for offset, value in self._new(topic, shard):
                if value.startswith(wanted) and (record := _decoded(decode, topic, shard, offset, value)):
                    yield Read(shard, offset, record)

    def _rows(self) -> None:
        """Vectors are counted by key and time alone; only strategies that train count them."""
        strategies = self.governor.force.strategies.values()
        if not any(settings.learning.training.enabled for settings in strategies):
            return
        for shard in range(self.shards):
            end = self.log.end(FEATURES.name, shard)
            reader = self._reader(FEATURES.name, shard)
            while reader.position < end and (records := reader.poll(BATCH)):
                for record in records:
                    if record.key and b'"tainted":false' in (record.value or b""):
                        self.governor.row(record.key.decode(errors="replace"), record.timestamp)

    def _new(self, topic: str, shard: int) -> Iterator[tuple[int, bytes]]:
        """What a shard holds that was not read yet, up to its present end."""
        end = self.log.end(topic, shard)
        reader = self._reader(topic, shard)
        while reader.position < end:
            try:
                messages = reader.poll_raw(BATCH)
            except OffsetTrimmed as error:
                structlog.get_logger().warning("learn.trimmed", topic=topic, shard=shard, problem=str(error))
                self._readers.pop((topic, shard)).close()
                reader = self._reader(topic, shard)
                continue
            yield from ((offset, value) for offset, value in messages if value)
            if not messages and reader.position < end and not reader.wait(SILENCE):
                return

    def _reader(self, topic: str, shard: int) -> Reader:
        if (topic, shard) not in self._readers:
            self._readers[topic, shard] = self.log.reader(topic, shard, self._begin(topic, shard))
        return self._readers[topic, shard]

    def _begin(self, topic: str, shard: int) -> int:
        start = self.log.start(topic, shard)
        if topic in (PREDICTIONS.name, ACCOUNT.name):
            return max(start, self.log.offset_at(topic, shard, max(1, self.governor.clock - self._lookback())))
        if topic == FEATURES.name:
            return max(start, self.log.offset_at(topic, shard, max(1, self._first_row())))
        return start

    def _lookback(self) -> int:
        force = self.governor.force
        patience = [one.learning.promotion.patience_minutes for one in force.strategies.values()]
        longest = max((int(minutes * 60_000_000) * 2 for minutes in patience), default=0)
        return max(LOOKBACK, longest)

    def _first_row(self) -> int:
        """The rows of strategies that were trained before count from there; without any training all of them do."""
        begun = [
            self.governor.triggers(name).begun or 0
            for name, settings in self.governor.force.strategies.items()
            if settings.learning.training.enabled
        ]
        return min(begun, default=0)


def _decoded(decode: Callable[[bytes], Any], topic: str, shard: int, offset: int, value: bytes) -> Any:
    try:
        return decode(value)
    except UNREADABLE as error:
        structlog.get_logger().warning("learn.unreadable", topic=topic, shard=shard, offset=offset, problem=str(error))
        return None
