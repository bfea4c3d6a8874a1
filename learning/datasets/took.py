"""What a build took: time by phase, messages and rows a second, memory (``build.json``)."""

import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from learning.datasets.metadata import BUILD


class Took:
    """Notes when each phase of a build ends."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.messages = 0
        """That were read to make the rows, warming up included."""
        self._began = time.monotonic()

    def phase(self, name: str) -> None:
        """A phase is over."""
        now = time.monotonic()
        self.seconds[name] = round(now - self._began, 3)
        self._began = now

    def figures(self, way: str, rows: int, pieces: int, peaks: Sequence[int]) -> dict[str, Any]:
        """All that is known; ``peaks`` are the bytes that each worker process held at most.

        ``peak_memory_bytes`` adds them to what this process held at most, as if all had been at the same moment.
        """
        total = max(sum(self.seconds.values()), 1e-9)
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return {
            "source": way,
            "seconds": self.seconds,
            "rows": rows,
            "rows_per_second": round(rows / total, 1),
            "messages": self.messages,
            "messages_per_second": round(self.messages / total, 1),
            "workers": max(len(peaks), 1),
            "pieces": max(pieces, 1),
            "peak_memory_bytes": own + sum(peaks),
            "peak_memory_of_workers_bytes": list(peaks),
        }


def save_build(figures: dict[str, Any], folder: Path) -> None:
    """Write ``build.json``."""
    (folder / BUILD).write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=1))
