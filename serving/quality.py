"""How good the data were: a report over a period, and what exceeds its limit now."""

from typing import Annotated, Any
from uuid import UUID

import psycopg
from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field

from connectors.postgres.columns import moment
from connectors.postgres.quality_reports import keep_report
from reports.quality.making import as_row, read_report
from reports.quality.period import MINUTE, PeriodError, Span, parse_time, whole_minutes
from reports.quality.period import written as iso
from serving.asked import written
from serving.database import History
from serving.errors import Error
from serving.features import Seen
from serving.times import now

DAY = 24 * 60 * 60 * 1_000_000
Symbol = Annotated[str, Query(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,49}$", examples=["BTCUSDT"])]
TIME = "ISO 8601; UTC where no zone is said."
From = Annotated[
    str | None,
    Query(alias="from", description=f"{TIME} Default: a day before ``to``.", examples=["2025-03-03T09:15:00Z"]),
]
To = Annotated[str | None, Query(alias="to", description=f"{TIME} Default: now.", examples=["2025-03-04T09:15:00Z"])]


class QualityReport(BaseModel):
    """How good the data of a symbol were over the whole minutes of a period.

    A minute that nothing is known of counts as missing; ``covered_minutes`` says how many were known, and
    ``sequence_gap_details.uncovered`` which were not. ``recommendations`` is empty where nothing is wrong.
    """

    id: UUID = Field(examples=["8f0fee9f-8dcf-4bd0-8d6e-b1b017cd02ee"])
    symbol: str = Field(examples=["BTCUSDT"])
    period_start: str = Field(examples=["2025-03-03T09:15:00Z"])
    period_end: str = Field(examples=["2025-03-04T09:15:00Z"])
    missing_rate: float = Field(ge=0, le=1, examples=[0.0004])
    anomaly_rate: float = Field(ge=0, le=1, examples=[0.0])
    sequence_gaps: int = Field(examples=[2])
    desynchronization_events: int = Field(examples=[1])
    anomaly_details: dict[str, Any] = Field(examples=[{"trade.spike": 2}])
    sequence_gap_details: dict[str, Any] = Field(examples=[{"orderbook": 1}])
    recommendations: list[str] = Field(
        examples=[
            ["orderbook of BTCUSDT: 0.4 % missing: backfill is not offered for book deltas, keep the collector running"]
        ]
    )
    created_at: str = Field(examples=["2025-03-04T09:15:01Z"])
    data_completeness_rate: float = Field(ge=0, le=1, examples=[0.9996])
    covered_minutes: int = Field(examples=[1440])
    minutes: int = Field(examples=[1440])


class QualityAlert(BaseModel):
    """A rate of the last minutes that exceeds its limit."""

    symbol: str = Field(examples=["BTCUSDT"])
    rate: str = Field(examples=["missing_rate"])
    value: float = Field(examples=[0.12])
    limit: float = Field(examples=[0.01])
    since: str = Field(description="The end of the minute in which it began.", examples=["2025-03-04T09:15:00Z"])
    action: str = Field(examples=["lockstep quality report BTCUSDT"])


class QualityAlerts(BaseModel):
    """What exceeds its limit now, by symbol."""

    alerts: list[QualityAlert]


router = APIRouter(prefix="/data-quality", tags=["data quality"])


@router.get("/report", responses={400: {"model": Error}, 503: {"model": Error}})
def report(symbol: Symbol, history: History, start: From = None, end: To = None) -> QualityReport:
    """The report of a symbol over a period of at most 31 days. It is stored, the same findings once."""
    period = asked_period(start, end)
    made = read_report(history.rows, symbol.upper(), period)
    row = as_row(made)
    try:
        with history.writing() as connection:
            created = keep_report(connection, row)
    except psycopg.DataError as problem:
        raise HTTPException(400, f"the report cannot be stored: {str(problem).splitlines()[0]}") from problem
    return QualityReport(
        **row
        | {"period_start": written(moment(period.start)), "period_end": written(moment(period.end))}
        | {"created_at": written(created), "data_completeness_rate": round(1 - row["missing_rate"], 4)}
        | {"covered_minutes": made.covered, "minutes": made.minutes}
    )


@router.get("/alerts")
async def alerts(view: Seen) -> QualityAlerts:
    """Rates of the last five minutes that exceed their limits, from the log itself."""
    found = [
        QualityAlert(
            symbol=one.symbol,
            rate=one.rate,
            value=round(one.value, 6),
            limit=one.limit,
            since=iso(one.since),
            action=f"lockstep quality report {one.symbol}",
        )
        for one in view.quality_alerts.raised(now())
    ]
    return QualityAlerts(alerts=found)


def asked_period(start: str | None, end: str | None) -> Span:
    """The whole minutes asked for; the last day where nothing is said.

    Raises:
        HTTPException: 400 when they make no period.
    """
    try:
        last = now() // MINUTE * MINUTE if end is None else parse_time(end, "to")
        return whole_minutes(last - DAY if start is None else parse_time(start, "from"), last)
    except PeriodError as problem:
        raise HTTPException(400, str(problem)) from problem
