"""Child processes: started, watched, restarted together, and ended by process id, whatever happens to us."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

GRACE = 8.0
"""Seconds between SIGTERM and SIGKILL."""
HURRY = 3.0
"""The same for orphans: nobody knows what they wait for, and being killed costs no result."""
SAME = 0.01
"""Seconds by which two readings of one start time may differ."""


class Processes:
    """The children of one run.

    A state file says who they are. A guardian process ends them when we are gone without a farewell, so nothing is left
    behind even when this process is killed with -9. What a guardian could not end (it was killed too) is ended by the
    next ``Processes`` of the same folder. Children whose owner lives are nobody else's business.

    Args:
        folder: of the state files of all runs.
        logs: where the output of each child goes, ``<name>.log``.
    """

    def __init__(self, folder: Path, logs: Path) -> None:
        for path in (folder, logs):
            path.mkdir(parents=True, exist_ok=True)
        end_leftovers(folder)
        self.state = folder / f"{os.getpid()}-{id(self):x}.json"
        self.logs = logs
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.identities: dict[str, dict[str, float]] = {}
        self.guardian: subprocess.Popen[bytes] | None = None

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """Start ``command``; its output is added to its log."""
        self.guard()
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
        self.identities[name] = identity(child.pid)  # it is not reaped yet, so the id is still its own
        self._remember()

    def guard(self) -> None:
        """Make sure that a guardian is there."""
        if self.guardian is not None and self.guardian.poll() is None:
            return
        with (self.logs / "guardian.log").open("ab") as log:
            self.guardian = subprocess.Popen(
                [sys.executable, "-m", "cli.guardian", str(self.state)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def returncode(self, name: str) -> int | None:
        """What a child ended with; None while it runs."""
        return self.children[name].poll()

    def tell(self, name: str) -> None:
        """Ask a child to end, and do not wait."""
        if (child := self.children[name]).poll() is None:
            child.send_signal(signal.SIGTERM)

    def stop(self, name: str, grace: float = GRACE) -> int | None:
        """End one child, gently first. Returns its exit code; None when there is no such child."""
        child = self.children.pop(name, None)
        if child is None:
            return None
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(grace)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        return child.returncode

    def stop_all(self, grace: float = GRACE) -> None:
        """End every child and dismiss the guardian."""
        for name in self.children:
            self.tell(name)
        for name in list(self.children):
            self.stop(name, grace)
        self.state.unlink(missing_ok=True)
        if self.guardian is not None:
            with suppress(OSError):
                self.guardian.communicate(b"bye\n")
            self.guardian.wait()
            self.guardian = None

    def tail(self, name: str, lines: int = 15) -> str:
        """The end of a child's log."""
        path = self.logs / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def _remember(self) -> None:
        fresh = self.state.with_suffix(".new")
        fresh.write_text(json.dumps({"owner": identity(os.getpid()), "children": list(self.identities.values())}))
        fresh.replace(self.state)


def identity(pid: int) -> dict[str, float]:
    """A process id with its start time: ids are used again, the pair is not."""
    return {"pid": pid, "started": psutil.Process(pid).create_time()}


def find(known: Mapping[str, float]) -> psutil.Process | None:
    """The process with this identity; None when it ended (also as a zombie), whoever has its id now."""
    try:
        process = psutil.Process(int(known["pid"]))
        same = abs(process.create_time() - known["started"]) < SAME
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def end(known: Sequence[Mapping[str, float]], grace: float = GRACE) -> list[int]:
    """End the processes that are still the ones we know, gently first; returns their ids."""
    alive = [process for entry in known if (process := find(entry))]
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(alive, timeout=grace)
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=grace)
    return [process.pid for process in alive]


def end_leftovers(folder: Path) -> list[int]:
    """End what runs that were killed together with their guardian left behind; returns the process ids."""
    ended = []
    while states := [state for state in folder.glob("*.json") if orphaned(state)]:  # an orphan may own processes, too
        for state in states:
            ended += end_children(state)
    return ended


def orphaned(state: Path) -> bool:
    """Whether the owner of a state file is gone."""
    owner, _ = recall(state)
    return owner is None or find(owner) is None


def end_children(state: Path) -> list[int]:
    """End the children that a state file names, and forget them; returns their process ids."""
    _, children = recall(state)
    ended = end(children, HURRY)
    state.unlink(missing_ok=True)
    return ended


def recall(state: Path) -> tuple[dict[str, float] | None, list[dict[str, float]]]:
    """The owner and the children that a state file names; a missing or damaged one names nobody."""
    try:
        known = json.loads(state.read_text())
        return known["owner"], known["children"]
    except (OSError, ValueError, KeyError, TypeError):
        return None, []
