"""What the learning loop reports: trainings that ended, and models that got worse."""

from typing import Any, Literal

import msgspec

from schemas.bounds import Text

Ending = Literal["ready", "failed", "cancelled"]
AlertKind = Literal["model.degraded", "model.recovered", "model.refused", "model.fell"]
Level = Literal["info", "warning", "critical"]


class _Report(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type"):
    """Keyed by strategy. Not derived from the log by a flow: it carries no origin."""


class TrainingDone(_Report, frozen=True, gc=False, omit_defaults=True, tag="training.done"):
    """A training ended at ``ts``, log time in microseconds UTC, having begun at ``started``.

    ``requests`` are the ids of the commands that it answers. ``ready``: ``version`` lies in the registry with the hash
    ``sha256``, and ``metrics`` are those of the untouched test split and, as ``trading_<name>``, of its backtest.
    ``rows`` are those of all splits, ``seconds`` what it took by the wall clock. ``error`` says why there is no model.
    """

    strategy: Text
    ts: int
    started: int
    status: Ending
    requests: tuple[str, ...] = ()
    trigger: Text = ""
    symbol: Text | None = None
    version: Text | None = None
    sha256: Text = ""
    rows: int = 0
    seconds: float = 0.0
    metrics: dict[str, float] = {}
    error: str = ""


class ModelAlert(_Report, frozen=True, gc=False, omit_defaults=True, tag="model.alert"):
    """Somebody should look at a model, or need no longer: seen at ``ts``, log time in microseconds UTC.

    ``decision`` names the alert, so that it is raised once; ``measure`` says which figure shows it, ``detail`` the
    numbers behind it.
    """

    strategy: Text
    ts: int
    kind: AlertKind
    level: Level
    decision: Text
    message: str
    version: Text | None = None
    symbol: Text | None = None
    measure: Text = ""
    detail: dict[str, Any] = {}


AnyLearning = TrainingDone | ModelAlert
