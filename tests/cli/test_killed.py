"""Nothing is left behind, whoever is killed; the next run in the same home goes on as if nothing had happened."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from tests.cli.homes import Home, alive, ended, kill_9
from tests.installation import wait_until

pytestmark = pytest.mark.timeout(600)


@pytest.mark.req("FS-AS-03")
def test_a_run_killed_again_and_again_leaves_nothing_behind_and_loses_nothing(home: Home) -> None:
    """First alone: its guardian ends the rest. Then with everybody who watches: the next run ends the orphans.

    The second run has a cluster and a learner below it, so there are orphans of three owners, whose guardians are
    dead, too.
    """
    first = home.run_dataflow()
    kill_9(psutil.Process(first.pid))
    home.nothing_left()

    second = home.run_dataflow("--processes", "2")
    members = home.processes("run", "trading", "-i")
    orphans = [*members, home.one("serve"), home.one("collect")]
    watching = [*home.processes("cli.guardian"), home.one("run", "trading", "--processes")]
    kill_9(psutil.Process(second.pid), *watching)
    second.wait()
    assert (len(members), len(watching)) == (2, 4)
    assert alive(orphans) == orphans

    ended(home.start("run-dataflow", "--duration", "1"))
    assert not alive(orphans)
    assert not home.processes()
    assert home.in_lockstep() == home.vectors() > 0


def test_it_ends_when_the_program_that_started_it_is_killed(home: Home) -> None:
    """As `make` does: its own end is not passed on to what it started."""
    home.settings["LOCKSTEP_STOP_WITH_PARENT"] = "1"
    command = f'"{sys.executable}" -m cli.main run-dataflow; exit'
    shell = subprocess.Popen(["sh", "-c", command], env=home.environment, stdout=subprocess.PIPE, text=True)
    home.more_vectors(0, shell)
    shell.send_signal(signal.SIGKILL)
    output, _ = shell.communicate(timeout=240)  # the run holds the other end, so this is its end

    home.nothing_left()
    assert "Done:" in output
    assert "is no setting" not in output


@pytest.fixture
def terminal() -> Iterator[None]:
    """What is started from here hears when its terminal is closed, also where the tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("terminal")
def test_a_closed_terminal_ends_it_and_told_twice_it_does_not_finish(home: Home) -> None:
    """In the middle of a market at full speed, where finishing could take long; nothing is left all the same."""
    process = home.run_dataflow("--speed", "max")
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: not home.processes("collect"), "the end of collecting")
    process.send_signal(signal.SIGINT)

    assert "Done:" in ended(process)
    assert not home.processes()
