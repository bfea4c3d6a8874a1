"""Commands: what one part asks of another through the ``commands`` topic."""

from typing import Literal

import msgspec

from schemas.origin import Origin


class Command(msgspec.Struct, frozen=True, gc=False, tag_field="type", omit_defaults=True):
    """A request, keyed by its target."""


class Resync(Command, frozen=True, gc=False, omit_defaults=True, tag="resync"):
    """Ask the collector for a fresh book snapshot of ``symbol``."""

    symbol: str
    ts: int
    reason: str
    origin: Origin | None = None


class Train(Command, frozen=True, gc=False, omit_defaults=True, tag="train"):
    """Ask for a training of a strategy's model, asked for at ``ts``; ``trigger`` says by what.

    ``urgent`` cancels a training of the strategy that runs, and begins again with the newer data.
    """

    strategy: str
    ts: int
    trigger: Literal["schedule", "interval", "rows", "executions", "degradation", "drift", "manual"]
    reason: str = ""
    symbol: str | None = None
    urgent: bool = True
    by: str = ""
    request_id: str = ""
    origin: Origin | None = None


class Build(Command, frozen=True, gc=False, omit_defaults=True, tag="build"):
    """Ask for something to be done about a dataset that stands in the table ``datasets``."""

    dataset_id: str
    ts: int
    action: Literal["build", "pause", "resume", "cancel"] = "build"
    priority: int = 0
    symbol: str | None = None
    origin: Origin | None = None


class Backfill(Command, frozen=True, gc=False, omit_defaults=True, tag="backfill"):
    """Ask for history that stands as a job in the table ``backfill_jobs``."""

    job_id: str
    symbol: str
    ts: int
    action: Literal["fetch", "retry", "cancel"] = "fetch"
    origin: Origin | None = None


AnyCommand = Resync | Train | Build | Backfill
