"""A whole installation in a folder: the `lockstep` command as a user runs it, in processes of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cli.flows import Flow
from connectors.log import Log, open_log
from connectors.log.prefixed import PrefixedLog

HANGS = 240
"""Seconds after which a command counts as hung."""


class Installation:
    """``home`` with its settings; the log is embedded, or on the broker at ``kafka`` under a prefix of its own.

    Verbs that take a flow get ``flow`` unless they name one.
    """

    flow = "features"

    def __init__(self, home: Path, database_url: str, kafka: str | None, shards: int = 2, registry: str = "full"):
        self.home = home
        self.kafka = kafka
        self.shards = shards
        self.prefix = f"{home.parent.name}-{home.name}." if kafka else ""
        self.settings = {
            "LOCKSTEP_HOME": str(home),
            "LOCKSTEP_SHARDS": str(shards),
            "LOCKSTEP_REGISTRY": registry,
            "LOCKSTEP_TOPIC_PREFIX": self.prefix,
            "LOCKSTEP_API_PORT": "0",
            "DATABASE_URL": database_url,
            "KAFKA_BOOTSTRAP_SERVERS": kafka or "",
        }

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.settings}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a verb in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "cli.main", *self._with_flow(arguments)],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _with_flow(self, arguments: tuple[str, ...]) -> list[str]:
        verb, *rest = arguments
        named = bool(rest) and rest[0] in set(Flow)
        return [verb, *([self.flow] if verb in ("run", "replay", "parity") and not named else []), *rest]

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a verb to its end; returns what it printed."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=HANGS)
        assert process.returncode == code, f"lockstep {' '.join(arguments)} ended with {process.returncode}:\n{output}"
        return output

    def log(self) -> Log:
        """The log as the verbs see it."""
        from cli import sessions

        log = open_log(self.kafka, sessions.current(self.home) / "log", {})
        return PrefixedLog(log, self.prefix) if self.prefix else log

    def digest(self, topic: str = "features") -> str:
        return self.run("digest", topic).strip()


def kill(process: subprocess.Popen[str]) -> None:
    """kill -9, children included."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until(condition: Callable[[], bool], what: str, process: subprocess.Popen[str] | None = None) -> None:
    """Wait for a condition; fail when it hangs or when ``process`` ends first."""
    deadline = time.monotonic() + HANGS
    while not condition():
        assert process is None or process.poll() is None, f"ended before {what}: {process.stdout.read()}"
        assert time.monotonic() < deadline, f"hung waiting for {what}"
        time.sleep(0.01)
