"""What ``lockstep learn`` tells of itself, as readers see it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import psutil
from pydantic import BaseModel, Field, ValidationError

STATUS = Path("learn") / "status.json"
"""Below home: the file that the daemon keeps."""


class Running(BaseModel):
    """A training that runs."""

    strategy_id: str | None = Field(default=None, examples=["momentum"])
    training_id: str | None = Field(default=None, examples=["0f8fad5b-d9cb-4f9f-a165-70867728950e"])
    trigger: str | None = Field(default=None, examples=["drift"])
    phase: str | None = Field(default=None, examples=["training"])
    started_at: str | None = Field(default=None, examples=["2025-03-04T09:15:04Z"])
    estimated_completion: str | None = Field(default=None, examples=["2025-03-04T09:17:00Z"])
    progress_percent: float | None = Field(default=None, examples=[42.0])


class Last(BaseModel):
    """The training that ended last."""

    strategy_id: str | None = Field(default=None, examples=["momentum"])
    completed_at: str | None = Field(default=None, examples=["2025-03-04T08:15:04Z"])
    version: str | None = Field(default=None, examples=["v1741076104"])
    duration_seconds: float | None = Field(default=None, examples=[62.5])
    status: str | None = Field(default=None, examples=["ready"])
    error: str | None = Field(default=None, examples=[None])


class TrainingStatus(BaseModel):
    """What goes on. ``daemon_running``: whether somebody is there who trains at all."""

    is_training: bool = Field(default=False, examples=[True])
    current_training: Running | None = None
    last_training: Last | None = None
    next_scheduled_training: str | None = Field(default=None, examples=["2025-03-05T00:00:00Z"])
    queue_size: int = Field(default=0, examples=[0])
    queue_wait_time_seconds: float | None = Field(default=None, examples=[None])
    next_queued_training_strategy_id: str | None = Field(default=None, examples=[None])
    next_queued_training_dataset_id: str | None = Field(default=None, examples=[None])
    pending_dataset_builds: int | None = Field(default=0, description="None: the database is away.", examples=[0])
    daemon_running: bool = Field(default=False, examples=[True])
    updated_at: str | None = Field(default=None, examples=["2025-03-04T09:16:00Z"])


def read_status(path: Path) -> TrainingStatus:
    """What the daemon said last; nothing trains where it never said anything, or what it said cannot be read."""
    try:
        told = json.loads(path.read_bytes())
        found = TrainingStatus.model_validate(told)
    except (OSError, ValueError, ValidationError):
        return TrainingStatus()
    alive = isinstance(told.get("pid"), int) and psutil.pid_exists(told["pid"])
    if not found.updated_at:
        found.updated_at = datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    running = {"is_training": False, "current_training": None} if not alive else {}
    return found.model_copy(update={"daemon_running": alive, **running})
