"""Appending to Kafka so that what is written is always a prefix of what was sent.

The idempotent producer numbers its batches, and the broker takes them in that order, each once. It remembers a producer
by the timestamps of its records: one that starts again forgets those that are older than its
``producer.id.expiration.ms`` (a day), and may take the batch that was on its way twice (seen with Apache Kafka 4.1 on
recordings; never with live data).

What is left are the cases in which the client itself drops a batch and goes on with the next: a message that timed out
(so here messages never time out; whoever waits gives up instead, and then the whole producer is given up), and a batch
that the broker refuses for good (``enable.gapless.guarantee`` stops the producer there). A producer that failed is
never used again.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from connectors.log import Cleanup, LogError, LogUnavailable, NewRecord
from connectors.log.kafka_errors import LOGGER, explain
from connectors.log.limits import check_records, milliseconds

DEFAULTS: dict[str, Any] = {"linger.ms": 0, "batch.size": 1_000_000, "queue.buffering.max.messages": 200_000}
"""Without lingering a single append takes 0.3 ms on loopback instead of 1.5, and batches still fill under load."""

FIXED: dict[str, Any] = {
    "enable.idempotence": True,
    "enable.gapless.guarantee": True,
    "acks": "all",
    "message.timeout.ms": 0,
}
"""What the promise above rests on, whatever the user's settings say."""


class Deliveries:
    """What became of the records one caller sent: how many were settled, and the first failure."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.sent = 0
        self.settled = 0
        self.last_offset: int | None = None
        self.failure: LogError | None = None
        self.changed = threading.Condition()

    def settle(self, error: KafkaError | None, message: Message) -> None:
        """The delivery report of one record; called by the channel's thread."""
        self.settled += 1
        if error is None:
            self.last_offset = message.offset()
        elif self.failure is None:
            self.failure = explain(error, self.place)
        if self.failure is not None or self.settled >= self.sent:
            with self.changed:
                self.changed.notify_all()

    def done(self) -> bool:
        return self.failure is not None or self.settled >= self.sent


class Channel:
    """A producer that works until its first failure, and the thread that serves its delivery reports."""

    def __init__(self, settings: Mapping[str, Any], patience: float) -> None:
        self.patience = patience
        self.failure: str | None = None
        self._address = settings["bootstrap.servers"]
        self._closing = False
        self._producer = Producer({**DEFAULTS, **settings, **FIXED, "error_cb": self._failed}, logger=LOGGER)
        self._thread = threading.Thread(target=self._serve, name="kafka deliveries", daemon=True)
        self._thread.start()

    def send(self, topic: str, shard: int, records: Sequence[NewRecord], deliveries: Deliveries) -> None:
        """Queue the records in order; waits only while the queue is full.

        Raises:
            LogError, LogUnavailable: when the channel has failed, before these records or while taking them.
        """
        deadline = time.monotonic() + self.patience
        for record in records:
            while not self._queued(topic, shard, record, deliveries):
                if time.monotonic() > deadline:
                    raise self._give_up(deliveries, self._late(deliveries))
                time.sleep(0.001)

    def _queued(self, topic: str, shard: int, record: NewRecord, deliveries: Deliveries) -> bool:
        if deliveries.failure or self.failure:
            raise deliveries.failure or LogUnavailable(f"{deliveries.place}: {self.failure}")
        key, value, timestamp, headers = record
        deliveries.sent += 1
        try:
            self._producer.produce(
                topic,
                value=value,
                key=key,
                partition=shard,
                on_delivery=deliveries.settle,
                timestamp=milliseconds(timestamp),
                headers=list(headers) if headers else None,
            )
        except BufferError:
            deliveries.sent -= 1
            return False
        except KafkaException as error:
            deliveries.sent -= 1
            raise self._give_up(deliveries, explain(error.args[0], deliveries.place)) from error
        return True

    def wait(self, deliveries: Deliveries) -> None:
        """Return when everything sent is on the log.

        Raises:
            LogError: when the broker refused a record.
            LogUnavailable: when that took longer than ``patience`` seconds; whatever was queued is then dropped.
        """
        with deliveries.changed:
            finished = deliveries.changed.wait_for(deliveries.done, self.patience)
        if deliveries.failure is not None:
            raise self._give_up(deliveries, deliveries.failure)
        if not finished:
            raise self._give_up(deliveries, self._late(deliveries))

    def close(self) -> None:
        self._closing = True
        self._thread.join()

    def _late(self, deliveries: Deliveries) -> LogError:
        return LogUnavailable(
            f"{deliveries.place}: {self._address} did not acknowledge within {self.patience:g} s: "
            "is the broker running? A prefix may have been written: look at the end of the shard before trying again"
        )

    def _give_up(self, deliveries: Deliveries, failure: LogError) -> LogError:
        """Drop what is queued, for every user of the channel; the failure is told to whom it belongs."""
        deliveries.failure = deliveries.failure or failure
        if self.failure is None:
            self.failure = f"the producer was given up after this: {failure}"
            self._producer.purge(in_queue=True, in_flight=True, blocking=False)
        return deliveries.failure

    def _failed(self, error: KafkaError) -> None:
        if error.fatal() and self.failure is None:
            self.failure = f"the producer stopped: {error.str()}"

    def _serve(self) -> None:
        while not self._closing:
            try:
                self._producer.poll(0.1)
            except (KafkaException, SystemError) as error:
                # It tells of a fatal error by raising; the reports of the records concerned come with the next call.
                reason = error.args[0]
                self.failure = self.failure or "the producer stopped: " + (
                    reason.str() if isinstance(reason, KafkaError) else str(reason)
                )


class KafkaWriter:
    """Records for one shard on their way: queued, batched and sent by librdkafka."""

    def __init__(self, channel: Channel, topic: str, shard: int, cleanup: Cleanup) -> None:
        self._channel, self._topic, self._shard, self._cleanup = channel, topic, shard, cleanup
        self._deliveries = Deliveries(f"topic {topic}, shard {shard}")

    def send(self, records: Sequence[NewRecord]) -> None:
        check_records(self._topic, self._shard, self._cleanup, records)
        self._channel.send(self._topic, self._shard, records, self._deliveries)

    def flush(self) -> None:
        self._channel.wait(self._deliveries)

    def close(self) -> None:
        self.flush()
