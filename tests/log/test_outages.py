"""Apache Kafka stopped, killed and started again while records are appended and read."""

import threading
import time
from collections.abc import Sequence

import pytest

from connectors.kafka_server import KafkaServer
from connectors.log import LogUnavailable, NewRecord, Record, kafka
from tests.log.home import HANG, Home, read, read_all, record

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture
def home(kafka_server: KafkaServer, embedded: Home) -> Home:
    """A broker of its own, started."""
    embedded.bootstrap = kafka_server.start()
    return embedded


def test_an_outage_delays_appends_and_reads_and_loses_nothing(kafka_server: KafkaServer, home: Home) -> None:
    """The broker stops, and later crashes, under an appender, a writer and a reader; none of them is told to retry.

    While it is away the reader sees nothing new, and afterwards everything, in order.
    """
    log = home.open()
    log.create("t", 2)
    stop = threading.Event()
    appended: list[int] = []
    written: list[int] = []

    def append() -> None:
        while not stop.is_set():
            log.append("t", 0, [new(len(appended))])
            appended.append(len(appended))

    def write() -> None:
        writer = log.writer("t", 1)
        while not stop.is_set():
            writer.send([new(len(written))])
            written.append(len(written))
            time.sleep(0.001)
        writer.close()

    threads = [threading.Thread(target=append), threading.Thread(target=write)]
    reader = home.open().reader("t", 0, 0)
    for thread in threads:
        thread.start()
    seen = read(reader, 20)
    for end in (kafka_server.stop, kafka_server.kill):
        end()
        before = len(appended)
        time.sleep(0.5)
        reader.poll_raw(0)
        assert len(appended) <= before + 1
        kafka_server.start()
        seen += read(reader, before + 5 - len(seen))
    stop.set()
    for thread in threads:
        thread.join(HANG)
    seen += read(reader, len(appended) - len(seen))
    reader.close()

    assert numbers(seen) == appended
    assert numbers(read_all(log, "t", 0)) == appended
    assert numbers(read_all(log, "t", 1)) == written


def new(number: int) -> NewRecord:
    """A record of now: a broker that starts again forgets the batches of producers whose records are a day old."""
    return record(b"%d" % number, timestamp=time.time_ns() // 1000)


def numbers(records: Sequence[Record]) -> list[int]:
    """What was counted up on the log."""
    return [int(found.value or b"") for found in records]


def test_an_outage_longer_than_the_patience_is_an_error(
    kafka_server: KafkaServer, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Appends and questions fail with ``LogUnavailable``, a reader stays quiet; all of them work again afterwards."""
    monkeypatch.setattr(kafka, "ASK_SECONDS", 1.0)
    log = home.open(**{"delivery.timeout.ms": "3000"})
    log.create("t", 1)
    log.append("t", 0, [record(b"before")])
    writer, reader = log.writer("t", 0), log.reader("t", 0, 0)
    assert len(read(reader, 1)) == 1
    kafka_server.stop()

    with pytest.raises(LogUnavailable, match=r"topic t, shard 0: .* did not acknowledge within 3 s"):
        log.append("t", 0, [record(b"lost")])
    with pytest.raises(LogUnavailable, match="topic t, shard 0: "):
        log.end("t", 0)
    with pytest.raises(LogUnavailable):
        writer.send([record(b"lost too")])
    assert reader.poll(10) == []
    assert not reader.wait(0.2)

    kafka_server.start()
    monkeypatch.setattr(kafka, "ASK_SECONDS", HANG)
    patient = home.open()
    assert patient.append("t", 0, [record(b"after")]) == 1
    assert log.append("t", 0, [record(b"after, too")]) == 2
    assert [r.value for r in read(reader, 2)] == [b"after", b"after, too"]
    assert [r.value for r in read_all(log, "t")] == [b"before", b"after", b"after, too"]
    reader.close()
