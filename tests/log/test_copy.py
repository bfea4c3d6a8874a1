"""Moving topics from one home to the other, and back, and going on after an interruption."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.log import Log, LogError, LogUnavailable, NewRecord, Record, UnknownTopic, copy, open_log
from connectors.log.copy import CopiedShard, copy_topic
from connectors.log.span import last_record
from tests.log.home import SOME_TIME, Home, read_all, record


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Home]:
    """An embedded log beside the one under test."""
    place = Home(None, tmp_path / "other")
    yield place
    place.close()


def copied(source: Log, target: Log, topic: str) -> list[CopiedShard]:
    return list(copy_topic(source, target, topic))


def expected(record: Record, offset: int) -> Record:
    """The record as it must stand in the copy at ``offset``."""
    headers = (
        *record.headers,
        ("source-offset", b"%d" % record.offset),
        ("source-timestamp", b"%d" % record.timestamp),
    )
    return record._replace(offset=offset, headers=headers)


def test_a_topic_keeps_everything_on_the_way_there(home: Home, other: Home) -> None:
    """From each home into the embedded one: shards, keys, values, times, headers, and where each record stood."""
    source, target, topic = home.open(), other.open(), home.topic()
    source.create(topic, 2, retention_ms=10**12)
    rows = [
        NewRecord(b"k", b"v", SOME_TIME + 1_000, (("origin", b"0/1/2"), ("a", b""))),
        NewRecord(None, b"", SOME_TIME, ()),
        NewRecord(b"", None, SOME_TIME - 1_000_000, ()),
    ]
    source.append(topic, 0, rows)
    source.append(topic, 1, [record(b"%d" % n) for n in range(5_000)])
    source.trim(topic, 0, 1)

    done = copied(source, target, topic)

    assert done == [CopiedShard(topic, 0, 1, 3, 2), CopiedShard(topic, 1, 0, 5_000, 5_000)]
    for shard in range(2):
        originals = read_all(source, topic, shard)
        assert read_all(target, topic, shard) == [expected(row, place) for place, row in enumerate(originals)]
    assert [info for info in target.topics() if info.name == topic] == [(topic, 2, "delete", 10**12)]


@pytest.mark.kafka
def test_a_topic_moves_to_kafka_and_back(cluster: Home, other: Home, tmp_path: Path) -> None:
    """Offsets in the copy of a copy are those of the copy it came from."""
    first, middle, last = other.open(), cluster.open(), open_log(None, tmp_path / "last")
    topic = cluster.topic()
    first.create(topic, 1)
    first.append(topic, 0, [record(b"%d" % n, timestamp=SOME_TIME + n * 1000) for n in range(10)])
    first.trim(topic, 0, 4)

    copied(first, middle, topic)
    copied(middle, last, topic)

    found = read_all(last, topic)
    assert [(r.value, r.timestamp) for r in found] == [(b"%d" % n, SOME_TIME + n * 1000) for n in range(4, 10)]
    assert [dict(r.headers)["source-offset"] for r in read_all(middle, topic)] == [b"%d" % n for n in range(4, 10)]
    assert [dict(r.headers)["source-offset"] for r in found] == [b"%d" % n for n in range(6)]
    last.close()


def test_copying_again_copies_what_is_new_and_nothing_twice(home: Home, other: Home) -> None:
    source, target, topic = home.open(), other.open(), home.topic()
    source.create(topic, 1)
    source.append(topic, 0, [record(b"0"), record(b"1")])
    assert [done.records for done in copied(source, target, topic)] == [2]
    assert [done.records for done in copied(source, target, topic)] == [0]
    source.append(topic, 0, [record(b"2")])

    assert copied(source, other.open(), topic) == [CopiedShard(topic, 0, 2, 3, 1)]
    assert [r.value for r in read_all(target, topic)] == [b"0", b"1", b"2"]


@settings(max_examples=20, deadline=None)
@given(failures=st.lists(st.integers(0, 6), max_size=4), trimmed=st.integers(0, 5))
def test_an_interrupted_copy_is_continued(
    tmp_path_factory: pytest.TempPathFactory, failures: list[int], trimmed: int
) -> None:
    """The target fails after any number of batches, any number of times; the next run goes on behind what arrived."""
    root = tmp_path_factory.mktemp("copy")
    source, target = open_log(None, root / "source"), open_log(None, root / "target")
    source.create("t", 2)
    for shard in range(2):
        source.append("t", shard, [record(b"%d" % n) for n in range(20)])
    source.trim("t", 1, trimmed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copy, "BATCH", 3)
        for batches in failures:
            with pytest.MonkeyPatch.context() as failing:
                fail_after(failing, batches)
                try:
                    copied(source, target, "t")
                except LogUnavailable:
                    continue
        copied(source, target, "t")

    assert [r.value for r in read_all(target, "t", 0)] == [b"%d" % n for n in range(20)]
    assert [r.value for r in read_all(target, "t", 1)] == [b"%d" % n for n in range(trimmed, 20)]
    source.close()
    target.close()


def fail_after(patch: pytest.MonkeyPatch, batches: int) -> None:
    """Every commit after this many is refused."""
    from connectors.log.sqlite_topic import TopicFile

    original, count = TopicFile.append, iter(range(1_000_000))

    def append(self: TopicFile, shard: int, records: list[NewRecord]) -> int:
        if next(count) >= batches:
            raise LogUnavailable("the disk is full")
        return original(self, shard, records)

    patch.setattr(TopicFile, "append", append)


def test_holes_of_a_compacted_topic_stay_behind(embedded: Home, other: Home) -> None:
    """The copy has no holes, its headers tell; it is found again across the source's holes."""
    source, target, topic = embedded.open(), other.open(), embedded.topic()
    source.create(topic, 1, cleanup="compact")
    source.append(topic, 0, [record(b"%d" % n, key=b"%d" % (n % 2)) for n in range(50)])
    source.maintain(topic)

    assert copied(source, target, topic) == [CopiedShard(topic, 0, 0, 50, 2)]
    found = read_all(target, topic)
    assert [(r.offset, dict(r.headers)["source-offset"]) for r in found] == [(0, b"48"), (1, b"49")]
    assert target.topics()[0].cleanup == "compact"


def test_what_is_no_copy_is_not_written_to(embedded: Home, other: Home) -> None:
    """Nor is a copy of some other log, or one that has forgotten how far it was."""
    source, target = embedded.open(), other.open()
    for topic in ("own", "longer", "emptied"):
        source.create(topic, 1)
        source.append(topic, 0, [record(b"a")])
        target.create(topic, 1)
    target.append("own", 0, [record(b"written here")])
    target.append("longer", 0, [NewRecord(b"k", b"v", SOME_TIME, (("source-offset", b"7"),))])
    target.append("emptied", 0, [record(b"gone")])
    target.trim("emptied", 0, 1)

    for topic, reason in (("own", "is no copy"), ("longer", "up to offset 8.*ends at 1"), ("emptied", "has lost")):
        with pytest.raises(LogError, match=f"topic {topic}, shard 0: .*{reason}"):
            copied(source, target, topic)
    assert [target.end(topic, 0) for topic in ("own", "longer", "emptied")] == [1, 1, 1]


def test_another_number_of_shards_is_refused(embedded: Home, other: Home) -> None:
    source, target = embedded.open(), other.open()
    source.create("t", 2)
    target.create("t", 3)

    with pytest.raises(LogError, match="exists with 3 shards, not 2"):
        copied(source, target, "t")


def test_an_unknown_topic_is_told_with_those_there_are(embedded: Home, other: Home) -> None:
    source = embedded.open()
    source.create("events", 1)

    with pytest.raises(UnknownTopic, match="no topic event; there are: events"):
        copied(source, other.open(), "event")


def test_the_newest_record_is_found_behind_any_hole(embedded: Home) -> None:
    """Compaction and retention took what came after it, or everything."""
    log = embedded.open()
    log.create("t", 1, cleanup="compact")
    assert last_record(log, "t", 0) is None
    log.append("t", 0, [record(b"kept", key=b"a")])
    log.append("t", 0, [record(None, key=b"b", timestamp=1) for _ in range(300)])
    log.maintain("t")

    found = last_record(log, "t", 0)

    assert found is not None
    assert (found.offset, found.value) == (0, b"kept")
