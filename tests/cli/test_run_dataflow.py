"""The main job as a user runs it: what it shows, what it serves, what it ends with, and that nothing is left."""

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import temporary
from tests.cli.homes import Home, ended
from tests.installation import wait_until

SUMMARY = re.compile(r"Done: ([\d,]+) events -> ([\d,]+) feature vectors of (\d+) symbols\.")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, subprocess.Popen[str]]]:
    """A run in the middle, for the tests below that leave it running; the last one ends it."""
    for home in temporary(tmp_path_factory.mktemp("running") / "home"):
        yield home, home.run_dataflow()


@pytest.mark.req("FS-US-1.1", "FS-FR-029", "FS-FR-005")
def test_it_runs_for_a_duration_serves_vectors_and_leaves_nothing_behind(home: Home) -> None:
    """Exit 0, a summary, no process; every vector of the log is what a replay makes of it."""
    process = home.run_dataflow("--source", "demo", "--duration", "15")
    wait_until(home.answers, "the API", process)
    first = newest(home, process)
    wait_until(lambda: newest(home, process) > first, "a newer vector", process)
    output = ended(process)

    assert not home.processes()
    events, vectors, symbols = summary(output)
    assert (events > 100, symbols) == (True, 2)
    assert re.search(r"append -> feature latency p50 \d+\.\d ms, p99 \d+\.\d ms; books in sync 2/2\.", output)
    assert home.in_lockstep() == vectors == home.vectors()
    assert not (home.home / "api.json").exists()


@pytest.mark.req("FS-FR-024")
def test_health_needs_no_key_and_features_do(running: tuple[Home, subprocess.Popen[str]]) -> None:
    """The key is in a file for the user alone, and in no log."""
    home, process = running
    wait_until(home.answers, "the API", process)
    checks = "database_connected", "queue_connected", "feature_registry_loaded"
    wait_until(lambda: all(home.get("/health")[1][check] for check in checks), "good health", process)

    assert home.get("/features/latest?symbol=BTCUSDT")[0] == 401
    assert home.get("/features/latest?symbol=BTCUSDT", "another-key-of-16")[0] == 401
    assert newest(home, process)
    assert (home.home / "api-key").stat().st_mode & 0o777 == 0o600
    assert all(key(home) not in log.read_text() for log in (home.home / "logs").iterdir())


def test_a_second_run_in_the_same_home_is_refused_and_names_the_first(
    running: tuple[Home, subprocess.Popen[str]],
) -> None:
    home, process = running
    output = home.run("run-dataflow", "--duration", "1", code=5)

    assert f"process {process.pid} already runs" in output
    assert process.poll() is None


def test_a_second_writer_is_refused_and_names_the_first(running: tuple[Home, subprocess.Popen[str]]) -> None:
    """At once, before it could touch the state of the first."""
    home, _ = running
    flow = home.one("run", "trading").pid
    output = home.run("run", code=5)

    assert f"process {flow} already runs trading" in output
    assert home.one("run", "trading").pid == flow


def test_a_killed_flow_is_started_again(running: tuple[Home, subprocess.Popen[str]]) -> None:
    home, process = running
    before = home.vectors()
    home.one("run", "trading").kill()

    home.more_vectors(before + 4, process)


def test_a_killed_api_is_started_again(running: tuple[Home, subprocess.Popen[str]]) -> None:
    home, process = running
    wait_until(home.answers, "the API", process)
    first = home.one("serve")
    first.kill()
    wait_until(lambda: home.answers() and home.one("serve").pid != first.pid, "another API", process)

    assert newest(home, process)


def test_a_killed_collector_of_a_live_market_is_started_again(running: tuple[Home, subprocess.Popen[str]]) -> None:
    """What it missed meanwhile is a gap on the log."""
    home, process = running
    home.one("collect").kill()
    wait_until(lambda: "collector restart" in home.run("log", "tail", "quality"), "the gap", process)

    home.more_vectors(home.vectors() + 4, process)


def test_ctrl_c_ends_it_well(running: tuple[Home, subprocess.Popen[str]]) -> None:
    """Last of the tests of the one run: it tells of its restarts, and all of its vectors are right."""
    home, process = running
    process.send_signal(signal.SIGINT)
    output = ended(process)

    assert not home.processes()
    assert summary(output)[2] == 2
    assert "3 restarts." in output
    assert home.in_lockstep() == home.vectors() > 10


def test_sigterm_ends_a_run_with_several_processes(home: Home) -> None:
    """With a cluster of two below it."""
    process = home.run_dataflow("--processes", "2")
    assert len(home.processes("run", "trading", "-i")) == 2
    process.send_signal(signal.SIGTERM)
    output = ended(process)

    assert not home.processes()
    assert home.in_lockstep() == home.vectors() >= summary(output)[1] > 0


@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        (["--source", "no/such.gz"], {}, "no/such.gz is no file or folder"),
        ([], {"SPEED": "0"}, "SPEED (environment): '0' cannot be used"),
        ([], {"LOCKSTEP_REGISTRY": "none-such"}, "LOCKSTEP_REGISTRY=none-such is neither a file nor one of"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_starts(
    home: Home, options: list[str], environment: dict[str, str], said: str
) -> None:
    """Exit 2, and the message names the setting and its value."""
    home.settings |= environment
    output = home.run("run-dataflow", "--duration", "1", *options, code=2)

    assert said in output
    assert "Traceback" not in output
    assert not (home.home / "session").exists()


def test_a_recorded_file_ends_by_itself_with_the_same_bytes_each_time(home: Home, shared_data: Path) -> None:
    """It begins its log anew, and all of it becomes features before the end."""
    file = shared_data / "bybit_ws" / "bybit_v5_linear_spot_20260809.jsonl.gz"
    outcomes = []
    for _ in range(2):
        output = home.run("run-dataflow", "--source", str(file), "--speed", "max")
        outcomes.append((home.digest(), summary(output)))

    assert outcomes[0] == outcomes[1]
    assert home.in_lockstep() == home.vectors() == outcomes[0][1][1] > 100
    assert not home.processes()


def newest(home: Home, process: subprocess.Popen[str]) -> str:
    """When the newest vector of BTCUSDT is from, as soon as the API knows one."""
    known: list[str] = []

    def asked() -> bool:
        status, answer = home.get("/features/latest?symbol=BTCUSDT", key(home))
        if status == 200 and answer["features"]["mid_price"] > 0:
            known.append(answer["timestamp"])
        return bool(known)

    wait_until(asked, "a vector of BTCUSDT", process)
    return known[0]


def key(home: Home) -> str:
    return (home.home / "api-key").read_text().strip()


def summary(output: str) -> tuple[int, int, int]:
    """Events, vectors and symbols that the run says it saw."""
    found = SUMMARY.search(output)
    assert found, output
    events, vectors, symbols = (int(number.replace(",", "")) for number in found.groups())
    return events, vectors, symbols
