"""What ``lockstep learn`` tells of itself: a small file below home, whole at any moment."""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dataflows.learn import Learner
from learning.training import Progress

STATUS = "status.json"
PROGRESS = "progress.json"
"""Beside it: how far the training is, as the process that makes it says."""
SECOND = 1_000_000


class StatusFile:
    """Writes ``status.json`` in ``folder`` when something changed, and at least every ``every`` seconds.

    Moments are ISO 8601 in UTC. ``started_at`` and what follows from it is by this machine's clock, the rest by the
    log's.
    """

    def __init__(self, folder: Path, every: float = 2.0) -> None:
        self.folder = folder
        self.every = every
        folder.mkdir(parents=True, exist_ok=True)
        self._told: dict[str, Any] = {}
        self._written = 0.0

    def __call__(self, learner: Learner) -> None:
        """Tell how things are."""
        told = status(learner, read_progress(self.folder / PROGRESS))
        if told != self._told or time.monotonic() > self._written + self.every:
            self._told, self._written = told, time.monotonic()
            moment = {"updated_at": _iso(time.time()), "pid": os.getpid()}
            write_json(self.folder / STATUS, {**told, **moment})


def status(learner: Learner, progress: Progress | None = None) -> dict[str, Any]:
    """What is trained, what was, what comes next, and how each candidate does."""
    governor = learner.governor
    queue, last, running = governor.queue, governor.last, governor.queue.running
    upcoming, planned = queue.next(), governor.planned()
    waiting = min((request.asked for request in queue.waiting), default=None)
    return {
        "is_training": running is not None,
        "current_training": _current(learner, progress) if running else None,
        "last_training": None
        if last is None
        else {
            "strategy_id": last.strategy,
            "completed_at": _iso(last.ts / SECOND),
            "version": last.version,
            "duration_seconds": last.seconds,
            "status": last.status,
            "error": last.error or None,
        },
        "next_scheduled_training": None if planned is None else _iso(planned / SECOND),
        "queue_size": len(queue.waiting),
        "queue_wait_time_seconds": None if waiting is None else max(0.0, (governor.clock - waiting) / SECOND),
        "next_queued_training_strategy_id": upcoming.strategy if upcoming else None,
        "next_queued_training_dataset_id": None,
        "queue": [
            {"strategy_id": one.strategy, "symbol": one.symbol, "trigger": one.trigger, "priority": one.priority.name}
            for one in sorted(queue.waiting, key=lambda one: (one.priority, one.asked))
        ],
        "candidates": [
            {"strategy_id": key[0], "symbol": key[1] or None, "version": version, **judged._asdict()}
            for (key, version), judged in governor.succession.judged.items()
            if version in governor.force.candidates.get(key, {})
        ],
    }


def _current(learner: Learner, progress: Progress | None) -> dict[str, Any]:
    running = learner.governor.queue.running
    assert running is not None, "only asked while a training runs"
    started = datetime.now(UTC) - timedelta(seconds=time.monotonic() - learner.began)
    left = progress.seconds_left if progress and progress.seconds_left < 10**7 else None
    return {
        "strategy_id": running.strategy,
        "training_id": running.ids[-1],
        "trigger": running.trigger,
        "phase": progress.phase if progress else "starting",
        "started_at": _iso(round(started.timestamp())),
        "progress_percent": round(100 * progress.share, 1) if progress else 0.0,
        "estimated_completion": None if left is None else _iso(round(time.time() + left)),
    }


def read_progress(path: Path) -> Progress | None:
    """How far a training says it is; None: it has not said anything yet."""
    try:
        told = json.loads(path.read_bytes())
        return Progress(str(told["phase"]), float(told["share"]), float(told["seconds_left"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Replace a file, so that a reader finds it whole."""
    fresh = path.with_suffix(f".{os.getpid()}.new")
    fresh.write_text(json.dumps(data, indent=1))
    fresh.replace(path)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
