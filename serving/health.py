"""Health: what we depend on, and how the data are, as one flat object beside the details."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from serving.learning_probe import Builds
from serving.probe import Finding, Probe
from serving.storage import CRITICAL, WARNING, DiskSpace, accessible, disk_space, place_of
from serving.times import iso, now
from serving.view import View

SLOW_MS = 70.0
"""A mean latency above this is reduced performance."""

Link = Literal["connected", "disconnected"]
LINKS = ("database", "message_queue", "log", "position_manager")
"""Checks that say whether something is connected."""


class Check(BaseModel):
    """One thing looked at."""

    status: Literal["healthy", "degraded"]
    detail: str = Field(examples=["answers"])
    connected: bool | None = Field(default=None, examples=[True])


class StorageCheck(Check):
    """Where models are stored; ``path`` may not be made yet."""

    healthy: bool = Field(examples=[True])
    path: str = Field(examples=["/srv/lockstep/.lockstep/models"])
    writable: bool = Field(examples=[True])
    readable: bool = Field(examples=[True])
    disk_space: DiskSpace
    disk_space_warning: bool = Field(examples=[False])
    disk_space_critical: bool = Field(examples=[False])


class Services(BaseModel):
    """The same connections under the names of the specification."""

    database: Link
    message_queue: Link
    position_manager: Link


class HealthOut(BaseModel):
    """Flat for dashboards, nested for people; ``degraded`` when any check is."""

    status: Literal["healthy", "degraded"]
    service: str = Field(examples=["lockstep"])
    version: str = Field(examples=["0.1.0"])
    timestamp: str = Field(examples=["2025-03-04T09:15:04Z"])
    database_connected: bool = Field(examples=[True])
    queue_connected: bool = Field(examples=[True])
    feature_registry_loaded: bool = Field(examples=[True])
    latest_feature_computation_timestamp: str | None = Field(examples=["2025-03-04T09:15:04Z"])
    average_latency_ms_last_5min: float | None = Field(examples=[12.5])
    data_quality_ok: bool = Field(examples=[True])
    active_dataset_builds_count: int = 0
    last_dataset_build_duration_seconds: float | None = Field(default=None, examples=[95.5])
    services: Services
    checks: Mapping[str, StorageCheck | Check]


class Health:
    """Puts the answer together from what is known already; it never waits.

    Probes are named ``database``, ``message_queue`` (absent where none is configured: the log is the queue then),
    ``feature_registry``, ``model_files``, ``datasets``, whose check is a ``Builds``, and ``position_manager`` (absent
    where there is none).
    """

    def __init__(self, name: str, version: str, view: View, probes: Sequence[Probe], models: Path) -> None:
        self.name = name
        self.version = version
        self.models = models
        self._view = view
        self._probes = {probe.name: probe for probe in probes}
        self._builds = [probe.check for probe in probes if isinstance(probe.check, Builds)]

    def report(self) -> HealthOut:
        """Everything as it is at this moment."""
        time = now()
        log = _log(self._view)
        found = {"log": log} | {name: probe.finding for name, probe in self._probes.items()}
        found.setdefault("message_queue", Finding(log.ok, f"AMQP_URL is not set, the log is the queue: {log.detail}"))
        latency = self._view.mean_latency_ms(time)
        found["performance"] = _performance(latency)
        found["data_quality"] = _quality(self._view, time)
        storage = _storage(self.models)
        missing = Finding(False, "not configured")
        database, registry = (found.get(name, missing) for name in ("database", "feature_registry"))
        newest = max((vector.ts for vector in self._view.vectors.copy().values()), default=None)
        well = storage.healthy and all(finding.ok for finding in found.values())
        return HealthOut(
            status="healthy" if well else "degraded",
            service=self.name,
            version=self.version,
            timestamp=iso(time),
            database_connected=database.ok,
            queue_connected=found["message_queue"].ok,
            feature_registry_loaded=registry.ok,
            latest_feature_computation_timestamp=None if newest is None else iso(newest),
            average_latency_ms_last_5min=None if latency is None else round(latency, 3),
            data_quality_ok=found["data_quality"].ok,
            active_dataset_builds_count=sum(builds.active for builds in self._builds),
            last_dataset_build_duration_seconds=next((builds.last for builds in self._builds), None),
            services=Services(
                database=_link(database),
                message_queue=_link(found["message_queue"]),
                position_manager=_link(found.get("position_manager", missing)),
            ),
            checks={name: _check(name, finding) for name, finding in found.items()} | {"model_storage": storage},
        )


def _log(view: View) -> Finding:
    if view.log_error is not None:
        return Finding(False, view.log_error)
    return Finding(
        True, "answers" if view.ready else "answers; the newest vectors are still being read, or there are none"
    )


def _performance(latency_ms: float | None) -> Finding:
    if latency_ms is None:
        return Finding(True, "no live vector in the last five minutes")
    return Finding(latency_ms <= SLOW_MS, f"market update to vector: mean {latency_ms:.1f} ms, wanted {SLOW_MS:.0f} ms")


def _quality(view: View, time: int) -> Finding:
    """Whether the newest vectors may reach a model, and the rates of the last minutes are within their limits."""
    tainted = view.fresh_and_tainted(time)
    told = [f"tainted, so kept from models: {', '.join(tainted)}"] if tainted else []
    told += [
        f"{alert.symbol}: {alert.rate} is {alert.value:.4g}, more than {alert.limit:g}"
        for alert in view.quality_alerts.raised(time)
    ]
    return Finding(not told, "; ".join(told) or "no symbol is tainted, and no rate exceeds its limit")


def _link(finding: Finding) -> Link:
    return "connected" if finding.ok else "disconnected"


def _check(name: str, finding: Finding) -> Check:
    connected = finding.ok if name in LINKS else None
    return Check(status="healthy" if finding.ok else "degraded", detail=finding.detail, connected=connected)


def _storage(folder: Path) -> StorageCheck:
    place = place_of(folder)
    (writable, readable), space = accessible(place), disk_space(place)
    warning, critical = (space.available < share * space.total for share in (WARNING, CRITICAL))
    healthy = writable and readable
    left = f"{space.available / 1e9:.1f} GB of {space.total / 1e9:.1f} GB left"
    return StorageCheck(
        status="healthy" if healthy else "degraded",
        detail=left if writable and readable else f"{place} cannot be written and read",
        healthy=healthy,
        path=str(folder),
        writable=writable,
        readable=readable,
        disk_space=space,
        disk_space_warning=warning,
        disk_space_critical=critical,
    )


def health_of(request: Request) -> Health:
    """The health of the application that answers."""
    health: Health = request.app.state.health
    return health


Here = Annotated[Health, Depends(health_of)]
router = APIRouter(tags=["status"])


class Root(BaseModel):
    """Who answers."""

    service: str = Field(examples=["lockstep"])
    version: str = Field(examples=["0.1.0"])
    status: Literal["running"] = "running"


@router.get("/")
async def root(health: Here) -> Root:
    """Who answers."""
    return Root(service=health.name, version=health.version)


@router.get("/health")
async def health(health: Here) -> HealthOut:
    """How we are; no key needed. Always 200: ``status`` and ``checks`` tell."""
    return health.report()
