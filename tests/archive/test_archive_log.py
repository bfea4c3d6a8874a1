"""The archive read as a log is the log, wherever the files are cut and whatever happens to them meanwhile."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.archive import ArchiveError
from connectors.archive.catalogue import Catalogue
from connectors.archive.compaction import compact
from connectors.archive.log import ArchiveLog
from connectors.archive.writer import ArchiveWriter
from connectors.log import LogError, NewRecord, OffsetBeyondEnd, OffsetTrimmed, Record
from connectors.log.address import address_of, open_address
from connectors.log.sqlite import SqliteLog
from schemas.market import Tick
from tests.archive.made import archive, archived, everything, log_of, of_event, records


@pytest.fixture
def log(tmp_path: Path) -> SqliteLog:
    return log_of(tmp_path / "log", [records(1, 300), records(2, 200)])


def polled(log: SqliteLog | ArchiveLog, shard: int, offset: int, limits: list[int], raw: bool) -> list[tuple]:
    """What a reader gives, batch by batch, with the positions between."""
    reader = log.reader("events", shard, offset)
    found: list[tuple] = []
    end = log.end("events", shard)
    while reader.position < end:
        limit = limits[len(found) % len(limits)]
        batch = reader.poll_raw(limit) if raw else reader.poll(limit)
        assert len(batch) <= limit
        found += [tuple(one) for one in batch]
    reader.close()
    return [(*one[:4], tuple(one[4])) if len(one) == 5 else one for one in found]


@given(data=st.data())
@settings(deadline=None, max_examples=15)
def test_it_gives_what_the_log_gives(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Every record and every batch size, from any offset, however many commits and however much is not archived yet."""
    folder = tmp_path_factory.mktemp("log")
    log = log_of(folder / "log", [records(data.draw(st.integers(0, 50)), data.draw(st.integers(1, 60)))])
    end = log.end("events", 0)
    stop = data.draw(st.integers(0, end))
    cuts = sorted(data.draw(st.lists(st.integers(0, stop), max_size=6)))
    all_of_it = everything(log)
    with ArchiveWriter(folder / "archive", 1) as writer:
        for begin, cut in zip([0, *cuts], [*cuts, stop], strict=True):
            writer.add(0, all_of_it[begin:cut])
            writer.commit()
        if data.draw(st.booleans()):
            compact(folder / "archive", writer.catalogue, everything=data.draw(st.booleans()))
    found = ArchiveLog(log, folder / "archive")
    limits = data.draw(st.lists(st.integers(1, 400), min_size=1, max_size=3))
    begin = data.draw(st.integers(0, end))

    assert (found.start("events", 0), found.end("events", 0)) == (0, end)
    for raw in (True, False):
        assert polled(found, 0, begin, limits, raw) == polled(log, 0, begin, limits, raw)
    for time in data.draw(st.lists(st.sampled_from([one.timestamp for one in all_of_it]), max_size=5)):
        for shift in (-1_000_000, -1, 0, 1_000, 3_000_000):
            assert found.offset_at("events", 0, max(0, time + shift)) == log.offset_at(
                "events", 0, max(0, time + shift)
            )
    found.close()


def test_a_reader_may_change_between_whole_records_and_values(log: SqliteLog, tmp_path: Path) -> None:
    archive(tmp_path / "archive", log, commits=3, shards=2)
    found = ArchiveLog(log, tmp_path / "archive")
    random = Random(1)
    reader = found.reader("events", 0, 0)
    seen: list[tuple[int, bytes | None]] = []
    while reader.position < found.end("events", 0):
        if random.random() < 0.5:
            seen += reader.poll_raw(random.randint(1, 90))
        else:
            seen += [(one.offset, one.value) for one in reader.poll(random.randint(1, 90))]

    assert seen == [(one.offset, one.value) for one in everything(log)]


def test_what_the_log_lost_is_still_there(log: SqliteLog, tmp_path: Path) -> None:
    """Retention trims the log; the archive alone gives the same records, on the same offsets."""
    before = [everything(log, shard) for shard in (0, 1)]
    archive(tmp_path / "archive", log, shards=2)
    for shard in (0, 1):
        log.trim("events", shard, log.end("events", shard))
    found = ArchiveLog(log, tmp_path / "archive")

    assert [everything(found, shard) for shard in (0, 1)] == before
    assert archived(tmp_path / "archive", 1) == before[1]
    assert [found.start("events", 0), found.end("events", 0)] == [0, len(before[0])]


def test_a_reader_follows_from_the_archive_into_the_log(log: SqliteLog, tmp_path: Path) -> None:
    """What comes while it reads, archived meanwhile or not, comes once."""
    archive(tmp_path / "archive", log, shards=2)
    found = ArchiveLog(log, tmp_path / "archive")
    reader = found.reader("events", 0, 0)
    seen = [one.offset for one in reader.poll(10)]
    log.append("events", 0, [of_event(Tick(1_900_000_000_000_000 + number)) for number in range(50)])
    while reader.position < found.end("events", 0):
        seen += [one.offset for one in reader.poll(77)]
    assert reader.poll(5) == [] and not reader.wait(0.01)
    log.append("events", 0, [of_event(Tick(1_900_000_000_100_000))])
    archive_rest(tmp_path / "archive", log)
    assert reader.wait(5)
    seen += [one.offset for one in reader.poll(5)]

    assert seen == list(range(log.end("events", 0)))


def archive_rest(root: Path, log: SqliteLog) -> None:
    with ArchiveWriter(root, 2) as writer:
        for shard in (0, 1):
            writer.add(shard, everything(log, shard)[writer.position(shard) :])
        writer.commit()


def test_a_reader_whose_tail_was_trimmed_goes_back_to_the_archive(log: SqliteLog, tmp_path: Path) -> None:
    archive(tmp_path / "archive", log, shards=2)
    found = ArchiveLog(log, tmp_path / "archive")
    end = log.end("events", 0)
    reader = found.reader("events", 0, end)
    assert reader.poll(1) == []
    log.append("events", 0, [of_event(Tick(1_900_000_000_000_000 + number)) for number in range(50)])
    archive_rest(tmp_path / "archive", log)
    log.trim("events", 0, end + 50)

    assert [one.offset for one in reader.poll(100)] == list(range(end, end + 50))


def test_files_that_are_compacted_away_under_a_reader_do_not_disturb_it(log: SqliteLog, tmp_path: Path) -> None:
    archive(tmp_path / "archive", log, commits=9, shards=2)
    found = ArchiveLog(log, tmp_path / "archive")
    reader = found.reader("events", 0, 0)
    seen = reader.poll(40)
    with Catalogue(tmp_path / "archive") as catalogue:
        done = compact(tmp_path / "archive", catalogue, everything=True)
    while reader.position < found.end("events", 0):
        seen += reader.poll(40)

    assert done.files_after < done.files_before
    assert [one._replace(headers=tuple(one.headers)) for one in seen] == everything(log)


def test_a_hole_between_archive_and_log_is_told(log: SqliteLog, tmp_path: Path) -> None:
    """Retention of the log was faster than archiving: nothing is skipped silently."""
    all_of_it = everything(log)
    with ArchiveWriter(tmp_path / "archive", 2) as writer:
        writer.add(0, all_of_it[:100])
        writer.commit()
    log.trim("events", 0, 200)
    found = ArchiveLog(log, tmp_path / "archive")

    assert found.end("events", 0) == 100
    assert found.offset_at("events", 0, all_of_it[-1].timestamp) == 100
    with pytest.raises(OffsetBeyondEnd, match="offset 150 lies beyond the end, 100"):
        found.reader("events", 0, 150).poll(1)


def test_events_cannot_be_written_and_other_topics_can(log: SqliteLog, tmp_path: Path) -> None:
    archive(tmp_path / "archive", log, shards=2)
    found = ArchiveLog(log, tmp_path / "archive")
    found.create("features", 2)
    found.append("features", 0, [NewRecord(b"k", b"v", 5)])
    found.writer("features", 0).send([NewRecord(b"k", b"w", 5)])

    assert [one.value for one in found.reader("features", 0, 0).poll(5)] == [b"v", b"w"]
    assert {info.name: info.shards for info in found.topics()} == {"events": 2, "features": 2}
    for refused in (
        lambda: found.append("events", 0, [NewRecord(None, b"{}", 5)]),
        lambda: found.writer("events", 0),
        lambda: found.trim("events", 0, 1),
    ):
        with pytest.raises(ArchiveError, match="open the log itself"):
            refused()
    with pytest.raises(LogError, match="has 2 shards, not 3"):
        found.create("events", 3)
    with pytest.raises(LogError, match="has shards 0 to 1, not 2"):
        found.start("events", 2)


def test_it_can_be_opened_by_another_process(log: SqliteLog, tmp_path: Path) -> None:
    archive(tmp_path / "archive", log, shards=2)
    address = address_of(ArchiveLog(log, tmp_path / "archive"))
    assert address is not None
    again = open_address(address)

    assert everything(again, 1) == everything(log, 1)


def test_without_an_archive_it_says_what_to_do(log: SqliteLog, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="lockstep archive run"):
        ArchiveLog(log, tmp_path / "archive")


def test_an_offset_before_its_beginning_is_refused(tmp_path: Path) -> None:
    log = log_of(tmp_path / "log", [records(1, 60)])
    before = everything(log)
    log.trim("events", 0, 40)
    archive(tmp_path / "archive", log)
    found = ArchiveLog(log, tmp_path / "archive")

    assert found.start("events", 0) == 40
    assert everything(found) == before[40:]
    with pytest.raises(OffsetTrimmed, match="offset 39 is no longer in the archive"):
        found.reader("events", 0, 39).poll(1)


def test_holes_of_the_log_are_holes_of_the_archive(tmp_path: Path) -> None:
    """A broker may leave some; readers jump over them, as they do in the log."""
    found = [Record(offset, None, b"{}", 1_000, ()) for offset in (5, 6, 9, 40_000, 90_000)]
    with ArchiveWriter(tmp_path / "archive", 1) as writer:
        writer.add(0, found, position=90_100)
        writer.commit()
        assert [(one.first, one.stop) for one in writer.catalogue.absent()] == [
            (7, 9), (10, 40_000), (40_001, 90_000), (90_001, 90_100)
        ]  # fmt: skip
    log = ArchiveLog(SqliteLog(tmp_path / "log"), tmp_path / "archive")

    assert everything(log) == found
    assert (log.start("events", 0), log.end("events", 0)) == (5, 90_100)
