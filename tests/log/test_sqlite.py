"""What is particular to the embedded home: bells, retention, compaction, damage."""

import os
import socket
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from connectors.log import LogError, LogUnavailable, NewRecord, Record, UnknownTopic, sqlite_file, sqlite_reader
from connectors.log.bell import Bell, Ringer, hang, tower
from connectors.log.sqlite_topic import TOMBSTONE_MS, TopicFile
from connectors.log.sqlite_writer import SqliteWriter
from tests.log.home import HANG, SOME_TIME, Home, read, read_all, record


def test_a_reader_is_woken_by_the_bell_alone(embedded: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look at intervals is switched off: only the ring can end the wait, from another thread's log."""
    monkeypatch.setattr(sqlite_reader, "LOOK_AGAIN", 10 * HANG)
    log, topic = embedded.open(), embedded.topic()
    log.create(topic, 2)
    reader = log.reader(topic, 1, 0)
    assert reader.poll_raw(10) == []
    appender = threading.Timer(0.1, lambda: embedded.open().append(topic, 1, [record(b"a")]))
    appender.start()

    assert reader.wait(HANG)
    assert reader.poll_raw(10) == [(0, b"a")]
    appender.join()
    reader.close()


def test_appends_to_other_shards_wake_nobody(embedded: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_reader, "LOOK_AGAIN", 10 * HANG)
    log, topic = embedded.open(), embedded.topic()
    log.create(topic, 2)
    reader = log.reader(topic, 1, 0)
    assert reader.poll_raw(10) == []

    log.append(topic, 0, [record(b"a")])

    assert not reader.wait(0.1)
    reader.close()


def test_a_lost_ring_delays_a_record_and_loses_none(embedded: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer killed between commit and ring: the reader's next look finds the record, polling or waiting."""
    monkeypatch.setattr(Ringer, "ring", lambda self, shards: None)
    log, topic = embedded.open(), embedded.topic()
    log.create(topic, 1)
    reader = log.reader(topic, 0, 0)
    assert reader.poll_raw(10) == []

    log.append(topic, 0, [record(b"a")])
    assert reader.wait(HANG)
    assert [r.value for r in read(reader, 1)] == [b"a"]
    log.append(topic, 0, [record(b"b")])
    assert [r.value for r in read(reader, 1)] == [b"b"]
    reader.close()


def test_without_sockets_a_reader_looks_at_intervals(embedded: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_reader, "hang", lambda folder, shard: None)
    log, topic = embedded.open(), embedded.topic()
    log.create(topic, 1)
    reader = log.reader(topic, 0, 0)
    assert not reader.wait(0.01)

    log.append(topic, 0, [record(b"a")])

    assert reader.wait(HANG)
    assert [r.value for r in read(reader, 1)] == [b"a"]
    reader.close()


def test_an_idle_poll_does_not_touch_the_file(embedded: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow polls every millisecond: between two looks that must cost no SQL."""
    monkeypatch.setattr(sqlite_reader, "LOOK_AGAIN", 10 * HANG)
    log, topic = embedded.open(), embedded.topic()
    log.create(topic, 1)
    reader = log.reader(topic, 0, 0)
    assert reader.poll_raw(10) == []
    statements: list[str] = []
    reader._connection.set_trace_callback(statements.append)

    for _ in range(100):
        assert reader.poll_raw(10) == []

    assert statements == []
    log.append(topic, 0, [record(b"a")])
    assert reader.poll_raw(10) == [(0, b"a")]
    assert statements != []
    reader.close()


def test_no_record_is_missed_while_readers_come_and_go(embedded: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread appends; readers start, catch up, idle and are woken, with no look at intervals to save them."""
    monkeypatch.setattr(sqlite_reader, "LOOK_AGAIN", 10 * HANG)
    log, topic = embedded.open(), embedded.topic()
    log.create(topic, 1)
    total = 600

    def append() -> None:
        for n in range(total):
            log.append(topic, 0, [record(b"%d" % n)])
            if n % 7 == 0:
                time.sleep(0.001)

    appender = threading.Thread(target=append)
    appender.start()
    position = 0
    while position < total:
        reader = embedded.opened[0].reader(topic, 0, position)
        for _ in range(20):
            if position < total:
                assert reader.wait(HANG)
            for found in reader.poll(5):
                assert found.value == b"%d" % position
                position += 1
        reader.close()
    appender.join()


def test_the_bell_of_a_dead_reader_is_taken_down(embedded: Home) -> None:
    """A killed reader leaves its socket behind; the next append removes it."""
    log, topic = embedded.open(), embedded.topic()
    log.create(topic, 1)
    folder = tower(embedded.root / f"{topic}.db")
    reader = log.reader(topic, 0, 0)
    assert reader.poll_raw(1) == []
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    dead.bind(str(folder / "0.1.dead"))
    dead.close()

    log.append(topic, 0, [record(b"a")])

    assert len(list(folder.iterdir())) == 1
    reader.close()
    assert not folder.exists()


def test_a_new_bell_is_heard_at_once(tmp_path: Path) -> None:
    """Bells hung within one tick of the file system's clock are all rung: the list is not trusted while it is fresh."""
    ringer, bells = Ringer(tmp_path), []
    tmp_path.chmod(0o700)
    tick = time.time_ns() + 3600 * 10**9
    for _ in range(20):
        bells.append(Bell(tmp_path, 3))
        os.utime(tmp_path, ns=(tick, tick))
        ringer.ring([3])
        assert all(bell.rung() for bell in bells)
    assert not any(bell.rung() for bell in bells)
    ringer.close()
    for bell in bells:
        bell.close()


def test_a_full_bell_does_not_stop_the_writer(tmp_path: Path) -> None:
    """Nobody takes the bytes; the writer rings on, and one ring is heard."""
    tmp_path.chmod(0o700)
    bell, ringer = Bell(tmp_path, 0), Ringer(tmp_path)
    for _ in range(5_000):
        ringer.ring([0])

    assert bell.rung()
    assert not bell.rung()
    ringer.close()
    bell.close()


def test_a_folder_that_others_can_write_is_not_used(tmp_path: Path) -> None:
    """In a shared temporary folder anybody may have made it."""
    tmp_path.chmod(0o777)

    assert hang(tmp_path, 0) is None


@pytest.mark.req("FS-FR-002.3", "FS-US-3.2")
def test_retention_drops_from_the_front_what_is_too_old(embedded: Home) -> None:
    """Younger records behind older ones stay; so do older ones behind a younger one, as in Kafka."""
    log, topic = embedded.open(), embedded.topic()
    log.create(topic, 1, retention_ms=10_000)
    now_ms = SOME_TIME // 1000
    ages = [30_000, 20_000, 10_001, 10_000, 50_000, 0]
    log.append(topic, 0, [record(b"%d" % age, timestamp=(now_ms - age) * 1000) for age in ages])
    file = TopicFile(embedded.root / f"{topic}.db")

    file.retain(now_ms)

    assert [r.value for r in read_all(log, topic)] == [b"10000", b"50000", b"0"]
    file.retain(now_ms + 100_000)
    assert (log.start(topic, 0), log.end(topic, 0)) == (6, 6)
    assert log.append(topic, 0, [record(b"next")]) == 6
    file.close()


def test_without_retention_nothing_is_dropped(embedded: Home) -> None:
    log, topic = embedded.open(), embedded.topic()
    log.create(topic, 1)
    log.append(topic, 0, [record(b"a", timestamp=1)])

    log.maintain(topic)

    assert len(read_all(log, topic)) == 1


def test_deletions_outlive_compaction_for_a_day(embedded: Home) -> None:
    """So that a reader who is a little behind learns of them."""
    log, topic = embedded.open(), embedded.topic()
    log.create(topic, 1, cleanup="compact")
    now_ms = SOME_TIME // 1000
    rows = [(b"old", b"x", 2), (b"young", b"x", 2), (b"old", None, 1), (b"young", None, 0)]
    log.append(
        topic, 0, [NewRecord(key, value, (now_ms - age * TOMBSTONE_MS - age) * 1000) for key, value, age in rows]
    )
    file = TopicFile(embedded.root / f"{topic}.db")

    file.compact(now_ms)

    assert [(r.offset, r.key, r.value) for r in read_all(log, topic)] == [(3, b"young", None)]
    file.compact(now_ms + 2 * TOMBSTONE_MS)
    assert read_all(log, topic) == []
    assert (log.start(topic, 0), log.end(topic, 0)) == (0, 4)
    file.close()


def test_a_reader_passes_what_was_compacted_away(embedded: Home) -> None:
    """Holes in the middle and at the end; the position reaches the end."""
    log, topic = embedded.open(), embedded.topic()
    log.create(topic, 2, cleanup="compact")
    log.append(topic, 0, [record(b"%d" % n, key=b"%d" % (n % 2)) for n in range(6)])
    log.append(topic, 0, [record(None, key=b"0", timestamp=1)])
    log.append(topic, 1, [record(b"other shard", key=b"0")])
    reader = log.reader(topic, 0, 1)

    log.maintain(topic)

    assert reader.poll(10) == [Record(5, b"1", b"5", SOME_TIME, ())]
    assert reader.poll(10) == []
    assert reader.position == log.end(topic, 0) == 7
    reader.close()


def test_a_time_far_behind_many_records_is_found(embedded: Home) -> None:
    """Across several entries of the clock that the search starts from, against a plain search."""
    log, topic = embedded.open(), embedded.topic()
    log.create(topic, 1)
    times = [SOME_TIME + (n * 7919 % 50 + n) * 1000 for n in range(5_000)]
    for first in range(0, 5_000, 250):
        log.append(topic, 0, [record(b"x", timestamp=timestamp) for timestamp in times[first : first + 250]])
    log.trim(topic, 0, 1_500)

    highest = [max(times[:count]) for count in range(250, 5_000, 250)]
    for asked in [*range(SOME_TIME, SOME_TIME + 5_100_000, 37_000), *highest]:
        expected = next((n for n in range(1_500, 5_000) if times[n] >= asked), 5_000)
        assert log.offset_at(topic, 0, asked) == expected


def test_a_writer_whose_commit_fails_writes_nothing_more(embedded: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program holds the file: the failure comes back from every later call, and the log has a prefix."""
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.05)
    log, topic = embedded.open(), embedded.topic()
    log.create(topic, 1)
    writer = log.writer(topic, 0)
    writer.send([record(b"before")])
    writer.flush()
    holder = sqlite3.connect(embedded.root / f"{topic}.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    with pytest.raises(LogUnavailable, match=f"topic {topic}: .*locked"):
        for _ in range(2):
            writer.send([record(b"lost")])
            writer.flush()
    holder.execute("COMMIT")
    holder.close()
    for call in (lambda: writer.send([record(b"later")]), writer.flush, writer.close):
        with pytest.raises(LogUnavailable):
            call()

    assert [r.value for r in read_all(log, topic)] == [b"before"]
    assert log.append(topic, 0, [record(b"next")]) == 1


def test_a_burst_costs_few_commits(embedded: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records sent one by one right behind each other share commits, and none waits for a flush."""
    monkeypatch.setattr("connectors.log.sqlite_writer.PATIENCE", 0.2)
    log, topic = embedded.open(), embedded.topic()
    log.create(topic, 1)
    file = TopicFile(embedded.root / f"{topic}.db")
    commits: list[int] = []
    original = file.append
    monkeypatch.setattr(file, "append", lambda shard, batch: (commits.append(len(batch)), original(shard, batch))[1])
    writer = SqliteWriter(file, 0)

    for n in range(100):
        writer.send([record(b"%d" % n)])
    reader = log.reader(topic, 0, 0)
    found = read(reader, 100)

    assert [r.value for r in found] == [b"%d" % n for n in range(100)]
    assert len(commits) < 50
    reader.close()
    writer.close()
    file.close()


def test_a_file_that_is_no_topic_says_so(embedded: Home) -> None:
    log = embedded.open()
    (embedded.root / "odd.db").write_bytes(b"this is not a database at all" * 100)

    with pytest.raises(LogError, match=r"odd: .*odd\.db"):
        log.append("odd", 0, [record(b"a")])


def test_a_folder_that_goes_away_is_noticed(embedded: Home) -> None:
    log, topic = embedded.open(), embedded.topic()
    log.create(topic, 1)
    embedded.root.rename(embedded.root.with_name("elsewhere"))

    with pytest.raises(UnknownTopic, match=topic):
        log.reader(topic, 0, 0)
    assert Home(None, embedded.root.with_name("elsewhere")).open().end(topic, 0) == 0


def test_sizes_are_told(embedded: Home) -> None:
    log, topic = embedded.open(), embedded.topic()
    log.create(topic, 1)
    empty = log.size(topic)
    log.append(topic, 0, [record(b"x" * 100_000)])

    assert empty is not None
    assert (log.size(topic) or 0) - empty >= 100_000
