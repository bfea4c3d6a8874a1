"""The clients behind the Kafka home while brokers fail: what is retried, what is given up, what is replaced."""

import time
import uuid
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka.admin import AdminClient

from connectors.log import LogError, LogUnavailable, kafka, kafka_reader
from connectors.log.kafka import KafkaLog
from connectors.log.kafka_producer import Channel, KafkaWriter
from connectors.log.kafka_reader import KafkaReader, consumer
from tests.log.home import HANG, Home, numbers, read, record
from tests.log.mock_cluster import INIT_PRODUCER_ID, PRODUCE, MockCluster, library, mock_cluster

INVALID_RECORD, NOT_LEADER, TOPIC_AUTHORIZATION_FAILED = 87, 6, 29
NOT_ENOUGH_REPLICAS, COORDINATOR_LOADING = 19, 14


@pytest.fixture
def mock() -> Iterator[MockCluster]:
    """A broker that fails when told to, with a topic ``t`` of two shards.

    It does not check the sequence numbers of batches, as real brokers do, so a test lets every send be one batch.
    """
    lib = library()
    if lib is None:
        pytest.skip("confluent-kafka does not bring librdkafka as a library of its own here")
    with mock_cluster(lib) as cluster:
        cluster.create("t", 2)
        yield cluster


@pytest.fixture
def channel(mock: MockCluster) -> Iterator[Channel]:
    one = open_channel(mock)
    yield one
    one.close()


def open_channel(mock: MockCluster) -> Channel:
    settings = {"bootstrap.servers": mock.bootstrap, "linger.ms": 50, "reconnect.backoff.max.ms": 200}
    return Channel(settings, patience=HANG)


def writer(channel: Channel, shard: int = 0) -> KafkaWriter:
    return KafkaWriter(channel, "t", shard, "delete")


def written(mock: MockCluster, shard: int = 0) -> list[bytes | None]:
    """What the broker has, read by a client of its own."""
    probe = open_channel(mock)
    mark = uuid.uuid4().hex.encode()
    last = writer(probe, shard)
    last.send([record(mark)])
    last.close()
    probe.close()
    reader = KafkaReader({"bootstrap.servers": mock.bootstrap}, "t", shard, 0)
    found: list[bytes | None] = []
    deadline = time.monotonic() + HANG
    while mark not in found:
        assert time.monotonic() < deadline
        reader.wait(1.0)
        found += [value for _, value in reader.poll_raw(1000)]
    reader.close()
    return found[:-1]


@pytest.mark.parametrize("code", [NOT_LEADER, NOT_ENOUGH_REPLICAS])
def test_a_passing_error_is_retried_without_loss_or_repeat(mock: MockCluster, channel: Channel, code: int) -> None:
    one = writer(channel)
    mock.fail(PRODUCE, code, code)

    one.send(numbers(1, 2, 3))
    one.flush()

    assert written(mock) == [b"1", b"2", b"3"]


def test_a_producer_that_gets_no_identity_at_first_asks_again(mock: MockCluster) -> None:
    mock.fail(INIT_PRODUCER_ID, COORDINATOR_LOADING)
    channel = open_channel(mock)
    one = writer(channel)

    one.send(numbers(1))
    one.close()

    assert written(mock) == [b"1"]
    channel.close()


@pytest.mark.parametrize("code", [INVALID_RECORD, TOPIC_AUTHORIZATION_FAILED])
def test_a_refused_batch_stops_its_writer_for_good(mock: MockCluster, channel: Channel, code: int) -> None:
    """Nothing sent later is written, every later call says why, and a new writer goes on."""
    one = writer(channel)
    one.send(numbers(1, 2))
    one.flush()
    mock.fail(PRODUCE, code)

    one.send(numbers(3, 4))
    with pytest.raises(LogError, match="topic t, shard 0: Broker: ") as first:
        one.flush()
    assert not isinstance(first.value, LogUnavailable)
    for call in (lambda: one.send(numbers(5)), one.flush, one.close):
        with pytest.raises(LogError, match="topic t, shard 0: Broker: "):
            call()

    assert written(mock) == [b"1", b"2"]


def test_a_failure_stops_the_other_writers_of_the_producer_too(mock: MockCluster, channel: Channel) -> None:
    """Their error may pass: a new writer gets a new producer."""
    one, other = writer(channel, 0), writer(channel, 1)
    mock.fail(PRODUCE, INVALID_RECORD)
    one.send(numbers(1))
    with pytest.raises(LogError):
        one.flush()

    with pytest.raises(LogUnavailable, match="topic t, shard 1: the producer"):
        other.send(numbers(2))

    assert written(mock, 1) == []


def test_a_broker_that_stays_away_is_given_up(mock: MockCluster, channel: Channel) -> None:
    """After the writer's patience, in words that say so; what was queued is not written when the broker is back."""
    one = writer(channel)
    one.send(numbers(1))
    one.flush()
    channel.patience = 0.5
    mock.down()

    one.send(numbers(2))
    with pytest.raises(LogUnavailable, match=r"topic t, shard 0: .* did not acknowledge within 0\.5 s"):
        one.flush()
    mock.up()
    with pytest.raises(LogUnavailable, match="topic t, shard 0: "):
        one.send(numbers(3))

    assert written(mock) == [b"1"]


def test_a_broker_that_was_away_for_a_moment_is_not_noticed(mock: MockCluster, channel: Channel) -> None:
    one = writer(channel)
    one.send(numbers(1))
    one.flush()
    mock.down()
    one.send(numbers(2))
    time.sleep(0.3)
    mock.up()
    one.send(numbers(3))
    one.flush()

    assert written(mock) == [b"1", b"2", b"3"]


NOWHERE: dict[str, str | int | float] = {"bootstrap.servers": "127.0.0.1:1"}
"""A client that never gets through: so is one that a stopping broker told that there are no brokers."""


def gives_nothing(reader: KafkaReader) -> None:
    """Its client answers, but fetches no longer."""
    reader._consumer.unassign()


def answers_nothing(reader: KafkaReader) -> None:
    """Its client has no broker to ask."""
    reader._consumer.close()
    reader._consumer = consumer(NOWHERE)


@pytest.mark.parametrize("silence", [gives_nothing, answers_nothing])
def test_a_reader_whose_client_fell_silent_reads_on_with_another(
    mock: MockCluster, channel: Channel, monkeypatch: pytest.MonkeyPatch, silence: Callable[[KafkaReader], None]
) -> None:
    """Where it was, each record once."""
    monkeypatch.setattr(kafka_reader, "SILENCE", 0.3)
    one = writer(channel)
    one.send(numbers(1, 2))
    reader = KafkaReader({"bootstrap.servers": mock.bootstrap}, "t", 0, 0)
    found = read(reader, 2)
    silence(reader)
    one.send(numbers(3, 4))
    found += read(reader, 2)
    reader.wait(1.0)
    found += reader.poll(10)
    reader.close()

    assert [record.value for record in found] == [b"1", b"2", b"3", b"4"]


def test_a_client_that_answers_and_has_nothing_to_give_is_kept(
    mock: MockCluster, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_reader, "SILENCE", 0.1)
    monkeypatch.setattr(kafka_reader, "ANSWER", HANG)
    one = writer(channel)
    one.send(numbers(1, 2))
    one.flush()
    reader = KafkaReader({"bootstrap.servers": mock.bootstrap}, "t", 0, 2)
    client = reader._consumer
    for _ in range(3):
        assert not reader.wait(0.3)
        assert reader.poll(10) == []

    assert reader._consumer is client
    reader.close()


@pytest.mark.kafka
def test_a_log_whose_clients_fell_silent_asks_with_others(cluster: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """One question fails, as if the broker were away; the next is answered."""
    log = cluster.open()
    topic = cluster.topic()
    log.create(topic, 1)
    log.append(topic, 0, numbers(1))
    assert isinstance(log, KafkaLog)
    monkeypatch.setattr(kafka, "ASK_SECONDS", 0.5)
    log._asking.close()
    log._admin, log._asking = AdminClient(NOWHERE), consumer(NOWHERE)
    with pytest.raises(LogUnavailable):
        log.end(topic, 0)
    monkeypatch.undo()

    assert log.end(topic, 0) == 1
    assert topic in [info.name for info in log.topics()]
