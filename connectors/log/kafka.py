"""The log on any Kafka-compatible cluster."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from connectors.log import Cleanup, LogError, LogUnavailable, NewRecord, TopicInfo, UnknownTopic
from connectors.log.kafka_errors import LOGGER, explain
from connectors.log.kafka_producer import Channel, Deliveries, KafkaWriter
from connectors.log.kafka_reader import AT_THE_END, KafkaReader, consumer
from connectors.log.limits import check_records, check_topic, milliseconds

ASK_SECONDS = 10.0
"""How long a question to the cluster (what is there, where does it end) may take."""

DELIVERY_MS = 30_000
"""How long an append waits for the broker, unless ``delivery.timeout.ms`` says otherwise."""

T = TypeVar("T")


class KafkaLog:
    """Topics of a cluster as a log.

    Args:
        bootstrap: ``host:port,...``
        settings: librdkafka's settings, as they are: TLS, SASL, ``client.id``, ``linger.ms`` ... Only what the log's
            promises rest on cannot be changed (acknowledgement by all, idempotence, no commits, no group).

    A broker that is away makes an append wait and then fail with ``LogUnavailable``; a reader only sees nothing new.
    Everything reconnects by itself.
    """

    def __init__(self, bootstrap: str, settings: Mapping[str, str] | None = None) -> None:
        given = dict(settings or {})
        self._given = dict(given)
        timeouts = [given.pop(name, None) for name in ("delivery.timeout.ms", "message.timeout.ms")]
        self._patience = int(next((given for given in timeouts if given), DELIVERY_MS)) / 1000
        self._address = bootstrap
        self._settings: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "client.id": "lockstep",
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 1000,
            **given,
        }
        self._last_error = ""
        self._lock = threading.RLock()
        self._topics: dict[str, TopicInfo] = {}
        self._channel: Channel | None = None
        self._admin, self._asking = self._clients()

    def create(self, topic: str, shards: int, cleanup: Cleanup = "delete", retention_ms: int | None = None) -> None:
        settings = {
            "cleanup.policy": cleanup,
            "retention.ms": str(-1 if retention_ms is None else retention_ms),
            "message.timestamp.type": "CreateTime",
        }
        new = NewTopic(check_topic(topic, shards), num_partitions=shards, replication_factor=-1, config=settings)
        try:
            self._admin.create_topics([new], request_timeout=ASK_SECONDS, operation_timeout=ASK_SECONDS)[topic].result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise self._give_up(self._explain(error, f"topic {topic}")) from error
        there = self._until_led(topic)
        if there != shards:
            raise LogError(
                f"topic {topic} exists with {there} shards, not {shards}: "
                f"ask for {there}, or copy it into a new topic (lockstep log copy)"
            )

    def append(self, topic: str, shard: int, records: Sequence[NewRecord]) -> int:
        info = self._info(topic, shard)
        check_records(topic, shard, info.cleanup, records)
        deliveries = Deliveries(f"topic {topic}, shard {shard}")
        channel = self._open_channel()
        channel.send(topic, shard, records, deliveries)
        channel.wait(deliveries)
        # A batch that had to be sent twice is acknowledged without its offset.
        return self.end(topic, shard) - 1 if deliveries.last_offset is None else deliveries.last_offset

    def writer(self, topic: str, shard: int) -> KafkaWriter:
        return KafkaWriter(self._open_channel(), topic, shard, self._info(topic, shard).cleanup)

    def reader(self, topic: str, shard: int, offset: int) -> KafkaReader:
        self._info(topic, shard)
        return KafkaReader(self._settings, topic, shard, offset)

    def start(self, topic: str, shard: int) -> int:
        self._info(topic, shard)
        return self._ask(lambda: self._watermarks(topic, shard)[0], topic, shard)

    def end(self, topic: str, shard: int) -> int:
        """The end as a reader finds it: from the record before the reported end on, to where nothing follows.

        The reported end alone will not do: a broker may report it early.
        """
        self._info(topic, shard)
        return self._ask(lambda: self._read_to_end(topic, shard), topic, shard)

    def offset_at(self, topic: str, shard: int, timestamp: int) -> int:
        self._info(topic, shard)
        asked = TopicPartition(topic, shard, milliseconds(timestamp))
        (found,) = self._ask(lambda: self._asking.offsets_for_times([asked], timeout=ASK_SECONDS), topic, shard)
        if found.error is not None:
            raise explain(found.error, f"topic {topic}, shard {shard}")
        return found.offset if found.offset >= 0 else self.end(topic, shard)

    def trim(self, topic: str, shard: int, before: int) -> None:
        if self._info(topic, shard).cleanup == "compact":
            raise LogError(f"topic {topic} is compacted: it keeps the last record of each key and is not trimmed")
        if before > (end := self.end(topic, shard)):
            raise LogError(f"topic {topic}, shard {shard}: cannot trim to {before}: the end is {end}")
        if before > self.start(topic, shard):
            asked = TopicPartition(topic, shard, before)
            self._ask(lambda: self._delete(asked), topic, shard)

    def maintain(self, topic: str) -> None:
        """Brokers apply retention and compaction by themselves."""
        self._info(topic, 0)

    def size(self, topic: str) -> None:
        """Brokers do not tell over this protocol."""
        self._info(topic, 0)

    def topics(self) -> list[TopicInfo]:
        metadata = self._ask(lambda: self._admin.list_topics(timeout=ASK_SECONDS))
        names = sorted(name for name in metadata.topics if not name.startswith("_"))
        settings = self._topic_settings(names)
        return [_info(name, len(metadata.topics[name].partitions), settings[name]) for name in names]

    def address(self) -> dict[str, Any]:
        """Where another process finds it (``connectors.log.address``); passwords and all."""
        return {"home": "kafka", "bootstrap": self._address, "settings": self._given}

    def close(self) -> None:
        with self._lock:
            if self._channel is not None:
                self._channel.close()
                self._channel = None
            self._asking.close()

    def _clients(self) -> tuple[AdminClient, Consumer]:
        """The clients that ask."""
        settings = self._settings | {"error_cb": self._heard}
        return AdminClient(settings, logger=LOGGER), consumer(settings | {"fetch.wait.max.ms": 10})

    def _give_up(self, failure: LogError) -> LogError:
        """Where the cluster is away the next question gets new clients: old ones may never connect again.

        See ``KafkaReader``.
        """
        if isinstance(failure, LogUnavailable):
            with self._lock:
                self._asking.close()
                self._admin, self._asking = self._clients()
        return failure

    def _open_channel(self) -> Channel:
        """The producer in use, or a new one in place of one that failed."""
        with self._lock:
            if self._channel is None or self._channel.failure is not None:
                if self._channel is not None:
                    self._channel.close()
                self._channel = Channel(self._settings, self._patience)
            return self._channel

    def _info(self, topic: str, shard: int) -> TopicInfo:
        """What the topic is, asked once.

        Raises:
            UnknownTopic: when it does not exist.
            LogError: when it has no such shard.
        """
        if topic not in self._topics:
            shards = self._shards(check_topic(topic))
            self._topics[topic] = _info(topic, shards, self._topic_settings([topic])[topic])
        if not 0 <= shard < self._topics[topic].shards:
            raise LogError(f"topic {topic} has shards 0 to {self._topics[topic].shards - 1}, not {shard}")
        return self._topics[topic]

    def _shards(self, topic: str) -> int:
        return len(self._ask(lambda: self._partitions(topic), topic))

    def _partitions(self, topic: str) -> list[int]:
        """The leaders of the topic's partitions."""
        found = self._asking.list_topics(topic, timeout=ASK_SECONDS).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        return [partition.leader for partition in found.partitions.values()]

    def _until_led(self, topic: str) -> int:
        """How many shards the topic has, once every one of them has a leader and can be used."""
        deadline = time.monotonic() + ASK_SECONDS
        while time.monotonic() < deadline:
            try:
                leaders = self._partitions(topic)
            except KafkaException:
                leaders = []
            if leaders and min(leaders) >= 0:
                return len(leaders)
            time.sleep(0.02)
        raise LogUnavailable(f"topic {topic}: not ready {ASK_SECONDS:g} s after its creation{self._last_error}")

    def _topic_settings(self, topics: Sequence[str]) -> dict[str, dict[str, str]]:
        """Each topic's settings; empty where this user may not see them."""
        resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
        found: dict[str, dict[str, str]] = {}
        asked = self._admin.describe_configs(resources, request_timeout=ASK_SECONDS) if resources else {}
        for resource, future in asked.items():
            try:
                found[resource.name] = {name: entry.value for name, entry in future.result().items()}
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    raise self._give_up(self._explain(error, f"topic {resource.name}")) from error
                found[resource.name] = {}
        return found

    def _delete(self, before: TopicPartition) -> None:
        timeouts = {"request_timeout": ASK_SECONDS, "operation_timeout": ASK_SECONDS}
        self._admin.delete_records([before], **timeouts)[before].result()

    def _watermarks(self, topic: str, shard: int) -> tuple[int, int]:
        return self._asking.get_watermark_offsets(TopicPartition(topic, shard), timeout=ASK_SECONDS)

    def _read_to_end(self, topic: str, shard: int) -> int:
        start, reported = self._watermarks(topic, shard)
        self._asking.assign([TopicPartition(topic, shard, max(start, reported - 1))])
        try:
            deadline = time.monotonic() + ASK_SECONDS
            while time.monotonic() < deadline:
                message = self._asking.poll(0.1)
                error = message.error() if message is not None else None
                if message is not None and error is not None and error.code() == AT_THE_END:
                    return message.offset() or 0
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        finally:
            self._asking.unassign()

    def _ask(self, question: Callable[[], T], topic: str = "", shard: int | None = None) -> T:
        """One question at a time; asked again, for ten seconds, while the answer is that the cluster is not ready.

        A broker that has just started may not know a topic yet that was there before.
        """
        place = ", ".join([f"topic {topic}"] * bool(topic) + [f"shard {shard}"] * (shard is not None)) or self._address
        deadline = time.monotonic() + ASK_SECONDS
        with self._lock:
            while True:
                try:
                    return question()
                except KafkaException as error:
                    failure = self._explain(error, place)
                    young = isinstance(failure, UnknownTopic) and topic in self._topics
                    passing = isinstance(failure, LogUnavailable) or young
                    if not passing or time.monotonic() > deadline:
                        raise self._give_up(failure) from error
                    time.sleep(0.05)

    def _explain(self, error: KafkaException, place: str) -> LogError:
        failure = explain(error.args[0], place)
        if not isinstance(failure, LogUnavailable):
            return failure
        with self._lock:
            for client in (self._admin, self._asking):
                client.poll(0)  # calls _heard with what it could not tell otherwise
        return LogUnavailable(f"{failure}{self._last_error}")

    def _heard(self, error: KafkaError) -> None:
        self._last_error = f" (last heard from {self._address}: {error.str()})"


def _info(topic: str, shards: int, settings: Mapping[str, str]) -> TopicInfo:
    retention_ms = int(settings.get("retention.ms", -1))
    cleanup: Cleanup = "compact" if "compact" in settings.get("cleanup.policy", "") else "delete"
    return TopicInfo(topic, shards, cleanup, None if retention_ms < 0 else retention_ms)
