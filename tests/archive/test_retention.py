"""What is too old goes, what somebody reads stays, and what was moved away comes back."""

import multiprocessing
import signal
from pathlib import Path

import pytest

from connectors.archive import ArchiveError, Damaged
from connectors.archive.catalogue import Catalogue
from connectors.archive.compaction import compact
from connectors.archive.holds import REST, held, holding
from connectors.archive.kinds import kinds
from connectors.archive.layout import DAY
from connectors.archive.log import ArchiveLog
from connectors.archive.retention import FOR_EVER, Policy, due, expire, parse_days, restore
from connectors.archive.summary import summary
from connectors.archive.verify import verify
from connectors.archive.writer import ArchiveWriter
from connectors.log.sqlite import SqliteLog
from dataflows.archive import Archive
from schemas.account import AccountConfigured
from schemas.market import BookDelta, Gap, Tick, Trade
from tests.archive.made import archived, everything, log_of, of_event
from tests.streams import START

NOW = START + 99 * DAY
DAYS = 100


def days(count: int = DAYS) -> list:
    """A hundred days with a tick, a delta and a trade each; the terms of the account come first, before all time."""
    events: list = [AccountConfigured(1_000, "paper")]
    for day in range(count):
        time = START + day * DAY
        events += [
            Tick(time),
            BookDelta("AAA", time, time, day + 1, day, [(1.0, 1.0)], []),
            Trade("AAA", time, time, str(day), "buy", 1.0, 1.0),
        ]
    return events


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("days")
    log = log_of(folder / "log", [[of_event(event) for event in days()]])
    with ArchiveWriter(folder / "archive", 1) as writer:
        writer.add(0, everything(log))
        writer.commit()
    return folder


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """An archive of a hundred days for the test alone."""
    from shutil import copytree

    return Path(copytree(made / "archive", tmp_path / "archive"))


def oldest(root: Path, kind: str) -> int:
    with Catalogue(root) as catalogue:
        return min((entry.oldest for entry in catalogue.files() if entry.place.type == kind), default=-1)


@pytest.mark.req("FS-US-3.2", "FS-FR-002", "FS-FR-002.3")
def test_what_is_older_than_its_retention_is_deleted_and_the_rest_stays(root: Path, made: Path) -> None:
    """Ninety days by default: the first nine of a hundred days go, control events never."""
    with Catalogue(root) as catalogue:
        done = expire(root, catalogue, Policy(), NOW)
        assert verify(root, catalogue).problems == []

    assert {entry.place.date for entry in done.gone} == {f"2023-11-{day}" for day in range(14, 23)}
    assert len(done.gone) == 9 * 3
    assert oldest(root, "trade") == oldest(root, "tick") == START + 9 * DAY
    assert oldest(root, "account.configured") == 1_000
    found = archived(root)
    assert found == everything(SqliteLog(made / "log"))[1 + 27 :]
    assert not list(root.glob("type=trade/date=2023-11-14*"))


@pytest.mark.req("FS-SC-004", "FS-FR-002")
def test_ninety_days_are_there_whole(root: Path) -> None:
    """After expiry every event of the last ninety days is readable: nothing of them is missing."""
    with Catalogue(root) as catalogue:
        expire(root, catalogue, Policy(), NOW)
        found = summary(root, catalogue)
        assert verify(root, catalogue).problems == []

    assert found.complete == 1.0
    series = {one.type: one for one in found.series}
    for kind in ("tick", "book.delta", "trade"):
        assert series[kind].days == 91
        assert series[kind].missing == ()
        assert series[kind].newest - series[kind].oldest == 90 * DAY


@pytest.mark.req("FS-FR-002.3")
def test_types_have_retentions_of_their_own(root: Path) -> None:
    """Deltas for a week, trades for ever, the rest for thirty days; a replay begins where all of them begin."""
    with Catalogue(root) as catalogue:
        expire(root, catalogue, Policy(30, {"book.delta": 7, "trade": 0}), NOW)
        begins = catalogue.begins(0)

    assert oldest(root, "trade") == START
    assert oldest(root, "tick") == START + 69 * DAY
    assert oldest(root, "book.delta") == START + 92 * DAY
    assert begins == 1 + 91 * 3 + 2
    assert archived(root)[0].offset == begins


def test_nothing_expires_where_it_is_to_stay_for_ever(root: Path) -> None:
    with Catalogue(root) as catalogue:
        assert due(catalogue, Policy(0), NOW) == []
        assert due(catalogue, Policy(1), NOW)


def test_ages_count_on_the_clock_of_the_archive(root: Path) -> None:
    """A recording of long ago is not too old because of today; a wrong clock of ours in the past takes nothing."""
    with Catalogue(root) as catalogue:
        assert {entry.place.date for entry in due(catalogue, Policy(90))} == {f"2023-11-{day}" for day in range(14, 23)}
        assert due(catalogue, Policy(90), START) == []


@pytest.mark.req("FS-US-3.2", "FS-EC-07")
def test_what_is_moved_away_comes_back_as_it_was(root: Path, made: Path, tmp_path: Path) -> None:
    """To another root by policy, and back: the same records; and expiry leaves them alone for a while."""
    away = tmp_path / "disk" / "old"
    before = everything(SqliteLog(made / "log"))
    with Catalogue(root) as catalogue:
        done = expire(root, catalogue, Policy(away=away), NOW)
        assert sorted(path.relative_to(away).as_posix() for path in away.rglob("*.parquet")) == sorted(
            entry.path for entry in done.gone
        )
        assert len(archived(root)) == len(before) - 1 - 27
        back = restore(root, catalogue, catalogue.gone())
        assert len(back) == 27
        assert verify(root, catalogue, SqliteLog(made / "log")).compared == len(before)
        assert expire(root, catalogue, Policy(away=away)).gone == []
        assert compact(root, catalogue).rows == 0

    assert archived(root) == before
    assert not list(away.rglob("*"))


def test_what_was_deleted_cannot_come_back_and_it_says_so(root: Path) -> None:
    with Catalogue(root) as catalogue:
        expire(root, catalogue, Policy(), NOW)
        with pytest.raises(ArchiveError, match="was deleted by expiry"):
            restore(root, catalogue, catalogue.gone())


def test_a_damaged_copy_is_not_taken_back(root: Path, tmp_path: Path) -> None:
    with Catalogue(root) as catalogue:
        expire(root, catalogue, Policy(away=tmp_path / "away"), NOW)
        gone = catalogue.gone()
        path = tmp_path / "away" / gone[0].entry.path
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(Damaged, match="is not what was written"):
            restore(root, catalogue, gone[:1])
        (tmp_path / "away" / gone[1].entry.path).unlink()
        with pytest.raises(ArchiveError, match="is not there any more"):
            restore(root, catalogue, gone[1:2])
        assert verify(root, catalogue).problems == []


@pytest.mark.req("FS-US-3.2")
def test_what_somebody_reads_stays(root: Path, tmp_path: Path) -> None:
    """A reader at day five keeps that day and all later ones; once it has read on, and once it is gone, they may go."""
    log = ArchiveLog(SqliteLog(tmp_path / "nothing"), root)
    reader = log.reader("events", 0, 1 + 5 * 3)
    with Catalogue(root) as catalogue:
        done = expire(root, catalogue, Policy(), NOW)
        assert (len(done.gone), len(done.kept)) == (5 * 3, 4 * 3)
        assert "reads events/0 from 16 on" in done.kept[0].reason
        assert len(reader.poll(1_000)) == 95 * 3
        reader.close()
        assert expire(root, catalogue, Policy(), NOW).gone == []
        log.close()
        assert len(expire(root, catalogue, Policy(), NOW).gone) == 4 * 3


@pytest.mark.req("FS-US-3.2")
def test_a_dataset_in_progress_keeps_everything(root: Path, tmp_path: Path) -> None:
    """Between its passes it has no reader open; a process that was killed in the middle holds nothing any more."""
    ready = multiprocessing.get_context("spawn").Queue()
    process = multiprocessing.get_context("spawn").Process(target=_build, args=(root, tmp_path / "nothing", ready))
    process.start()
    pid = ready.get(timeout=120)
    with Catalogue(root) as catalogue:
        done = expire(root, catalogue, Policy(), NOW)
        assert (done.gone, len(done.kept)) == ([], 27)
        assert str(pid) in done.kept[0].reason
        assert summary(root, catalogue).readers == [pid]
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert len(expire(root, catalogue, Policy(), NOW).gone) == 27
    assert not list((root / "_holds").iterdir())


def _build(root: Path, nothing: Path, ready: "multiprocessing.Queue[int]") -> None:
    import os
    import time

    log = ArchiveLog(SqliteLog(nothing), root)
    with holding(log):
        ready.put(os.getpid())
        time.sleep(600)


def test_a_process_that_reads_nothing_for_long_holds_nothing(root: Path, tmp_path: Path) -> None:
    import time

    log = ArchiveLog(SqliteLog(tmp_path / "nothing"), root)
    reader = log.reader("events", 0, 0)
    assert held(root)
    assert held(root, time.time() + 10 * REST)
    reader.close()
    assert held(root)
    assert not held(root, time.time() + 10 * REST)


@pytest.mark.parametrize("moment", ["send_away", "remove"])
def test_expiry_that_is_killed_takes_each_file_whole_or_not(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    class Killed(BaseException):
        pass

    def end(*_: object) -> None:
        raise Killed

    with Catalogue(root) as catalogue:
        with monkeypatch.context() as patched:
            if moment == "send_away":
                patched.setattr(Catalogue, moment, end)
            else:
                patched.setattr(f"connectors.archive.retention.{moment}", end)
            with pytest.raises(Killed):
                expire(root, catalogue, Policy(away=tmp_path / "away"), NOW)
        ArchiveWriter(root, 1).close()
        assert verify(root, catalogue).problems == []
        expire(root, catalogue, Policy(away=tmp_path / "away"), NOW)
        restore(root, catalogue, catalogue.gone())
        assert verify(root, catalogue).problems == []
    assert len(archived(root)) == 1 + 3 * DAYS


def test_the_flow_expires_by_itself(tmp_path: Path) -> None:
    log = log_of(tmp_path / "log", [[of_event(event) for event in days(20)]])
    work = Archive(log, 1, tmp_path / "archive", policy=Policy(10), until_end=True, least_free=0)
    work.run()

    assert work.tally.expired == 9 * 3
    assert oldest(tmp_path / "archive", "tick") == START + 9 * DAY


def test_a_summary_tells_of_days_and_channels_that_are_missing(tmp_path: Path) -> None:
    events = [
        *days(2),
        Gap("AAA", START + 2 * DAY, START + 2 * DAY, "trades", "away", START + DAY, START + DAY + 5_000_000),
        Gap("AAA", START + 2 * DAY, START + 2 * DAY, "trades", "away", START + DAY, START + DAY + 1_000_000),
        Tick(START + 4 * DAY),
    ]
    log = log_of(tmp_path / "log", [[of_event(event) for event in events]])
    with ArchiveWriter(tmp_path / "archive", 1) as writer:
        writer.add(0, everything(log))
        writer.commit()
        found = summary(tmp_path / "archive", writer.catalogue, log)

    assert [(one.symbol, one.channel, one.gaps, one.duration) for one in found.silences] == [
        ("AAA", "trades", 2, 6_000_000)
    ]
    assert {one.type: one.missing for one in found.series}["tick"] == ("2023-11-16", "2023-11-17")
    assert found.rows == log.end("events", 0) == found.shards[0].log_end


def test_days_by_type_are_checked() -> None:
    assert parse_days(" book.delta=14 ,trade=0.5,") == {"book.delta": 14.0, "trade": 0.5}
    for text, reason in {
        "nothing=3": "no type of event",
        "trade": "not <type>=<days>",
        "trade=x": "not <type>=<days>",
        "trade=-1": "at least 0",
        "trade=inf": "at least 0",
        "model.activated=3": "stays for ever",
    }.items():
        with pytest.raises(ValueError, match=reason):
            parse_days(text)
    assert set(kinds()) >= FOR_EVER
