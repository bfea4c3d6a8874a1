"""How good a version is: its metrics, and how they went over time."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel, Field

from connectors.postgres.columns import moment
from schemas.model import ONLINE
from serving.asked import Time, naive, written
from serving.database import Database, History
from serving.errors import Error
from serving.strategies import MOST, SPANS, WEEK, Granularity
from serving.times import now

COLUMNS = """
select id, model_version_id, metric_name, metric_value, metric_type, evaluated_at, evaluation_dataset_size, metadata
from model_quality_metrics
"""
SERIES = """
select date_trunc(%(granularity)s, at) as bucket, metric_name, avg(value)::double precision as value
from (
    select evaluated_at as at, metric_name, metric_value as value from model_quality_metrics
    where model_version_id = (select id from model_versions where version = %(version)s)
    union all
    select ts, name, value::numeric from model_scores, lateral (values
        ('live.accuracy', accuracy), ('live.majority', majority), ('live.log_loss', log_loss), ('live.brier', brier),
        ('live.calibration', calibration), ('live.roc_auc', roc_auc)
    ) named (name, value) where model_version = %(version)s and value is not null
) measured
where at >= %(start)s and at < %(end)s and (%(names)s::text[] is null or metric_name = any(%(names)s))
group by 1, 2 order by 1, 2
"""
KNOWN = "select id from model_versions where version = %(version)s"
Kind = Literal["classification", "regression", "trading_performance"]
EXAMPLE: dict[str, Any] = {
    "id": "0f8fad5b-d9cb-569f-a165-70867728950e", "model_version_id": "a8cf2b16-8817-5197-9559-e3e0e4258bd9",
    "metric_name": "accuracy", "metric_value": 0.78, "metric_type": "classification",
    "evaluated_at": "2025-03-04T09:15:04Z", "evaluation_dataset_size": 1440, "metadata": {"dataset_split": "test"},
}  # fmt: skip
Versioned = Annotated[
    str,
    Path(pattern=r"^(v[0-9]+(\.[0-9]+)?|online)$", description="A version, or online.", examples=["v1741079704"]),
]


class MetricOut(BaseModel):
    """One number; ``metadata.dataset_split`` says of which rows."""

    model_config = {"json_schema_extra": {"examples": [EXAMPLE]}}

    id: UUID
    model_version_id: UUID
    metric_name: str
    metric_value: float
    metric_type: Kind
    evaluated_at: str
    evaluation_dataset_size: int | None
    metadata: dict[str, Any] | None


class MetricPoint(BaseModel):
    """The mean of a metric in the bucket that begins at ``timestamp``."""

    timestamp: str = Field(examples=["2025-03-04T09:00:00Z"])
    value: float = Field(examples=[0.78])
    metric_name: str = Field(examples=["accuracy"])


class MetricSeries(BaseModel):
    """Metrics over time. Names with ``live.`` are from the outcomes of its predictions; buckets without any are left
    out. ``metric_name`` is set where one was asked for."""

    model_version: str = Field(examples=["v1741079704"])
    metric_name: str | None = Field(examples=["accuracy"])
    granularity: Granularity
    start_time: str = Field(examples=["2025-02-25T09:15:04Z"])
    end_time: str = Field(examples=["2025-03-04T09:15:04Z"])
    data_points: list[MetricPoint]


router = APIRouter(prefix="/models", tags=["models"])
UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Error}, 503: {"model": Error}}


@router.get("/{version}/metrics", responses=UNKNOWN)
def metrics(
    version: Versioned,
    history: History,
    metric_type: Annotated[Kind | None, Query(description="Of this type alone.")] = None,
    metric_name: Annotated[str | None, Query(max_length=100, examples=["accuracy"])] = None,
    dataset_split: Annotated[str | None, Query(max_length=50, examples=["test"])] = None,
) -> list[MetricOut]:
    """Metrics of a version, the newest first."""
    found = metrics_of(history, known(history, version))
    return [
        one
        for one in found
        if metric_type in (None, one.metric_type)
        and metric_name in (None, one.metric_name)
        and dataset_split in (None, (one.metadata or {}).get("dataset_split"))
    ]


@router.get("/{version}/metrics/time-series", responses={400: {"model": Error}, **UNKNOWN})
def time_series(
    version: Versioned,
    history: History,
    granularity: Annotated[Granularity, Query(description="The length of a bucket.")] = "hour",
    start_time: Time = None,
    end_time: Time = None,
    metric_names: Annotated[
        str | None, Query(max_length=1000, description="Names, comma-separated.", examples=["accuracy,live.accuracy"])
    ] = None,
) -> MetricSeries:
    """Metrics by hour, day or week (from Monday), UTC; by default of the last seven days."""
    if version != ONLINE:
        known(history, version)
    end = naive(end_time) if end_time else moment(now())
    start = naive(start_time) if start_time else end - WEEK
    if start >= end:
        raise HTTPException(400, f"start_time ({written(start)}) is not before end_time ({written(end)})")
    if (end - start) / SPANS[granularity] > MOST:
        raise HTTPException(400, f"more than {MOST} buckets of one {granularity}: ask for less time or longer buckets")
    names = [name.strip() for name in (metric_names or "").split(",") if name.strip()] or None
    params = {"granularity": granularity, "version": version, "start": start, "end": end, "names": names}
    return MetricSeries(
        model_version=version,
        metric_name=names[0] if names and len(names) == 1 else None,
        granularity=granularity,
        start_time=written(start) or "",
        end_time=written(end) or "",
        data_points=[
            MetricPoint(timestamp=written(row["bucket"]) or "", value=row["value"], metric_name=row["metric_name"])
            for row in history.rows(SERIES, params)
        ],
    )


def known(history: Database, version: str) -> UUID:
    """The id of a version's row.

    Raises:
        HTTPException: 404 when there is none.
    """
    if found := history.rows(KNOWN, {"version": version}):
        row: UUID = found[0]["id"]
        return row
    raise HTTPException(404, f"no model {version}: GET /api/v1/models lists those that there are")


def metrics_of(history: Database, row: UUID) -> list[MetricOut]:
    """All metrics of a version, the newest first."""
    query = COLUMNS + " where model_version_id = %(id)s order by evaluated_at desc, metric_name, id"
    return [
        MetricOut.model_validate({**found, "evaluated_at": written(found["evaluated_at"])})
        for found in history.rows(query, {"id": row})
    ]
