"""A home of a test's own, embedded log and embedded PostgreSQL, and what runs for it."""

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from connectors.log import UnknownTopic
from tests.installation import Installation, wait_until


class Home(Installation):
    """An installation without any server of somebody else."""

    flow = "trading"

    def __init__(self, home: Path) -> None:
        super().__init__(home, database_url="", kafka=None)

    def run_dataflow(self, *options: str) -> subprocess.Popen[str]:
        """Start the main job and wait until it has published a vector that was not there before."""
        before = self.vectors()
        process = self.start("run-dataflow", *options)
        self.more_vectors(before, process)
        return process

    def vectors(self) -> int:
        """How many are on the log."""
        if not (self.home / "session").exists():
            return 0
        log = self.log()
        try:
            return sum(log.end("features", shard) for shard in range(self.shards))
        except UnknownTopic:
            return 0
        finally:
            log.close()

    def more_vectors(self, than: int, process: subprocess.Popen[str] | None = None) -> None:
        wait_until(lambda: self.vectors() > than, "more vectors", process)

    def processes(self, *words: str) -> list[psutil.Process]:
        """Everything that runs for this home, whoever started it; with ``words``, whose command line has them all."""
        return [one for one in psutil.process_iter() if self._ours(one, set(words))]

    def one(self, *words: str) -> psutil.Process:
        (found,) = self.processes(*words)
        return found

    def nothing_left(self) -> None:
        """Wait for the last process of this home to end; nobody helps."""
        wait_until(lambda: not self.processes(), f"the end of {self.processes()}")

    def kill_everything(self) -> None:
        for process in self.processes():
            process.kill()

    def get(self, path: str, key: str | None = None) -> tuple[int, Any]:
        """Status and body that the running API answers with."""
        url = json.loads((self.home / "api.json").read_text())["url"]
        request = urllib.request.Request(url + path, headers={"X-API-Key": key} if key else {})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def answers(self) -> bool:
        """Whether the API can be reached."""
        try:
            return self.get("/health")[0] in (200, 503)
        except (OSError, ValueError):
            return False

    def in_lockstep(self) -> int:
        """Check every vector of the whole log; returns how many there are."""
        found = json.loads(self.run("parity", "--json"))
        assert found["identical"], found
        return int(found["topics"]["features"]["matches"])

    def _ours(self, process: psutil.Process, wanted: set[str]) -> bool:
        """A process may end while it is looked at: then it is nobody's."""
        if process.pid == os.getpid():
            return False
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            if not wanted <= set(process.cmdline()):
                return False
            words = [*process.cmdline(), process.cwd()]
            named = any(word == str(self.home) or word.startswith(f"{self.home}/") for word in words)
            return named or process.environ().get("LOCKSTEP_HOME") == str(self.home)
        except psutil.Error:
            return False


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    """Wait for the end of a command, check its exit code and return what it printed."""
    output, _ = process.communicate(timeout=240)
    assert process.returncode == code, f"ended with {process.returncode}:\n{output}"
    return output


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended; nobody may have looked after an orphan that did."""
    living = []
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            if one.is_running() and one.status() != psutil.STATUS_ZOMBIE:
                living.append(one)
    return living


def kill_9(*processes: psutil.Process) -> None:
    """Kill all of them before one can react to the end of another."""
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    for process in processes:
        process.kill()
