"""Killed at any moment, the archive holds every event once, and no half-written file was ever seen."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random

import duckdb
import pyarrow.parquet as pq
import pytest

from connectors.archive import Damaged, NoSpace, RecordsLost, WrongLog, changes
from connectors.archive.catalogue import Catalogue, SecondWriter
from connectors.archive.compaction import LARGEST, SMALL, TOGETHER, compact, runs
from connectors.archive.verify import verify
from connectors.archive.writer import ArchiveWriter
from connectors.log import NewRecord
from connectors.log.sqlite import SqliteLog
from dataflows.archive import Archive
from schemas.market import Tick
from tests.archive.made import archive, archived, everything, log_of, of_event, records

pytestmark = pytest.mark.timeout(300)
PROGRAM = """
import sys
from pathlib import Path
from connectors.log.sqlite import SqliteLog
from dataflows import archive
archive.BATCH, archive.HOUSEKEEPING = 90, 0.05
archive.Archive(SqliteLog(Path(sys.argv[1])), 2, Path(sys.argv[2]), every=0.01, until_end=True, least_free=0).run()
"""
"""The archive flow, committing and compacting as often as it can: killed, it is always killed amidst something."""


class Killed(BaseException):
    """What a process that is killed with -9 does next: nothing."""


def start(log: Path, root: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(log), str(root)], start_new_session=True)


def run(log: SqliteLog, root: Path, **options: object) -> Archive:
    work = Archive(log, 2, root, until_end=True, least_free=0, **options)  # type: ignore[arg-type]
    work.run()
    return work


@pytest.mark.req("FS-US-3.1")
def test_kill_9_at_random_moments_leaves_every_event_once(tmp_path: Path) -> None:
    """The flow in a process of its own, killed again and again while it commits and compacts, as DuckDB sees it too."""
    log = log_of(tmp_path / "log", made_of())
    root, random = tmp_path / "archive", Random(3)
    killed = 0
    while killed < 3:
        process = start(tmp_path / "log", root)
        wait_for_commit(root, process)
        time.sleep(random.random() * 0.05)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
        for path in root.glob("type=*/**/*.parquet"):
            pq.read_metadata(path)  # whole, or not there
        if killed == 1:  # what is archived is needed no more
            trim(log, root)
    run(log, root)

    with Catalogue(root) as catalogue:
        assert verify(root, catalogue, log).problems == []
    for shard, made in enumerate(made_of()):
        found = archived(root, shard)
        assert [one.offset for one in found] == list(range(len(made)))
        assert [(one.key, one.value, one.headers) for one in found] == [
            (one.key, one.value, tuple(one.headers)) for one in made
        ]
    files = f"read_parquet('{root}/type=*/*/*/*.parquet', union_by_name=true)"
    counted = duckdb.sql(f'select shard, count(*), count(distinct "offset") from {files} group by 1 order by 1')
    assert counted.fetchall() == [(shard, one, one) for shard, one in enumerate(map(len, made_of()))]


def made_of() -> list[list[NewRecord]]:
    return [records(1, 250), records(2, 200)]


def wait_for_commit(root: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the process has committed something, or ended."""
    with_before = places(root)
    while process.poll() is None and places(root) == with_before:
        time.sleep(0.005)


def places(root: Path) -> object:
    if not (root / "_catalogue.sqlite").exists():
        return None
    with Catalogue(root) as catalogue:
        return catalogue.stands()


def trim(log: SqliteLog, root: Path) -> None:
    with Catalogue(root) as catalogue:
        for shard, stand in catalogue.stands().items():
            log.trim("events", shard, stand.position)


@pytest.mark.parametrize("moment", ["before the names", "between the names", "before the catalogue", "after it"])
def test_a_commit_counts_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """Ended at each step of a commit; what the next one finds is removed, and archived again."""
    log = log_of(tmp_path / "log", [records(1, 60), records(2, 60)])
    root = tmp_path / "archive"
    archive_part(root, log, 60)
    with monkeypatch.context() as patched:
        die(patched, moment)
        with pytest.raises(Killed):
            run(log, root)
    left = sum(1 for _ in root.glob("type=*/**/*.parquet"))
    with Catalogue(root) as catalogue:
        assert (left > len(catalogue.files())) == (moment in ("between the names", "before the catalogue"))
    run(log, root)

    assert [archived(root, shard) for shard in (0, 1)] == [everything(log, shard) for shard in (0, 1)]
    with Catalogue(root) as catalogue:
        assert verify(root, catalogue, log).problems == []


def archive_part(root: Path, log: SqliteLog, count: int) -> None:
    with ArchiveWriter(root, 2) as writer:
        for shard in (0, 1):
            writer.add(shard, everything(log, shard)[:count])
        writer.commit()


def die(patched: pytest.MonkeyPatch, moment: str) -> None:
    """Let the next commit end at a moment."""

    def end(*_: object, **__: object) -> None:
        raise Killed

    if moment == "before the names":
        patched.setattr("connectors.archive.writer.name", end)
    elif moment == "between the names":
        whole = changes.name
        patched.setattr("connectors.archive.writer.name", lambda root, drafts: (whole(root, drafts[:2]), end()))
    elif moment == "before the catalogue":
        patched.setattr(Catalogue, "commit", end)
    else:
        commit = Catalogue.commit
        patched.setattr(Catalogue, "commit", lambda *arguments: (commit(*arguments), end()))


@pytest.mark.parametrize("moment", ["name", "swap", "remove"])
def test_a_compaction_counts_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    log = log_of(tmp_path / "log", [records(1, 60)])
    root = tmp_path / "archive"
    archive(root, log, commits=2)

    def end(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched, Catalogue(root) as catalogue:
        if moment == "swap":
            patched.setattr(Catalogue, "swap", end)
        else:
            patched.setattr(f"connectors.archive.compaction.{moment}", end)
        with pytest.raises(Killed):
            compact(root, catalogue, everything=True)
    assert archived(root) == everything(log)
    ArchiveWriter(root, 1).close()

    with Catalogue(root) as catalogue:
        assert verify(root, catalogue, log).problems == []
    assert archived(root) == everything(log)


def test_compaction_keeps_rows_and_bytes_and_leaves_few_files(tmp_path: Path) -> None:
    log = log_of(tmp_path / "log", [records(1, 300)])
    root = tmp_path / "archive"
    archive(root, log, commits=TOGETHER)
    with Catalogue(root) as catalogue:
        before = len(catalogue.files())
        done = compact(root, catalogue)
        assert done.files_before >= TOGETHER
        places = {entry.place for entry in catalogue.files()}
        compact(root, catalogue, everything=True)
        after = catalogue.files()
        assert verify(root, catalogue, log).problems == []

    assert before > 90
    assert len(after) == len(places) == sum(1 for _ in root.glob("type=*/**/*.parquet"))
    assert archived(root) == everything(log)


def test_what_is_compacted_has_a_size_that_can_be_read(tmp_path: Path) -> None:
    """Files of past days become as few as their size demands, those of today only many small ones."""
    log = log_of(tmp_path / "log", [records(1, 60)])
    archive(tmp_path / "archive", log)
    with Catalogue(tmp_path / "archive") as catalogue:
        (like,) = [entry for entry in catalogue.files() if entry.place.type == "tick"]
    past = like.place._replace(date="2023-11-13")

    def files(place: object, rows: list[int]) -> list:
        return [like._replace(place=place, first=number, last=number, rows=count) for number, count in enumerate(rows)]

    assert runs([like, *files(past, [LARGEST - 10, 10, 5, 6])]) == [
        files(past, [LARGEST - 10, 10, 5, 6])[:2], files(past, [LARGEST - 10, 10, 5, 6])[2:]
    ]  # fmt: skip
    today = like.place
    assert runs(files(today, [1] * (TOGETHER - 1))) == []
    assert runs(files(today, [SMALL, *[1] * TOGETHER])) == [files(today, [SMALL, *[1] * TOGETHER])[1:]]
    assert len(runs(files(today, [1, 1]), everything=True)) == 1


def test_two_writers_never_both_count(tmp_path: Path) -> None:
    log = log_of(tmp_path / "log", [records(1, 60)])
    root = tmp_path / "archive"
    found = everything(log)
    first, second = ArchiveWriter(root, 1), ArchiveWriter(root, 1)
    for writer in (first, second):
        writer.add(0, found)
    first.commit()
    with pytest.raises(SecondWriter, match="another process archives events/0"):
        second.commit()
    first.close(), second.close()
    ArchiveWriter(root, 1).close()

    assert archived(root) == found


def test_the_archive_of_another_log_is_refused(tmp_path: Path) -> None:
    """A log that was begun anew, or is shorter, is not mixed with what was archived of the old one."""
    run(log_of(tmp_path / "log", [records(1, 60), []]), tmp_path / "archive")
    for name, other in (("shorter", records(1, 20)), ("other", records(2, 90))):
        with pytest.raises(WrongLog, match="LOCKSTEP_ARCHIVE"):
            run(log_of(tmp_path / name, [other, []]), tmp_path / "archive")
    with pytest.raises(Exception, match="with 2 shards, not 3"):
        ArchiveWriter(tmp_path / "archive", 3)


def test_what_retention_took_first_is_an_error_and_then_a_remembered_loss(tmp_path: Path) -> None:
    log = log_of(tmp_path / "log", [records(1, 60), []])
    root = tmp_path / "archive"
    archive_part(root, log, 50)
    before = everything(log)
    log.trim("events", 0, 70)
    with pytest.raises(RecordsLost, match="--accept-loss"):
        run(log, root)
    run(log, root, accept_loss=True)

    with Catalogue(root) as catalogue:
        (absent,) = catalogue.absent()
        assert (absent.shard, absent.first, absent.stop) == (0, 50, 70)
        assert verify(root, catalogue, log).problems == []
    assert archived(root) == [*before[:50], *before[70:]]


def test_a_damaged_archive_is_found(tmp_path: Path) -> None:
    """Each sort by itself: a lost file, a shorter one, a flipped bit, one that nobody knows, rows that nobody has."""
    log = log_of(tmp_path / "log", [records(1, 30)])

    def problems(number: int, damage: object) -> list[str]:
        root = tmp_path / f"archive{number}"
        archive(root, log)
        with Catalogue(root) as catalogue:
            damage(root, catalogue, root / catalogue.files()[0].path)  # type: ignore[operator]
            return verify(root, catalogue, log).problems

    def flip(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    assert "is missing" in problems(1, lambda root, catalogue, path: path.unlink())[0]
    assert "bytes, not" in problems(2, lambda root, catalogue, path: path.write_bytes(path.read_bytes()[:-1]))[0]
    assert "holds other bytes" in problems(3, lambda root, catalogue, path: flip(path))[0]
    assert "was left by" in problems(4, lambda root, catalogue, path: catalogue.swap(catalogue.files()[:1], []))[0]
    (root := tmp_path / "archive5").mkdir()
    archive(root / "a", log)
    with Catalogue(root / "a") as catalogue:
        entry = catalogue.files()[0]
        catalogue.swap([entry], [])
        (root / "a" / entry.path).unlink()
        found = verify(root / "a", catalogue, log).problems
    assert len(found) == min(entry.rows, 20)
    assert "is missing: archive again" in found[0]


def test_a_file_that_is_gone_is_told_by_readers_too(tmp_path: Path) -> None:
    log = log_of(tmp_path / "log", [records(1, 60)])
    archive(tmp_path / "archive", log)
    next((tmp_path / "archive").glob("type=trade/**/*.parquet")).unlink()

    with pytest.raises(Damaged, match="lockstep archive verify"):
        archived(tmp_path / "archive")


def test_a_full_disk_stops_archiving_before_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log goes on and keeps what waits; with room again, it is archived."""
    log = log_of(tmp_path / "log", [records(1, 60), []])
    monkeypatch.setattr("connectors.archive.space.free", lambda folder: 5)
    with pytest.raises(NoSpace, match="LOCKSTEP_ARCHIVE_MIN_FREE_GB"):
        Archive(log, 2, tmp_path / "archive", until_end=True, least_free=6).run()
    stop = threading.Event()
    work = Archive(log, 2, tmp_path / "archive", every=0.01, least_free=6, stop=stop)
    thread = threading.Thread(target=work.run)
    thread.start()
    time.sleep(0.1)
    assert not list((tmp_path / "archive").glob("type=*"))
    monkeypatch.setattr("connectors.archive.space.free", lambda folder: 6)
    deadline = time.monotonic() + 60
    while work.tally.rows < log.end("events", 0) and time.monotonic() < deadline:
        time.sleep(0.02)
    log.append("events", 1, [of_event(Tick(5))])
    stop.set()
    thread.join()

    assert archived(tmp_path / "archive") == everything(log)
