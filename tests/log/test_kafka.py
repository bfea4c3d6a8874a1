"""What is particular to the Kafka home beside its clients: prefixes, ends, compaction, retention, settings."""

import time

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from connectors.log import LogError, LogUnavailable, kafka, open_log
from tests.log.home import HANG, SOME_TIME, Home, read, read_all, record


def test_nobody_at_the_address_is_an_error_that_says_so(embedded: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unused port on loopback; librdkafka's own reason is in the message."""
    monkeypatch.setattr(kafka, "ASK_SECONDS", 2.0)
    log = open_log("127.0.0.1:9", embedded.root, {"socket.connection.setup.timeout.ms": "1000"})

    with pytest.raises(LogUnavailable, match=r"127\.0\.0\.1:9.*refused"):
        log.create("t", 1)
    log.close()


@pytest.mark.kafka
def test_what_arrived_before_a_refused_record_is_a_prefix(cluster: Home) -> None:
    """Twenty large batches are on their way when the broker refuses one: nothing behind it is written."""
    topic = cluster.topic()
    log = cluster.open()
    log.create(topic, 1)
    alter(cluster, topic, "max.message.bytes", "20000")
    log = cluster.open(**{"batch.size": "10000"})
    writer = log.writer(topic, 0)
    sent = [b"%05d " % n + b"x" * 500 for n in range(1000)]
    sent[500] = b"x" * 50_000

    with pytest.raises(LogError, match=f"topic {topic}, shard 0: .*max.message.bytes"):
        for value in sent:
            writer.send([record(value)])
        writer.flush()
    with pytest.raises(LogError):
        writer.send([record(b"later")])

    found = [r.value for r in read_all(log, topic)]
    assert found == sent[: len(found)]
    assert len(found) <= 500
    assert log.append(topic, 0, [record(b"next")]) == len(found)


@pytest.mark.kafka
def test_the_end_lies_behind_the_brokers_own_records(cluster: Home) -> None:
    """A transaction leaves an offset that no reader sees: reading ends all the same, and goes on behind it."""
    topic = cluster.topic()
    log = cluster.open()
    log.create(topic, 1)
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "transactional.id": topic})
    producer.init_transactions(HANG)
    producer.begin_transaction()
    producer.produce(topic, b"committed", partition=0)
    producer.commit_transaction(HANG)
    reader = log.reader(topic, 0, 0)
    assert len(read(reader, 1)) == 1  # the broker writes its own record some time after the commit
    reader.close()

    assert log.end(topic, 0) == 2
    assert [(r.offset, r.value) for r in read_all(log, topic)] == [(0, b"committed")]
    assert log.append(topic, 0, [record(b"next")]) == 2
    assert [r.offset for r in read_all(log, topic)] == [0, 2]


@pytest.mark.kafka
def test_the_broker_keeps_the_latest_of_each_key(cluster: Home) -> None:
    """Real compaction, waited for: the last value of every key stays, offsets stay what they were."""
    topic = cluster.topic()
    log = cluster.open()
    log.create(topic, 1, cleanup="compact")
    for name, value in (("segment.ms", "100"), ("min.cleanable.dirty.ratio", "0.01"), ("max.compaction.lag.ms", "100")):
        alter(cluster, topic, name, value)
    second = 1_000_000  # segments end by the records' own time, and only ended ones are compacted
    for n in range(30):
        log.append(topic, 0, [record(b"%d" % n, key=b"%d" % (n % 3), timestamp=SOME_TIME + n * second)])
    last = log.append(topic, 0, [record(b"last", key=b"other", timestamp=SOME_TIME + 60 * second)])

    deadline = time.monotonic() + HANG
    while len(found := read_all(log, topic)) > 10 and time.monotonic() < deadline:
        time.sleep(0.5)

    assert len(found) <= 10, "the broker did not compact"
    latest = {r.key: (r.offset, r.value) for r in found}
    assert [latest[b"%d" % n] for n in range(3)] == [(27, b"27"), (28, b"28"), (29, b"29")]
    assert log.end(topic, 0) == last + 1


@pytest.mark.kafka
def test_retention_never_turns_the_end_back(cluster: Home) -> None:
    """The broker drops everything: start and end meet, and the next record goes on counting."""
    topic = cluster.topic()
    log = cluster.open()
    log.create(topic, 1, retention_ms=1)
    alter(cluster, topic, "segment.ms", "100")
    log.append(topic, 0, [record(b"%d" % n) for n in range(5)])
    time.sleep(0.2)
    last = log.append(topic, 0, [record(b"more")])

    deadline = time.monotonic() + HANG
    while log.start(topic, 0) <= last and time.monotonic() < deadline:
        time.sleep(0.5)

    assert (log.start(topic, 0), log.end(topic, 0)) == (last + 1, last + 1)
    assert log.append(topic, 0, [record(b"next")]) == last + 1


@pytest.mark.kafka
def test_librdkafkas_settings_pass_through(cluster: Home) -> None:
    """An unknown one is refused by its name, and those the promises rest on stay as they are."""
    with pytest.raises(Exception, match=r"no\.such\.setting"):
        cluster.open(**{"no.such.setting": "1"})

    topic = cluster.topic()
    log = cluster.open(**{"acks": "0", "enable.idempotence": "false", "client.id": "other", "compression.type": "lz4"})
    log.create(topic, 1)
    assert log.append(topic, 0, [record(b"a")]) == 0


@pytest.mark.kafka
def test_a_wrong_protocol_is_an_error_that_says_so(cluster: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS spoken to a plain port: the settings arrive, and the reason comes back."""
    monkeypatch.setattr(kafka, "ASK_SECONDS", 2.0)
    log = cluster.open(**{"security.protocol": "SSL"})

    with pytest.raises(LogError, match=r"SSL|ssl|TLS|disconnected"):
        log.end("anything", 0)


def alter(home: Home, topic: str, name: str, value: str) -> None:
    """Change a setting of a topic on the broker, and see that it has it."""
    admin = AdminClient({"bootstrap.servers": home.bootstrap})
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    wanted = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin.incremental_alter_configs([wanted])[wanted].result()
