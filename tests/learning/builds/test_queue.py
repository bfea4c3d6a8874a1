"""The queue of builds: order, waiting, going on, giving up, and what is left after a crash."""

import subprocess
import sys
from pathlib import Path

import pytest

from learning.builds import control
from learning.builds.control import Unsuitable
from learning.builds.worker import Worker
from learning.datasets.errors import DatasetError
from tests.learning.builds.made import Steps, Working, ask, connect, eventually, row, state


def told(url: str, dataset, action: str) -> str:
    with connect(url) as connection:
        return control.ask(connection, dataset, action)


@pytest.mark.req("FS-EC-10")
def test_several_builds_are_made_one_after_the_other_the_most_urgent_first(url: str, tmp_path: Path) -> None:
    """Of equal ones the oldest; each is noted with how it went."""
    make = Steps()
    make.go.set()
    datasets = {name: ask(url, tmp_path, priority) for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 5))}
    worker = Worker(url, make)
    made = []
    while (dataset := worker.work_once()) is not None:
        made.append(dataset)

    assert made == [datasets[name] for name in "bdac"]
    with connect(url) as connection:
        measured = connection.execute(
            "select dataset_id, build_status, train_records, records_count, trace_id, split_strategy,"
            " build_completed_at >= build_started_at from dataset_building_metrics order by build_started_at"
        ).fetchall()
    assert measured == [(dataset, "ready", 7, 7, "trace-7", "time_based", True) for dataset in made]


@pytest.mark.req("FS-EC-08")
def test_a_build_tells_its_progress_is_paused_lets_the_next_one_pass_and_goes_on(url: str, tmp_path: Path) -> None:
    """It keeps what it has: it is begun once."""
    make = Steps()
    large, small = ask(url, tmp_path, 1), ask(url, tmp_path)
    with Working(url, make):
        assert eventually(lambda: (row(url, large)["metadata"].get("progress") or {}).get("percent") == 45.0)
        shown = row(url, large)
        assert told(url, large, "pause") == "building"
        assert eventually(lambda: state(url, large) == "paused")
        assert eventually(lambda: make.begun == [str(large), str(small)])
        make.go.set()
        assert eventually(lambda: state(url, small) == "ready")
        assert state(url, large) == "paused"
        assert told(url, large, "resume") == "paused"
        assert eventually(lambda: state(url, large) == "ready")

    assert shown["status"] == "building"
    assert shown["estimated_completion"] is not None
    progress = shown["metadata"]["progress"]
    assert (progress["phase"], progress["total"]) == ("rows", 100)
    assert progress["eta_seconds"] > 0
    assert make.begun == [str(large), str(small)]
    assert row(url, large)["estimated_completion"] is None


def test_a_resumed_build_waits_until_the_running_one_is_done(url: str, tmp_path: Path) -> None:
    make = Steps()
    first, second = ask(url, tmp_path, 1), ask(url, tmp_path)
    with Working(url, make):
        assert eventually(lambda: make.begun == [str(first)])
        told(url, first, "pause")
        assert eventually(lambda: len(make.begun) == 2 and state(url, second) == "building")
        told(url, first, "resume")
        assert not eventually(lambda: state(url, first) == "building", seconds=1.5)
        make.go.set()
        assert eventually(lambda: state(url, first) == "ready")

    assert make.ended == [str(second), str(first)]


def test_what_is_paused_or_cancelled_before_its_turn_is_not_begun(url: str, tmp_path: Path) -> None:
    make = Steps()
    make.go.set()
    paused, cancelled, last = (ask(url, tmp_path) for _ in range(3))
    assert told(url, paused, "pause") == "paused"
    assert told(url, cancelled, "cancel") == "cancelled"
    worker = Worker(url, make)
    worker.run(until_empty=True)

    assert make.begun == [str(last)]
    assert (row(url, cancelled)["status"], row(url, cancelled)["error_message"]) == ("failed", control.CANCELLED)
    assert told(url, paused, "resume") == "queued"
    Worker(url, make).run(until_empty=True)
    assert state(url, paused) == "ready"
    for dataset in (paused, cancelled):
        with pytest.raises(Unsuitable, match="only a build that is not over can be"):
            told(url, dataset, "pause")


@pytest.mark.parametrize("held_up", [False, True])
def test_a_running_or_paused_build_is_cancelled_within_moments(url: str, tmp_path: Path, held_up: bool) -> None:
    make = Steps()
    dataset = ask(url, tmp_path)
    with Working(url, make):
        assert eventually(lambda: make.begun)
        if held_up:
            told(url, dataset, "pause")
            assert eventually(lambda: state(url, dataset) == "paused")
        told(url, dataset, "cancel")
        assert eventually(lambda: state(url, dataset) == "cancelled")

    assert (make.ended, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.req("TK-FS-30")
@pytest.mark.parametrize("running", [False, True])
def test_a_deleted_dataset_is_gone_with_its_files_and_its_build(url: str, tmp_path: Path, running: bool) -> None:
    make = Steps()
    dataset = ask(url, tmp_path)
    if not running:
        make.go.set()
        Worker(url, make).work_once()
        assert (tmp_path / str(dataset) / "metadata.json").is_file()
    with Working(url, make), connect(url) as connection:
        assert eventually(lambda: make.begun)
        assert control.remove(connection, dataset) is not running
        if running:
            assert eventually(lambda: control.remove(connection, dataset))
        with pytest.raises(LookupError, match=f"no dataset {dataset}"):
            control.remove(connection, dataset)

    assert list(tmp_path.iterdir()) == []


KILLED = """
import sys, time
from pathlib import Path
from learning.builds.worker import Worker
def make(request, registry, folder, progress):
    print("begun", flush=True)
    time.sleep(600)
Worker(sys.argv[1], make).work_once()
"""


@pytest.mark.req("TK-FS-31")
def test_a_build_whose_process_was_killed_is_taken_up_again(url: str, tmp_path: Path) -> None:
    """While it lives nobody else takes it; when it is killed by force the next worker begins it again."""
    dataset = ask(url, tmp_path)
    process = subprocess.Popen([sys.executable, "-c", KILLED, url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    make = Steps()
    make.go.set()
    assert state(url, dataset) == "building"
    assert Worker(url, make).work_once() is None
    process.kill()
    process.wait()
    assert eventually(lambda: Worker(url, make).work_once() == dataset)

    assert state(url, dataset) == "ready"


def test_an_interrupted_build_begins_again_with_the_next_worker(url: str, tmp_path: Path) -> None:
    """Also one that was paused, when it may go on."""
    make = Steps()
    running, paused = ask(url, tmp_path), ask(url, tmp_path, 1)
    with Working(url, make):
        assert eventually(lambda: make.begun)
        told(url, paused, "pause")
        assert eventually(lambda: len(make.begun) == 2)
    assert (state(url, running), state(url, paused)) == ("building", "paused")
    make.go.set()
    told(url, paused, "resume")
    Worker(url, make).run(until_empty=True)

    assert (state(url, running), state(url, paused)) == ("ready", "ready")


def test_a_build_that_fails_says_why_and_the_next_one_is_made(url: str, tmp_path: Path) -> None:
    good = Steps()
    good.go.set()
    bad, defect, fine = (ask(url, tmp_path, priority) for priority in (2, 1, 0))
    problems = {str(bad): DatasetError("the target has one class"), str(defect): ZeroDivisionError("a defect")}

    def make(request, registry, folder, progress):
        if request.dataset_id in problems:
            raise problems[request.dataset_id]
        return good(request, registry, folder, progress)

    Worker(url, make).run(until_empty=True)

    assert [row(url, one)["status"] for one in (bad, defect, fine)] == ["failed", "failed", "ready"]
    assert row(url, bad)["error_message"] == "the target has one class"
    assert row(url, defect)["error_message"] == "ZeroDivisionError: a defect"
    with connect(url) as connection:
        counts = connection.execute("select build_status, count(*) from dataset_building_metrics group by 1").fetchall()
    assert dict(counts) == {"failed": 2, "ready": 1}
