"""Reading one shard of a Kafka topic forward: an assigned partition, never a consumer group."""

import time
from collections.abc import Mapping
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from connectors.log import LogError, LogUnavailable, OffsetBeyondEnd, OffsetTrimmed, Record
from connectors.log.kafka_errors import LOGGER, REFUSED, explain

DEFAULTS: dict[str, Any] = {
    "group.id": "lockstep",  # librdkafka wants a name even where nobody joins the group
    "fetch.queue.backoff.ms": 2,
    "fetch.error.backoff.ms": 50,
    "fetch.wait.max.ms": 100,
    "fetch.message.max.bytes": 4_000_000,
    "queued.min.messages": 100_000,
    "queued.max.messages.kbytes": 32_768,
    "check.crcs": False,
}
FIXED: dict[str, Any] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
    "allow.auto.create.topics": False,
}
NOT_THERE = frozenset({KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET})
AT_THE_END = KafkaError._PARTITION_EOF
SILENCE = 10.0
"""Seconds without a record after which a reader makes sure of its client."""
ANSWER = 1.0
"""Seconds within which the client must then say where the shard ends."""


def consumer(settings: Mapping[str, Any]) -> Consumer:
    """A consumer that commits nothing and tells when it reached an end."""
    return Consumer({**DEFAULTS, **settings, **FIXED}, logger=LOGGER)


class KafkaReader:
    """A reader of one shard. librdkafka fetches ahead in the background; ``poll`` takes what is there.

    A client that falls silent is replaced: a broker that is stopping may tell it that the cluster has no brokers at
    all, and then librdkafka (seen with 2.16) never connects to any again, without an error.
    """

    def __init__(self, settings: Mapping[str, Any], topic: str, shard: int, offset: int) -> None:
        self.position = offset
        self._place = f"topic {topic}, shard {shard}"
        self._settings = settings
        self._partition = TopicPartition(topic, shard)
        self._held: list[Message] = []
        self._failure: LogError | None = None
        self._misplaced = False
        self._end_seen = 0
        self._consumer = self._connected()

    def poll(self, limit: int) -> list[Record]:
        return [_record(message) for message in self._take(limit)]

    def poll_raw(self, limit: int) -> list[tuple[int, bytes | None]]:
        return cast(list[tuple[int, bytes | None]], [(m.offset(), m.value()) for m in self._take(limit)])

    def wait(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while not self._held and not self._failed() and self._end_seen <= self.position:
            if (left := deadline - time.monotonic()) <= 0:
                return False
            self._held = self._sort(self._consumer.consume(1, left))
        return True

    def close(self) -> None:
        self._consumer.close()

    def _take(self, limit: int) -> list[Message]:
        messages, self._held = self._held[:limit], self._held[limit:]
        if len(messages) < limit and not self._failed():
            messages += self._sort(self._consumer.consume(limit - len(messages), 0))
        if messages:
            self.position = cast(int, messages[-1].offset()) + 1
            self._heard = time.monotonic()
        elif self._failed():
            raise self._failure or self._out_of_range()
        elif time.monotonic() - self._heard > SILENCE:
            self._make_sure()
        if not self._held:
            # Between the last record and the end lies what was compacted away, or is the broker's own.
            self.position = max(self.position, self._end_seen)
        return messages

    def _connected(self) -> Consumer:
        """A client that reads on at ``position``."""
        self._heard = time.monotonic()
        client = consumer(self._settings)
        client.assign([TopicPartition(self._partition.topic, self._partition.partition, self.position)])
        return client

    def _make_sure(self) -> None:
        """Replace a client that does not answer, or gave nothing although something is there."""
        try:
            _, end = self._consumer.get_watermark_offsets(self._partition, timeout=ANSWER)
        except KafkaException:
            end = None
        self._heard = time.monotonic()
        if end is None or end > self.position:
            LOGGER.info("%s: silent at offset %d of %s: reading on with a new client", self._place, self.position, end)
            self._consumer.close()
            self._consumer = self._connected()

    def _failed(self) -> bool:
        return self._misplaced or self._failure is not None

    def _sort(self, messages: list[Message]) -> list[Message]:
        """The records among the messages; the others are news about the partition."""
        for message in messages:
            if (error := message.error()) is not None:
                self._hear(error, message.offset())
        return [message for message in messages if message.error() is None]

    def _hear(self, error: KafkaError, offset: int | None) -> None:
        if error.code() == AT_THE_END:
            self._end_seen = offset or 0
        elif error.code() in NOT_THERE:
            self._misplaced = True
        elif error.fatal() or error.code() in REFUSED:
            self._failure = explain(error, self._place)

    def _out_of_range(self) -> LogError:
        """The broker does not have the position: does it lie before the start or after the end?"""
        place = f"{self._place}: offset {self.position}"
        try:
            start, end = self._consumer.get_watermark_offsets(self._partition, timeout=10.0)
        except KafkaException as away:
            return LogUnavailable(f"{place} is not in the log, and the broker is away: {away.args[0].str()}")
        if self.position < start:
            return OffsetTrimmed(f"{place} is no longer in the log, which starts at {start}: read from there on")
        return OffsetBeyondEnd(f"{place} lies beyond the end, {end}: is this the log the offset came from?")


def _record(message: Any) -> Record:
    headers = tuple((name, content or b"") for name, content in message.headers() or ())
    return Record(message.offset(), message.key(), message.value(), message.timestamp()[1] * 1000, headers)
