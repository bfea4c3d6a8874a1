"""What every home of the log promises, case by case. Where the homes differ, Kafka is right."""

from collections.abc import Callable

import pytest

from connectors.log import Log, LogError, NewRecord, OffsetBeyondEnd, OffsetTrimmed, Reader, Record, UnknownTopic
from tests.log.home import HANG, SOME_TIME, Home, read, read_all, record


def test_a_record_comes_back_as_it_was_written(home: Home) -> None:
    """Keys, values, headers in order and repeated, nothing and emptiness told apart, milliseconds of the timestamp."""
    log, topic = home.open(), home.topic()
    log.create(topic, 1)
    headers = (("origin", b"0/1/2"), ("a", b""), ("a", b"\x00\xff"))
    written = [
        NewRecord(b"BTCUSDT", b'{"type":"tick"}', SOME_TIME + 123_456, headers),
        NewRecord(None, b"no key", SOME_TIME + 999, ()),
        NewRecord(b"", b"", SOME_TIME - 1, ()),
        NewRecord(b"\x00\xff", None, 5, ()),
    ]

    last = log.append(topic, 0, written)

    assert last == 3
    assert read_all(log, topic) == [
        Record(0, b"BTCUSDT", b'{"type":"tick"}', SOME_TIME + 123_000, headers),
        Record(1, None, b"no key", SOME_TIME, ()),
        Record(2, b"", b"", SOME_TIME - 1000, ()),
        Record(3, b"\x00\xff", None, 1000, ()),
    ]


def test_raw_polls_give_the_same_records(home: Home) -> None:
    """``poll_raw`` is ``poll`` with less in it, also when the two take turns."""
    log, topic = home.open(), home.topic()
    log.create(topic, 1)
    log.append(topic, 0, [record(b"%d" % n) for n in range(30)])
    reader = log.reader(topic, 0, 0)

    whole = read(reader, 10)
    raw: list[tuple[int, bytes | None]] = []
    while len(raw) < 20:
        reader.wait(1.0)
        raw += reader.poll_raw(7)

    assert [(r.offset, r.value) for r in whole] + raw == [(n, b"%d" % n) for n in range(30)]
    assert reader.position == 30
    reader.close()


def test_a_poll_keeps_to_its_limit(home: Home) -> None:
    log, topic = home.open(), home.topic()
    log.create(topic, 1)
    log.append(topic, 0, [record(b"%d" % n) for n in range(10)])
    reader = log.reader(topic, 0, 0)
    assert reader.wait(HANG)

    assert len(reader.poll(1)) == 1
    assert len(reader.poll(3)) <= 3
    reader.close()


def test_an_empty_shard_starts_where_it_ends(home: Home) -> None:
    log, topic = home.open(), home.topic()
    log.create(topic, 2)

    assert (log.start(topic, 1), log.end(topic, 1), log.offset_at(topic, 1, SOME_TIME)) == (0, 0, 0)
    reader = log.reader(topic, 1, 0)
    assert reader.poll(10) == []
    assert not reader.wait(0.2)
    reader.close()


def test_shards_are_apart(home: Home) -> None:
    """Each counts its own offsets."""
    log, topic = home.open(), home.topic()
    log.create(topic, 3)
    log.append(topic, 0, [record(b"a"), record(b"b")])
    log.append(topic, 2, [record(b"c")])

    assert [log.end(topic, shard) for shard in range(3)] == [2, 0, 1]
    assert [r.value for r in read_all(log, topic, 2)] == [b"c"]


def test_nothing_to_append_is_no_error(home: Home) -> None:
    log, topic = home.open(), home.topic()
    log.create(topic, 1)

    assert log.append(topic, 0, []) == -1
    assert log.append(topic, 0, [record(b"a")]) == 0
    assert log.append(topic, 0, []) == 0


def test_creating_a_topic_again_checks_its_shards(home: Home) -> None:
    log, topic = home.open(), home.topic()
    log.create(topic, 2)
    log.create(topic, 2)

    with pytest.raises(LogError, match=f"topic {topic} exists with 2 shards, not 3"):
        log.create(topic, 3)
    with pytest.raises(LogError, match="exists with 2 shards, not 3"):
        home.open().create(topic, 3)


def test_topics_are_listed_with_what_they_are(home: Home) -> None:
    log, plain, keyed = home.open(), home.topic("plain"), home.topic("keyed")
    log.create(plain, 3, retention_ms=3_600_000)
    log.create(keyed, 1, cleanup="compact")

    found = {info.name: info for info in home.open().topics()}

    assert found[plain] == (plain, 3, "delete", 3_600_000)
    assert (found[keyed].shards, found[keyed].cleanup) == (1, "compact")


VERBS: dict[str, Callable[[Log, str], object]] = {
    "append": lambda log, topic: log.append(topic, 0, [record(b"a")]),
    "writer": lambda log, topic: log.writer(topic, 0),
    "reader": lambda log, topic: log.reader(topic, 0, 0),
    "start": lambda log, topic: log.start(topic, 0),
    "end": lambda log, topic: log.end(topic, 0),
    "offset_at": lambda log, topic: log.offset_at(topic, 0, SOME_TIME),
    "trim": lambda log, topic: log.trim(topic, 0, 0),
}


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_topic_is_named(home: Home, verb: str) -> None:
    """And it is not made by asking for it."""
    log, topic = home.open(), home.topic()

    with pytest.raises(UnknownTopic, match=topic):
        VERBS[verb](log, topic)
    assert topic not in [info.name for info in log.topics()]


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_shard_is_named(home: Home, verb: str) -> None:
    """Shards are counted from 0: a topic of one shard has no shard 1, and no shard -1."""
    log, topic = home.open(), home.topic()
    log.create(topic, 1)
    asked: dict[str, Callable[[int], object]] = {
        "append": lambda shard: log.append(topic, shard, [record(b"a")]),
        "writer": lambda shard: log.writer(topic, shard),
        "reader": lambda shard: log.reader(topic, shard, 0),
        "start": lambda shard: log.start(topic, shard),
        "end": lambda shard: log.end(topic, shard),
        "offset_at": lambda shard: log.offset_at(topic, shard, SOME_TIME),
        "trim": lambda shard: log.trim(topic, shard, 0),
    }

    for shard in (1, -1):
        with pytest.raises(LogError, match=f"topic {topic} has shards 0 to 0, not {shard}"):
            asked[verb](shard)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "ü", "x" * 250])
def test_names_that_kafka_would_refuse_are_refused(home: Home, name: str) -> None:
    with pytest.raises(LogError, match="topic name"):
        home.open().create(name, 1)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (record(b"x" * 1_000_000), "larger than"),
        (record(b"x", timestamp=-1), "timestamp is -1"),
        (record(b"x", key=None), "has no key"),
    ],
)
def test_a_batch_with_a_bad_record_is_refused_whole(home: Home, bad: NewRecord, reason: str) -> None:
    """Nothing of it is written, and the log goes on; also for a writer."""
    log, topic = home.open(), home.topic()
    log.create(topic, 1, cleanup="compact")
    writer = log.writer(topic, 0)

    for send in (lambda batch: log.append(topic, 0, batch), writer.send):
        with pytest.raises(LogError, match=f"topic {topic}, shard 0: record 1 of 3 refused: .*{reason}"):
            send([record(b"before"), bad, record(b"after")])

    assert log.append(topic, 0, [record(b"good")]) == 0
    writer.close()


def test_the_largest_record_fits(home: Home) -> None:
    log, topic = home.open(), home.topic()
    log.create(topic, 1)
    value = b"x" * 949_000

    log.append(topic, 0, [record(value), record(b"next")])

    assert [r.value for r in read_all(log, topic)] == [value, b"next"]


def test_trimmed_offsets_are_refused_not_skipped(home: Home) -> None:
    """A reader behind the start stops with an error; one at the start reads."""
    log, topic = home.open(), home.topic()
    log.create(topic, 1)
    log.append(topic, 0, [record(b"%d" % n) for n in range(10)])

    log.trim(topic, 0, 4)

    assert (log.start(topic, 0), log.end(topic, 0)) == (4, 10)
    assert [r.offset for r in read_all(log, topic)] == list(range(4, 10))
    with pytest.raises(OffsetTrimmed, match=f"topic {topic}, shard 0: offset 3 .* starts at 4"):
        expect_failure(log.reader(topic, 0, 3))


def test_trimming_everything_keeps_the_end(home: Home) -> None:
    log, topic = home.open(), home.topic()
    log.create(topic, 1)
    log.append(topic, 0, [record(b"%d" % n) for n in range(5)])

    log.trim(topic, 0, 5)
    log.trim(topic, 0, 2)

    assert (log.start(topic, 0), log.end(topic, 0)) == (5, 5)
    assert home.open().append(topic, 0, [record(b"next")]) == 5
    with pytest.raises(OffsetTrimmed):
        expect_failure(log.reader(topic, 0, 0))


def test_what_cannot_be_trimmed(home: Home) -> None:
    """Beyond the end; and compacted topics, of which Kafka trims none."""
    log, plain, keyed = home.open(), home.topic("plain"), home.topic("keyed")
    log.create(plain, 1)
    log.create(keyed, 1, cleanup="compact")
    log.append(keyed, 0, [record(b"a")])

    with pytest.raises(LogError, match="cannot trim to 1: the end is 0"):
        log.trim(plain, 0, 1)
    with pytest.raises(LogError, match="is compacted"):
        log.trim(keyed, 0, 1)


def test_an_offset_beyond_the_end_is_refused(home: Home) -> None:
    """It belongs to another log, or this one lost records: waiting for it would hide that."""
    log, topic = home.open(), home.topic()
    log.create(topic, 1)
    log.append(topic, 0, [record(b"a")])

    with pytest.raises(OffsetBeyondEnd, match=f"topic {topic}, shard 0: offset 5 lies beyond the end, 1"):
        expect_failure(log.reader(topic, 0, 5))


def test_offset_at_a_time(home: Home) -> None:
    """The first record at or after it in the order of the log, whose times need not rise."""
    log, topic = home.open(), home.topic()
    log.create(topic, 1)
    seconds = [10, 20, 15, 30, 25]
    log.append(topic, 0, [record(b"%d" % n, timestamp=SOME_TIME + n * 1_000_000) for n in seconds])

    found = [log.offset_at(topic, 0, SOME_TIME + n * 1_000_000) for n in (0, 10, 11, 20, 21, 30, 31)]

    assert found == [0, 0, 1, 1, 3, 3, 5]
    assert log.offset_at(topic, 0, SOME_TIME + 20_000_999) == 1
    assert log.offset_at(topic, 0, SOME_TIME + 20_001_000) == 3


def test_a_waiting_reader_is_woken(home: Home) -> None:
    """And it finds what woke it, from another instance of the log."""
    log, topic = home.open(), home.topic()
    log.create(topic, 1)
    reader = log.reader(topic, 0, 0)
    assert not reader.wait(0.05)

    home.open().append(topic, 0, [record(b"a")])

    assert reader.wait(HANG)
    assert [r.value for r in read(reader, 1)] == [b"a"]
    reader.close()


def test_a_writer_keeps_order_and_its_flush_means_written(home: Home) -> None:
    """Small and large batches, some with a pause after them, beside appends to another shard."""
    log, topic = home.open(), home.topic()
    log.create(topic, 2)
    values = [b"%d" % n for n in range(6_000)]
    writer = log.writer(topic, 0)

    for first in range(50):
        writer.send([record(values[first])])
    for first in range(50, 6_000, 350):
        writer.send([record(value) for value in values[first : first + 350]])
        log.append(topic, 1, [record(b"beside")])
    writer.flush()

    assert [r.value for r in read_all(home.open(), topic)] == values
    writer.close()


def test_what_a_writer_sent_arrives_without_a_flush(home: Home) -> None:
    """The last record of a burst does not wait for the next."""
    log, topic = home.open(), home.topic()
    log.create(topic, 1)
    writer = log.writer(topic, 0)
    reader = home.open().reader(topic, 0, 0)

    for n in range(5):
        writer.send([record(b"%d" % n)])

    assert [r.value for r in read(reader, 5)] == [b"%d" % n for n in range(5)]
    reader.close()
    writer.close()


def test_closing_a_writer_flushes(home: Home) -> None:
    log, topic = home.open(), home.topic()
    log.create(topic, 1)
    writer = log.writer(topic, 0)
    writer.send([record(b"a")])
    writer.send([record(b"b")])
    writer.close()

    assert [r.value for r in read_all(home.open(), topic)] == [b"a", b"b"]


def test_a_reopened_log_is_the_same_log(home: Home) -> None:
    log, topic = home.open(), home.topic()
    log.create(topic, 2)
    log.append(topic, 1, [record(b"a")])
    log.close()
    home.opened.remove(log)

    again = home.open()

    assert again.append(topic, 1, [record(b"b")]) == 1
    assert [r.value for r in read_all(again, topic, 1)] == [b"a", b"b"]


def expect_failure(reader: Reader) -> None:
    """Poll until the reader's failure shows: a broker's takes a moment to arrive."""
    try:
        reader.poll(100)
        reader.wait(HANG)
        found = reader.poll(100)
        pytest.fail(f"expected an error, read {found}")
    finally:
        reader.close()
