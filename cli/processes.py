"""Child processes: started, watched, restarted together, and ended by process id, whatever happens to us."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

GRACE = 8.0
"""Seconds between SIGTERM and SIGKILL."""


class Processes:
    """The children of one run.

    A guardian process learns of each child through a pipe and ends them all when the pipe closes without a farewell: so
    nothing is left behind even when this process is killed with -9. What a guardian could not end (it was killed too)
    is found in the state file and ended by the next run.
    """

    def __init__(self, state: Path, logs: Path) -> None:
        self.state = state
        self.logs = logs
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.guardian: subprocess.Popen[bytes] | None = None
        logs.mkdir(parents=True, exist_ok=True)
        end_leftovers(state)

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """Start ``command``; its output goes to ``<logs>/<name>.log``."""
        with (self.logs / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                start_new_session=True,  # Ctrl-C is ours to pass on, in the right order
            )
        self.children[name] = child
        self.watch(child.pid)

    def watch(self, pid: int) -> None:
        """Have the guardian end this process too if we are killed."""
        if self.guardian is None:
            self.guardian = subprocess.Popen(
                [sys.executable, "-m", "cli.guardian", str(self.state)],
                stdin=subprocess.PIPE,
                start_new_session=True,
            )
        assert self.guardian.stdin is not None
        self.guardian.stdin.write(b"%d\n" % pid)
        self.guardian.stdin.flush()

    def dead(self) -> list[str]:
        """The children that ended by themselves."""
        return [name for name, child in self.children.items() if child.poll() is not None]

    def returncode(self, name: str) -> int | None:
        """What a child ended with; None while it runs."""
        return self.children[name].poll()

    def stop(self, name: str, grace: float = GRACE, how: signal.Signals = signal.SIGTERM) -> int | None:
        """End one child, gently first. Returns its exit code; None when it was not running."""
        child = self.children.pop(name, None)
        if child is None:
            return None
        if child.poll() is None:
            child.send_signal(how)
            try:
                child.wait(grace)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        return child.returncode

    def stop_all(self, grace: float = GRACE) -> None:
        """End every child, the last started first, and dismiss the guardian."""
        for name in reversed(list(self.children)):
            self.stop(name, grace)
        if self.guardian is not None:
            assert self.guardian.stdin is not None
            self.guardian.stdin.write(b"bye\n")
            self.guardian.stdin.close()
            self.guardian.wait()
            self.guardian = None
        self.state.unlink(missing_ok=True)

    def tail(self, name: str, lines: int = 15) -> str:
        """The end of a child's log."""
        path = self.logs / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""


def identity(pid: int) -> dict[str, float]:
    """A process id with its start time: ids are used again, the pair is not."""
    return {"pid": pid, "started": psutil.Process(pid).create_time()}


def end(known: Sequence[Mapping[str, float]], grace: float = GRACE) -> list[int]:
    """End the processes that are still the ones we know; returns their ids."""
    alive = []
    for entry in known:
        try:
            process = psutil.Process(int(entry["pid"]))
            if abs(process.create_time() - entry["started"]) < 0.01:
                process.terminate()
                alive.append(process)
        except psutil.NoSuchProcess:
            continue
    _, stubborn = psutil.wait_procs(alive, timeout=grace)
    for process in stubborn:
        process.kill()
    psutil.wait_procs(stubborn, timeout=grace)
    return [process.pid for process in alive]


def end_leftovers(state: Path) -> list[int]:
    """End what an earlier run, killed together with its guardian, left behind."""
    if not state.exists():
        return []
    try:
        known = json.loads(state.read_text())
    except ValueError:
        known = []  # a torn state file names nobody
    ended = end(known)
    state.unlink(missing_ok=True)
    return ended
