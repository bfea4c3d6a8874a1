"""Datasets that several processes build: the same bytes as one process, progress, pause, cancel, and dead workers."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from connectors.archive.log import ArchiveLog
from connectors.archive.writer import ArchiveWriter
from connectors.log import LogError
from connectors.log.address import open_address
from connectors.log.span import span
from connectors.log.sqlite import SqliteLog
from learning.datasets import Cancelled, DatasetError, Random, Span, TimeBased, WalkForward, build
from learning.datasets.assembly import Assembly
from learning.datasets.pace import Pace
from learning.datasets.parallel.crew import Crew
from learning.datasets.parallel.jobs import Piece, job_decoder, told_decoder
from learning.datasets.parallel.worker import AHEAD, Parent, make, prove
from learning.datasets.parallel.workforce import Workforce
from operators.registry import Registry
from schemas.learning import Target
from schemas.market import Tick
from tests.learning.datasets.session import (
    REGISTRY,
    SHARDS,
    at,
    request,
    shard_events,
    write_events,
)

SHORT = Registry("short", REGISTRY.entries[:-1])
"""Without a look-back on candles, so that most pieces of a session begin where they cannot see its beginning."""
TIMEOUT = 120.0
"""Seconds after which something hangs."""


class Inline:
    """A crew that does its jobs in this process, with the functions of the worker: for many examples in little time."""

    def __init__(self, jobs: Sequence[bytes], count: int, step: Callable[[int], None]) -> None:
        self.jobs = jobs
        self.peaks = [0] * count
        self.step = step

    def answer(self, place: int, kind: Any) -> Any:
        job = job_decoder.decode(self.jobs[place])
        with closing(open_address(job.log)) as log:
            done = make(log, job, self) if isinstance(job, Piece) else prove(log, job, self)  # type: ignore[arg-type]
        return msgspec.json.decode(msgspec.json.encode(done), type=kind)

    def attend(self, seconds: float = 0.0) -> None:
        pass

    def close(self) -> None:
        pass


def content(folder: Path) -> dict[str, bytes]:
    """All that a build must always make alike."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    del found["build.json"]
    return found


def built(log: SqliteLog, asked: Any, folder: Path, pieces: int, registry: Registry = REGISTRY) -> dict[str, bytes]:
    """A dataset of so many pieces, without processes; 0: as one process does it."""
    force = Workforce(2, pieces) if pieces else Workforce()
    assembly = Assembly(log, SHARDS, asked, registry, Pace(), None, force)
    if assembly.team is not None:
        assembly.team.hire = Inline  # type: ignore[assignment]
    assembly.into(folder)
    return content(folder)


TARGETS = st.builds(
    Target,
    st.sampled_from(["classification", "regression", "risk_adjusted"]),
    horizon=st.sampled_from([1, 20, 75, 200]),
    threshold=st.just(0.0),
)
PLANS = st.sampled_from(
    [
        TimeBased(Span(at(0), at(40)), Span(at(40), at(45)), Span(at(45), at(49))),
        TimeBased(Span(at(15), at(30)), Span(at(32), at(40)), Span(at(40), at(70))),
        Random(at(1), at(49)),
        WalkForward(at(5), at(49), 15 / 1440, 5 / 1440, 10 / 1440, min_train_samples=20),
    ]
)


@pytest.mark.req("TK-FS-23", "TK-FS-24")
@settings(max_examples=5, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    seed=st.integers(0, 3),
    target=TARGETS,
    plan=PLANS,
    every=st.sampled_from([3, 5, 7]),
    pieces=st.sampled_from([2, 3, 6]),
    missing=st.sampled_from(["null", "forward_fill", "extrapolate", "skip"]),
)
def test_any_number_of_pieces_gives_the_same_bytes(
    many_logs, tmp_path_factory, seed, target, plan, every, pieces, missing
):
    """Gaps, silences, late and repeated events, tainted spans, horizons across borders, two symbols on a shard."""
    asked = request(target=target, plan=plan, every=every, missing=missing)
    folder = tmp_path_factory.mktemp("set")
    log = many_logs(seed)
    try:
        alone = built(log, asked, folder / "alone", 0, SHORT)
    except DatasetError as error:
        with pytest.raises(type(error)) as other:
            built(log, asked, folder / "cut", pieces, SHORT)
        assert str(other.value) == str(error)
        return

    assert built(log, asked, folder / "cut", pieces, SHORT) == alone


@pytest.fixture(scope="module")
def many_logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], SqliteLog]]:
    """Sessions by their seed; tests must not write."""
    logs: dict[int, SqliteLog] = {}

    def log_of(seed: int) -> SqliteLog:
        if seed not in logs:
            logs[seed] = log_of_events(tmp_path_factory.mktemp("log"), seed, 3_000)
        return logs[seed]

    yield log_of
    for log in logs.values():
        log.close()


def log_of_events(folder: Path, seed: int, seconds: int) -> SqliteLog:
    """A session with faults, and no features beside it."""
    log = SqliteLog(folder)
    for topic in ("events", "features"):
        log.create(topic, SHARDS)
    for shard in range(SHARDS):
        write_events(log, shard, shard_events(seed * 7 + 1, seconds, shard))
    return log


def test_a_window_that_ends_in_a_silence_across_the_border(tmp_path):
    """What comes of a moment is not known in its own piece: the vector it waits for is missing, or the data end."""
    log = SqliteLog(tmp_path / "log")
    for topic in ("events", "features"):
        log.create(topic, SHARDS)
    for shard in range(SHARDS):
        events = [event for event in shard_events(1, 900, shard, faults=False)
                  if isinstance(event, Tick) or not at(6.5) < event.recv < at(9)]  # fmt: skip
        write_events(log, shard, events)
    asked = request(target=Target("regression", horizon=60, threshold=0.0))

    alone = built(log, asked, tmp_path / "alone", 0)

    lost = json.loads(alone["metadata.json"])["coverage"]["AAAA"]["lost"]
    assert lost.get("vector", 0) > 0
    for pieces in (2, 14):
        assert built(log, asked, tmp_path / str(pieces), pieces) == alone
    log.close()


@pytest.mark.req("TK-FS-24", "TK-FS-25", "FS-EC-08")
def test_worker_processes_give_the_same_bytes(session_log, tmp_path):
    """Three workers and five pieces; how it went is told and kept."""
    told = []
    alone = build(session_log, SHARDS, request(samples=1), REGISTRY, tmp_path / "alone")

    spread = build(
        session_log,
        SHARDS,
        request(samples=1),
        REGISTRY,
        tmp_path / "spread",
        workers=3,
        pieces=5,
        progress=told.append,
    )

    assert spread == alone
    assert content(tmp_path / "spread") == content(tmp_path / "alone")
    about = json.loads((tmp_path / "spread" / "build.json").read_bytes())
    assert (about["workers"], about["pieces"]) == (3, 5)
    assert set(about["seconds"]) == {"plan", "rows", "check"}
    assert about["peak_memory_bytes"] > sum(about["peak_memory_of_workers_bytes"]) > 0
    assert about["messages"] > 0 and about["messages_per_second"] > 0 and about["rows_per_second"] > 0
    assert told[-1].phase == "check" and told[-1].rows == about["rows"]
    done = [progress.done for progress in told if progress.phase == "rows"]
    assert done == sorted(done) and done[-1] == about["messages"]


@pytest.mark.req("TK-FS-24")
def test_a_killed_worker_is_replaced(session_log, tmp_path):
    """Its piece is computed anew, and nothing is counted twice."""
    build(session_log, SHARDS, request(samples=1), REGISTRY, tmp_path / "alone")
    with killing(times=1) as killed:
        build(session_log, SHARDS, request(samples=1), REGISTRY, tmp_path / "spread", workers=2, pieces=3)

    assert len(killed) == 1
    assert content(tmp_path / "spread") == content(tmp_path / "alone")


def test_a_piece_that_kills_every_worker_ends_the_build(session_log, tmp_path):
    """The message says what happened and what to do; nothing is left behind."""
    with killing(times=100), pytest.raises(DatasetError, match=r"signal 9 3 times at piece . of 4: .*--workers"):
        build(session_log, SHARDS, request(samples=1), REGISTRY, tmp_path / "spread", workers=2, pieces=4)

    assert not list(tmp_path.iterdir())
    assert not workers()


@pytest.mark.req("FS-EC-08")
def test_a_paused_build_waits_and_a_cancelled_one_leaves_no_worker(session_log, tmp_path):
    """A build that is paused when it begins ends when it is cancelled, and nothing is left of it."""
    paused, cancelled, result = threading.Event(), threading.Event(), []
    paused.set()

    def run() -> None:
        try:
            build(session_log, SHARDS, request(samples=1), REGISTRY, tmp_path / "set", workers=2, pieces=4,
                  paused=paused.is_set, cancelled=cancelled.is_set)  # fmt: skip
        except Cancelled as error:
            result.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: len(workers()) == 2)
    cancelled.set()
    thread.join(TIMEOUT)

    assert len(result) == 1 and not workers() and not list(tmp_path.iterdir())


@pytest.mark.req("FS-EC-08")
def test_a_worker_does_not_run_ahead_of_a_parent_that_does_not_listen():
    """That is what a pause is: after so many words it waits for an answer; without a parent it ends."""
    (hear, answer), (told, say) = os.pipe(), os.pipe()
    with os.fdopen(hear, "rb") as ear, os.fdopen(say, "wb", 0) as mouth, os.fdopen(told, "rb") as heard:
        parent = Parent(ear, mouth)
        for _ in range(AHEAD - 1):
            parent._said = 0.0
            parent.step(10)
        waits = threading.Thread(target=lambda: ended(parent))
        waits.start()
        time.sleep(0.05)
        assert waits.is_alive()
        os.write(answer, b"\n")
        waits.join(TIMEOUT)
        parent.credit = 1
        parent._said = 0.0
        os.close(answer)
        with pytest.raises(SystemExit):
            parent.step(10)
        assert [told_decoder.decode(heard.readline()).step for _ in range(AHEAD)] == [10] * AHEAD


def ended(parent: Parent) -> None:
    """The step after which an answer must come."""
    parent._said = 0.0
    parent.step(10)


def test_a_dataset_from_the_archive(session_log, tmp_path):
    """Each worker opens the archive for itself, behind it the log."""
    with ArchiveWriter(tmp_path / "archive", SHARDS) as writer:
        for shard in range(SHARDS):
            writer.add(shard, list(span(session_log, "events", shard, 0, session_log.end("events", shard) - 500)))
        writer.commit()
    build(session_log, SHARDS, request(samples=1), REGISTRY, tmp_path / "one")
    log = ArchiveLog(SqliteLog(Path(session_log.address()["root"])), tmp_path / "archive")
    with closing(log):
        build(log, SHARDS, request(samples=1), REGISTRY, tmp_path / "two", workers=2, pieces=2)

    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_what_a_worker_cannot_do_is_told_as_if_we_had_failed(tmp_path):
    """A log that is not there is a log error, of the same words."""
    job = b'{"kind":"piece","log":{"home":"moon"},"version":"1","features":[],"names":[],"deviation":null,' \
          b'"target":{},"every":1,"stretches":[],"first":0,"end":1,"until":1,"spool":"x"}'  # fmt: skip
    crew = Crew([job], 1, lambda count: None)
    with closing(crew), pytest.raises(LogError, match="no home of the log called 'moon'"):
        crew.answer(0, dict)
    assert not workers()


def workers() -> list[psutil.Process]:
    """The worker processes of this one."""
    return [child for child in psutil.Process().children() if is_worker(child)]


def is_worker(child: psutil.Process) -> bool:
    try:
        return "learning.datasets.parallel.worker" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@contextmanager
def killing(times: int) -> Iterator[list[int]]:
    """Kill so many of our workers as they appear."""
    killed: list[int] = []
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.01) and len(killed) < times:
            for child in workers():
                if child.pid not in killed and len(killed) < times:
                    os.kill(child.pid, signal.SIGKILL)
                    killed.append(child.pid)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield killed
    finally:
        stop.set()
        thread.join(TIMEOUT)


def until(said: Callable[[], bool]) -> None:
    """Wait; what never comes about hangs."""
    deadline = time.monotonic() + TIMEOUT
    while not said():
        assert time.monotonic() < deadline
        time.sleep(0.01)
