"""Fetching history from the exchange: asking for it, looking at how it goes, giving it up, trying again."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import BaseModel, Field

from connectors.history.spans import day_of
from learning.backfill import control, table
from learning.backfill.asked import Unfit, Wanted, check
from learning.backfill.control import Unsuitable
from learning.backfill.shown import shown
from learning.backfill.table import Job
from operators.registry import Registry
from schemas.command import Backfill
from serving.backfill_rules import BackfillRules
from serving.body import Given
from serving.control import Ask
from serving.database import Database, History
from serving.errors import Error
from serving.site import At, Site
from serving.times import now
from serving.trace import trace_of

AWAY: dict[int | str, dict[str, Any]] = {503: {"model": Error}}
WRONG: dict[int | str, dict[str, Any]] = {400: {"model": Error}, **AWAY}
UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Error}, **AWAY}
Symbol = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{2,30}$", examples=["SOLUSDT"])]
JOB = "d2f1a7d0-5d0b-4c25-9a53-2a1f6c1f0a11"


class HistoricalIn(Given):
    """Days (UTC), both included. Without ``data_types`` those that the features of the registry in force need."""

    symbol: Symbol
    start_date: date = Field(examples=["2025-02-20"])
    end_date: date = Field(examples=["2025-02-22"])
    data_types: list[str] | None = Field(default=None, max_length=20, examples=[["klines"]])


class AutoIn(Given):
    """What is missing of the last ``max_days`` days; unset: as many as a backfill may have."""

    symbol: Symbol
    max_days: int | None = Field(default=None, ge=1, le=100_000, examples=[30])


class DateRange(BaseModel):
    """Both included."""

    start_date: date = Field(examples=["2025-02-03"])
    end_date: date = Field(examples=["2025-03-04"])


class Accepted(BaseModel):
    """A backfill that waits for its turn; ``refused`` says what it does not fetch, and why."""

    job_id: UUID = Field(examples=[JOB])
    status: Literal["pending"] = "pending"
    message: str = Field(examples=["klines of SOLUSDT from 2025-02-20 to 2025-02-22 will be fetched"])
    refused: dict[str, str] = Field(default={}, examples=[{}])


class AcceptedAuto(Accepted):
    """As a backfill of days that were named."""

    date_range: DateRange


class Progress(BaseModel):
    """Days that are complete, of all; the one that is being fetched."""

    dates_completed: int = Field(examples=[1])
    dates_total: int = Field(examples=[3])
    current_date: str | None = Field(examples=["2025-02-21"])


class JobOut(BaseModel):
    """A backfill. ``missing`` says of each failed date what there is not, and why; a cancelled one has failed."""

    job_id: UUID = Field(examples=[JOB])
    symbol: str = Field(examples=["SOLUSDT"])
    start_date: str = Field(examples=["2025-02-20"])
    end_date: str = Field(examples=["2025-02-22"])
    data_types: list[str] = Field(examples=[["klines"]])
    refused: dict[str, str] = Field(examples=[{"ticker": "Bybit gives the ticker as it is now and no past ones"}])
    status: Literal["pending", "in_progress", "completed", "failed"] = Field(examples=["in_progress"])
    cancelled: bool = Field(examples=[False])
    progress: Progress
    start_time: str | None = Field(examples=["2025-03-04T09:00:00+00:00"])
    end_time: str | None = Field(examples=[None])
    created_at: str = Field(examples=["2025-03-04T08:59:59+00:00"])
    error_message: str | None = Field(examples=[None])
    completed_dates: list[str] = Field(examples=[["2025-02-20"]])
    failed_dates: list[str] = Field(examples=[[]])
    missing: dict[str, str] = Field(examples=[{}])
    rows_saved: int = Field(examples=[1440])
    asked_by: Literal["person", "auto", "dataset"] = Field(examples=["person"])


def rules_of(site: At) -> BackfillRules:
    """What may be fetched.

    Raises:
        HTTPException: 503 where nothing may.
    """
    if not site.backfill.enabled:
        raise HTTPException(503, "backfill is off: set FEATURE_SERVICE_BACKFILL_ENABLED=true")
    return site.backfill


Rules = Annotated[BackfillRules, Depends(rules_of)]
router = APIRouter(prefix="/backfill", tags=["backfill"])


@router.post("/historical", status_code=202, responses=WRONG)
def historical(asked: HistoricalIn, request: Request, rules: Rules, site: At, history: History, ask: Ask) -> Accepted:
    """Fetch what is missing of some days from the exchange, in the background."""
    wanted = checked(asked.symbol, asked.start_date, asked.end_date, asked.data_types, rules, site)
    job = _add(history, wanted, "person", request)
    ask.command(Backfill(str(job), wanted.symbol, now()), wanted.symbol)
    return Accepted(
        job_id=job, message=_told(wanted), refused={str(raw): reason for raw, reason in wanted.refused.items()}
    )


@router.post("/auto", status_code=202, responses=WRONG)
def auto(asked: AutoIn, request: Request, rules: Rules, site: At, history: History, ask: Ask) -> AcceptedAuto:
    """Fetch what is missing of the last days, up to now, for the features of the registry in force."""
    last = day_of(now())
    days = rules.max_days if asked.max_days is None else asked.max_days
    if days > rules.max_days:
        raise HTTPException(400, f"max_days: {days} is more than FEATURE_SERVICE_BACKFILL_MAX_DAYS, {rules.max_days}")
    wanted = checked(asked.symbol, last - timedelta(days=days - 1), last, None, rules, site)
    job = _add(history, wanted, "auto", request)
    ask.command(Backfill(str(job), wanted.symbol, now()), wanted.symbol)
    return AcceptedAuto(
        job_id=job,
        message=_told(wanted),
        refused={str(raw): reason for raw, reason in wanted.refused.items()},
        date_range=DateRange(start_date=wanted.start, end_date=wanted.end),
    )


@router.get("/list", responses=AWAY)
def jobs(
    rules: Rules,
    history: History,
    symbol: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9-]{2,30}$", examples=["SOLUSDT"])] = None,
    status: Annotated[Literal["pending", "in_progress", "completed", "failed"] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[JobOut]:
    """Backfills, the newest first."""
    with history.writing() as connection:
        found = table.listed(connection, symbol and symbol.upper(), status, limit)
    return [JobOut.model_validate(shown(job)) for job in found]


@router.get("/status/{job_id}", responses=UNKNOWN)
def status(job_id: UUID, rules: Rules, history: History) -> JobOut:
    """How far a backfill is, and what is missing."""
    with history.writing() as connection:
        found = table.get(connection, job_id)
    if found is None:
        raise HTTPException(404, f"no backfill {job_id}")
    return JobOut.model_validate(shown(found))


@router.post("/{job_id}/cancel", responses={**WRONG, **UNKNOWN})
def cancel(job_id: UUID, rules: Rules, history: History, ask: Ask) -> JobOut:
    """Give a backfill up. What it fetched stays; one that runs ends within a second or two."""
    found = _changed(history, job_id, control.cancel)
    ask.command(Backfill(str(job_id), found.symbol, now(), "cancel"), found.symbol)
    return JobOut.model_validate(shown(found))


@router.post("/{job_id}/retry", status_code=202, responses={**WRONG, **UNKNOWN})
def retry(job_id: UUID, rules: Rules, history: History, ask: Ask) -> JobOut:
    """Fetch the dates that failed once more; those that are complete are left alone."""
    found = _changed(history, job_id, control.retry)
    ask.command(Backfill(str(job_id), found.symbol, now(), "retry"), found.symbol)
    return JobOut.model_validate(shown(found))


def checked(symbol: str, start: date, end: date, types: list[str] | None, rules: BackfillRules, site: Site) -> Wanted:
    """A backfill that can be done.

    Raises:
        HTTPException: 400 naming everything that is wrong.
    """
    try:
        registry: Registry | None = None if types is not None else rules.registry(site.registries)
        return check(symbol.upper(), start, end, types, registry, day_of(now()), rules.max_days)
    except (Unfit, LookupError) as problem:
        raise HTTPException(400, str(problem.args[0])) from problem


def _add(history: Database, wanted: Wanted, by: str, request: Request) -> UUID:
    with history.writing() as connection:
        return table.add(connection, wanted, by, trace_of(request.scope))


def _changed(history: Database, job: UUID, change: Callable[[Any, UUID], Job]) -> Job:
    try:
        with history.writing() as connection:
            return change(connection, job)
    except LookupError as problem:
        raise HTTPException(404, str(problem.args[0])) from problem
    except Unsuitable as problem:
        raise HTTPException(400, str(problem)) from problem


def _told(wanted: Wanted) -> str:
    what = f"{' and '.join(wanted.data_types)} of {wanted.symbol} from {wanted.start} to {wanted.end} will be fetched"
    return f"{what}, not {', '.join(wanted.refused)}: the exchange does not offer it" if wanted.refused else what
