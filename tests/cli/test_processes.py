"""Child processes are ended by identity: never somebody else's, and never those of a run that lives."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.alone import alone
from cli.context import UserError
from cli.processes import Processes, end, end_leftovers, find, identity
from tests.installation import wait_until

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)",
]


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing for a long time."""
    process = subprocess.Popen(SLEEP)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path / "processes", tmp_path / "logs")
    try:
        yield processes
    finally:
        processes.stop_all()


def test_a_process_id_that_was_used_again_is_never_ended(sleeper: subprocess.Popen[bytes]) -> None:
    known = identity(sleeper.pid)
    another = {**known, "started": known["started"] - 1.0}

    assert end([another]) == []
    assert sleeper.poll() is None
    assert end([known]) == [sleeper.pid]
    assert sleeper.poll() is not None


def test_a_zombie_counts_as_ended() -> None:
    """Its id is taken until its parent has looked; there is nothing to wait for."""
    process = subprocess.Popen(SLEEP)
    known = identity(process.pid)
    process.kill()
    wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE, "the zombie")

    assert find(known) is None
    process.wait()


def test_leftovers_of_a_dead_owner_are_ended_and_those_of_a_living_one_are_not(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    """Also when the owner's process id is in use again."""
    state = tmp_path / "1-2.json"
    owner = identity(os.getpid())
    state.write_text(json.dumps({"owner": owner, "children": [identity(sleeper.pid)]}))
    assert end_leftovers(tmp_path) == []
    assert state.exists()

    owner["started"] -= 1.0
    state.write_text(json.dumps({"owner": owner, "children": [identity(sleeper.pid)]}))
    assert end_leftovers(tmp_path) == [sleeper.pid]
    assert not state.exists()


@pytest.mark.parametrize("damaged", ["", "{", "[]", "null", '{"owner": null}', '{"children": []}'])
def test_a_damaged_state_file_names_nobody_and_goes_away(tmp_path: Path, damaged: str) -> None:
    (tmp_path / "1-2.json").write_text(damaged)

    assert end_leftovers(tmp_path) == []
    assert not list(tmp_path.iterdir())


def test_two_runs_of_one_folder_leave_each_other_alone(children: Processes, tmp_path: Path) -> None:
    children.start("one", SLEEP)
    second = Processes(tmp_path / "processes", tmp_path / "logs")
    second.start("two", SLEEP)
    second.stop_all()

    assert children.returncode("one") is None


def test_a_guardian_that_was_killed_is_replaced_and_missed_by_nobody(children: Processes) -> None:
    children.start("one", SLEEP)
    assert children.guardian is not None
    children.guardian.kill()
    children.guardian.wait()
    children.stop_all()
    assert children.guardian is None

    children.start("two", SLEEP)
    children.guardian.kill()
    children.guardian.wait()
    children.guard()
    assert children.guardian.poll() is None


def test_who_ignores_a_request_to_end_is_killed(children: Processes, tmp_path: Path) -> None:
    children.start("deaf", STUBBORN)
    wait_until(lambda: children.tail("deaf") == "deaf", "deafness")

    assert children.stop("deaf", grace=0.2) == -9
    assert children.stop("deaf") is None


def test_nothing_stays_when_all_are_stopped(children: Processes, tmp_path: Path) -> None:
    """Neither children nor guardian nor state."""
    for name in ("one", "two"):
        children.start(name, SLEEP)
    pids = [child.pid for child in children.children.values()]
    assert children.guardian is not None
    pids.append(children.guardian.pid)
    children.stop_all()

    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert not list((tmp_path / "processes").iterdir())


def test_the_log_of_a_child_is_kept_over_restarts_and_its_end_can_be_shown(children: Processes) -> None:
    for word in ("first", "second"):
        children.start("talker", [sys.executable, "-c", f"print('{word}')"])
        children.children["talker"].wait()

    assert children.tail("talker") == "first\nsecond"
    assert children.tail("talker", lines=1) == "second"
    assert children.tail("nobody") == ""


def test_a_held_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with alone(lock, "process {pid} has it"), pytest.raises(UserError) as refused, alone(lock, "process {pid} has it"):
        pass
    assert (refused.value.message, refused.value.exit_code) == (f"process {os.getpid()} has it", 5)

    with alone(lock, "process {pid} has it"):
        assert lock.read_text() == str(os.getpid())
