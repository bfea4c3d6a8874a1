"""Versions of models: which there are, how good they are, and putting one in force."""

from typing import Annotated, Any
from uuid import UUID, uuid4

import msgspec
from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel, Field

from learning.registry.health import Known, file_health
from learning.registry.versions import mirror_activation
from schemas.model import ModelActivated
from serving.asked import StrategyName, count, naive, written
from serving.body import Given
from serving.control import Ask
from serving.database import Database, History
from serving.errors import Error
from serving.features import Seen
from serving.model_metrics import MetricOut, metrics_of
from serving.site import At, Site
from serving.times import now
from serving.view import View

COLUMNS = """
select id, version, file_path, model_type, strategy_id, trained_at, training_duration_seconds, training_dataset_size,
    training_config, is_active, is_warmup_mode, created_at, updated_at
from model_versions
"""
ORDER = " order by trained_at desc, created_at desc, version desc limit %(limit)s offset %(offset)s"
EXAMPLE: dict[str, Any] = {
    "id": "a8cf2b16-8817-5197-9559-e3e0e4258bd9", "version": "v1741079704",
    "file_path": "/models/v1741079704/model.ubj", "model_type": "xgboost", "strategy_id": "momentum",
    "trained_at": "2025-03-04T09:15:04Z", "training_duration_seconds": 42, "training_dataset_size": 43_200,
    "training_config": {"features": ["mid_price", "rsi_14"], "target": {"horizon": 60, "threshold": 0.001}},
    "is_active": True, "is_warmup_mode": False, "created_at": "2025-03-04T09:16:00Z",
    "updated_at": "2025-03-04T10:20:00Z",
}  # fmt: skip
VersionName = Annotated[
    str, Path(pattern=r"^v[0-9]+(\.[0-9]+)?$", description="A model's version.", examples=["v1741079704"])
]


class ModelOut(BaseModel):
    """A version. ``file_path`` is logical: below the storage root. ``training_config`` is everything that is known."""

    model_config = {"json_schema_extra": {"examples": [EXAMPLE]}}

    id: UUID
    version: str
    file_path: str
    model_type: str
    strategy_id: str | None
    trained_at: str
    training_duration_seconds: int | None
    training_dataset_size: int | None
    training_config: dict[str, Any] | None
    is_active: bool
    is_warmup_mode: bool
    created_at: str
    updated_at: str


class ModelDetail(ModelOut):
    """A version with all its metrics, the newest first."""

    quality_metrics: list[MetricOut]


class Models(BaseModel):
    """A page of versions, the newest first; the list stands under both names that readers know."""

    items: list[ModelOut]
    models: list[ModelOut]
    total: int = Field(examples=[1])
    limit: int = Field(examples=[100])
    offset: int = Field(examples=[0])


class Activate(Given):
    """``strategy_id``: needed where the model is for any strategy. ``symbol``: for this one alone. ``force``: though
    the vectors that are seen now lack some of its features; a wrong file is never taken."""

    strategy_id: str | None = Field(default=None, max_length=100, examples=["momentum"])
    symbol: str | None = Field(default=None, pattern=r"^[A-Z0-9]{4,20}$", examples=["BTCUSDT"])
    force: bool = False
    reason: str = Field(default="", max_length=200, examples=["looks good on the test split"])


router = APIRouter(prefix="/models", tags=["models"])
AWAY: dict[int | str, dict[str, Any]] = {503: {"model": Error}}
UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Error}, **AWAY}


@router.get("", responses=AWAY)
def models(
    history: History,
    strategy_id: StrategyName = None,
    is_active: Annotated[bool | None, Query(description="Whether it is in force.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> Models:
    """Versions, the newest first."""
    parts = ["true"]
    if strategy_id is not None:
        parts.append("strategy_id = %(strategy_id)s")
    if is_active is not None:
        parts.append("is_active = %(is_active)s")
    condition = " and ".join(parts)
    params = {"strategy_id": strategy_id, "is_active": is_active, "limit": limit, "offset": offset}
    found = [model_of(row) for row in history.rows(COLUMNS + " where " + condition + ORDER, params)]  # type: ignore[arg-type]
    total = count(history, "model_versions", condition, params)  # type: ignore[arg-type]
    return Models(items=found, models=found, total=total, limit=limit, offset=offset)


@router.get("/{version}", responses=UNKNOWN)
def model(version: VersionName, history: History) -> ModelDetail:
    """One version with its metrics."""
    row = row_of(history, version)
    return ModelDetail(**model_of(row).model_dump(), quality_metrics=metrics_of(history, row["id"]))


@router.post("/{version}/activate", responses={400: {"model": Error}, **UNKNOWN})
def activate(
    version: VersionName, history: History, view: Seen, site: At, ask: Ask, body: Activate | None = None
) -> ModelOut:
    """Put a version in force: an event on every shard, so that every replay uses it from the same place on."""
    wanted = body or Activate()
    row = row_of(history, version)
    sha256 = usable(site, row)
    strategy = strategy_of(row, wanted)
    if not wanted.force:
        fits(view, row, strategy, wanted.symbol)
    event = ModelActivated(
        now(), strategy, version, wanted.symbol, sha256, wanted.reason or "asked for", "api", f"api/{uuid4()}"
    )
    since = ask.broadcast(event)
    with history.writing() as connection:
        mirror_activation(connection, msgspec.structs.replace(event, recv=since))  # type: ignore[arg-type]
    return model_of(row_of(history, version))


def row_of(history: Database, version: str) -> dict[str, Any]:
    """The row of a version.

    Raises:
        HTTPException: 404 when there is none.
    """
    if found := history.rows(COLUMNS + " where version = %(version)s", {"version": version}):
        return found[0]
    raise HTTPException(404, f"no model {version}: GET /api/v1/models lists those that there are")


def usable(site: Site, row: dict[str, Any]) -> str:
    """The hash of a version's file, which is there and is the one that was trained.

    Raises:
        HTTPException: 400 when it cannot be used, saying why.
    """
    sha256 = (row["training_config"] or {}).get("sha256")
    found = file_health(site.models, Known(row["version"], row["file_path"], sha256))
    if sha256 is None:
        raise HTTPException(400, f"model {row['version']} has no sha256 in its training_config: another system made it")
    if found.state != "present":
        raise HTTPException(
            400, f"the file of model {row['version']} is {found.state}: {row['file_path']} below {site.models}"
        )
    return str(sha256)


def strategy_of(row: dict[str, Any], wanted: Activate) -> str:
    """The strategy that a version is to be used by.

    Raises:
        HTTPException: 400 when it is for another one, or for nobody in particular and none was named.
    """
    own = row["strategy_id"]
    if own is None and wanted.strategy_id is None:
        raise HTTPException(400, f"model {row['version']} is for any strategy: say strategy_id")
    if own is not None and wanted.strategy_id not in (None, own):
        raise HTTPException(400, f"model {row['version']} was trained for {own}, not for {wanted.strategy_id}")
    return str(own or wanted.strategy_id)


def fits(view: View, row: dict[str, Any], strategy: str, symbol: str | None) -> None:
    """Check that the vectors which are seen now have what the model looks at.

    Raises:
        HTTPException: 400 naming what is missing.
    """
    needed = set((row["training_config"] or {}).get("features", ()))
    known = view.trading.strategies.get(strategy)
    symbols = [symbol] if symbol else list(known.settings.symbols) if known else view.symbols
    for name in symbols:
        vector = view.vectors.get(name)
        if vector and (missing := sorted(needed - vector.features.keys())):
            raise HTTPException(
                400,
                f"vectors of {name} (registry {vector.feature_registry_version}) lack {', '.join(missing)}: use the"
                " registry that the model was trained with, or force",
            )


def model_of(row: dict[str, Any]) -> ModelOut:
    """A version from the table, whoever made it."""
    config = row["training_config"] if isinstance(row["training_config"], dict) else None
    times = {name: written(naive(row[name])) for name in ("trained_at", "created_at", "updated_at")}
    return ModelOut.model_validate({**row, **times, "training_config": config})
