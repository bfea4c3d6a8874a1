"""Where trainings are made: the log, the features, and where models go."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from connectors.log import Log
from learning.files import ModelFiles
from learning.training import (
    Progress,
)
from operators.registry import Registry
from schemas.model import ModelRecord

Told = Callable[[Progress], None]


@dataclass(frozen=True)
class Workshop:
    """Where trainings are made.

    Args:
        log: with the topics ``events`` and ``features`` on ``shards`` shards.
        registry: the features, where the log activates no others.
        models: where the files of models go.
        folder: for datasets and backtests in the making; they are removed afterwards.
        register: stores a record, and how many seconds it took, where others look for models.
        free: the name of the next version, from the time of the newest event that it may know.
        told: hears how far a training is.
        tries: whether candidates are tried in a backtest.
    """

    log: Log
    shards: int
    registry: Registry
    models: ModelFiles
    folder: Path
    register: Callable[[ModelRecord, float], None] = lambda record, seconds: None
    free: Callable[[int], str] | None = None
    told: Told = lambda progress: None
    tries: bool = True

    def version(self, newest: int) -> str:
        """A name that no version here has."""
        name = self.free(newest) if self.free is not None else f"v{newest // 1_000_000}"
        plain, taken = name.split(".")[0], set(self.models.versions())
        later = (f"{plain}.{number}" for number in range(1, len(taken) + 2))
        return name if name not in taken else next(one for one in later if one not in taken)
