"""One run of the demo in a process of its own, and what it says."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

HANGS = 600
"""Seconds after which a run counts as hung."""


class Run(NamedTuple):
    """What a run left: its home, its result, the page, and what it printed."""

    home: Path
    result: dict[str, Any]
    page: bytes
    said: str

    @property
    def plot(self) -> list[tuple[str, str | None]]:
        """What happened, in order: (kind of note, version)."""
        return [(note["kind"], note.get("version")) for note in self.result["notes"]]


class Running:
    """A demo that runs meanwhile."""

    def __init__(self, home: Path, minutes: float, seed: int, hash_seed: int) -> None:
        self.home = home
        command = [sys.executable, "-m", "cli.main", "demo-learning", "--minutes", str(minutes), "--seed", str(seed)]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "LOCKSTEP_HOME": str(home), "PYTHONHASHSEED": str(hash_seed)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def done(self) -> Run:
        """Wait for its end."""
        said, _ = self.process.communicate(timeout=HANGS)
        assert self.process.returncode == 0, said
        folder = self.home / "demo-learning"
        return Run(
            self.home, json.loads((folder / "result.json").read_bytes()), (folder / "learning.html").read_bytes(), said
        )
