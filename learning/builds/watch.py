"""Between a build and those who look at it: how far it is goes out, what is wanted of it comes in."""

import time
from datetime import UTC, datetime, timedelta
from threading import Event, Semaphore
from typing import Any
from uuid import UUID

import psycopg

from learning.builds import table
from learning.datasets.errors import Cancelled
from learning.datasets.metadata import Progress

LOOK = 0.5
"""Seconds between two writings of the progress, and between two looks at what is wanted."""
SHARE = {"rows": (0.0, 0.9), "check": (0.9, 0.1)}
"""By phase: where it begins in the whole, and its part of it."""


class Stopped(Exception):
    """The worker ends; the build will begin again."""


class Watch:
    """One build that is watched. ``turn`` is held by the build that computes; ``paused`` are those that wait."""

    def __init__(
        self, connection: psycopg.Connection[Any], dataset: UUID, turn: Semaphore, paused: set[UUID], stop: Event
    ) -> None:
        self._connection = connection
        self._dataset = dataset
        self._turn = turn
        self._paused = paused
        self._stop = stop
        self._computed = 0.0
        self._resumed = self._looked = time.monotonic()

    def begin(self) -> None:
        """Say that it begins.

        Raises:
            Cancelled, Stopped: when it must not.
        """
        self._obey(self._tell({"percent": 0.0, "rows": 0}, None))

    def progress(self, progress: Progress) -> None:
        """Take how far the build is; returns when it may go on.

        Raises:
            Cancelled: when nobody wants it any more.
            Stopped: when the worker ends.
        """
        if self._stop.is_set():
            raise Stopped
        if time.monotonic() < self._looked + LOOK:
            return
        self._looked = time.monotonic()
        share = percent(progress)
        spent = self._computed + self._looked - self._resumed
        left = spent * (100 - share) / share if share else None
        told = {
            "phase": progress.phase,
            "done": progress.done,
            "total": progress.total,
            "rows": progress.rows,
            "percent": round(share, 1),
            "elapsed_seconds": round(spent, 1),
            "eta_seconds": None if left is None else round(left, 1),
        }
        self._obey(self._tell(told, left))

    def _tell(self, told: dict[str, Any], left: float | None) -> str | None:
        eta = None if left is None else datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=left)
        return table.tell_progress(self._connection, self._dataset, told, eta)

    def _obey(self, wanted: str | None) -> None:
        if wanted == "cancel":
            raise Cancelled
        if wanted == "pause":
            self._pause()

    def _pause(self) -> None:
        """Wait, letting another build compute meanwhile."""
        self._computed += time.monotonic() - self._resumed
        table.note(self._connection, self._dataset, {"state": "paused"})
        self._paused.add(self._dataset)
        self._turn.release()
        try:
            while (wanted := table.wanted(self._connection, self._dataset)) == "pause" and not self._stop.is_set():
                self._stop.wait(LOOK)
        finally:
            self._turn.acquire()
            self._paused.discard(self._dataset)
        if self._stop.is_set():
            raise Stopped
        if wanted == "cancel":
            raise Cancelled
        table.note(self._connection, self._dataset, {"state": "building"})
        self._resumed = self._looked = time.monotonic()


def percent(progress: Progress) -> float:
    """How much of a build is done, 0 to 100.

    >>> percent(Progress("rows", 50, 100, 7)), percent(Progress("check", 1, 2, 7))
    (45.0, 95.0)
    """
    begin, part = SHARE[progress.phase]
    return 100 * (begin + part * (min(progress.done / progress.total, 1.0) if progress.total else 0.0))
