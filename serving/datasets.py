"""Datasets: asking for them, looking at them, fetching and changing them."""

import time
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import BaseModel, Field

from connectors.history.spans import days_of
from connectors.log import Log
from learning.backfill.automatic import needs_of
from learning.builds import control, table
from learning.builds.control import Unsuitable
from learning.builds.periods import Served, periods
from learning.datasets.errors import DatasetError
from learning.datasets.request import DatasetRequest, check
from learning.datasets.splits import first_and_end, lay_out
from operators.registry import Registry
from schemas.command import Build
from serving.backfill_rules import BackfillRules
from serving.control import Ask
from serving.database import Database, History
from serving.dataset_out import ROW, DatasetOut, dataset_of
from serving.dataset_request import BuildIn, Wrong, request_of
from serving.errors import Error
from serving.site import At
from serving.times import iso, now
from serving.trace import trace_of

LIST = (
    ROW
    + """
where (%(symbol)s::text is null or symbol = %(symbol)s) and (%(status)s::text is null or status = %(status)s)
order by created_at desc, id limit %(limit)s
"""
)
PATIENCE = 30.0
"""Seconds for which a build that runs may take to end when its dataset is deleted."""
AWAY: dict[int | str, dict[str, Any]] = {503: {"model": Error}}
UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Error}, **AWAY}
WRONG: dict[int | str, dict[str, Any]] = {400: {"model": Error}}


class SplitPlan(BaseModel):
    """What a split is to be; ``records`` are counted when it is built."""

    records: int = 0
    period_start: str = Field(examples=["2025-01-01T00:00:00Z"])
    period_end: str = Field(examples=["2025-01-31T00:00:00Z"])


class Accepted(BaseModel):
    """A build that waits for its turn. ``splits_info`` by split; of folds ``fold_<i>/<split>``."""

    dataset_id: UUID = Field(examples=["8d5f0f0e-6a35-4f57-9b6a-8f8b8f0b7d11"])
    status: Literal["building"] = "building"
    estimated_completion: str | None = Field(examples=[None], description="Known when it is being built.")
    splits_info: dict[str, SplitPlan]
    error_message: str | None = Field(default=None, examples=[None])


class Asked(BaseModel):
    """What became of it."""

    dataset_id: UUID = Field(examples=["8d5f0f0e-6a35-4f57-9b6a-8f8b8f0b7d11"])
    state: str = Field(description="A build that runs follows within a second.", examples=["paused"])


router = APIRouter(prefix="/dataset", tags=["datasets"])


@router.post("/build", status_code=202, responses={**WRONG, **AWAY})
def build(asked: BuildIn, request: Request, history: History, site: At, ask: Ask) -> Accepted:
    """Ask for a dataset. It is built when its turn comes: look at it for progress, or wait for the topic ``datasets``
    or the queue ``features.dataset.ready``."""
    wanted = checked(asked, site.registries)
    if not fetched_by_itself(wanted, site.registries(asked.feature_registry_version), site.backfill):
        with ask.log() as log:
            in_log(log, wanted)
    with history.writing() as connection:
        dataset = table.add(
            connection,
            wanted,
            asked.feature_registry_version,
            str(site.datasets),
            priority=asked.priority,
            trace_id=trace_of(request.scope),
        )
    ask.command(Build(str(dataset), now(), "build", asked.priority, wanted.symbols[0]), wanted.symbols[0])
    planned = {
        split.key: SplitPlan(period_start=iso(split.start), period_end=iso(split.end))
        for split in lay_out(wanted.plan, wanted.embargo)
    }
    return Accepted(dataset_id=dataset, estimated_completion=None, splits_info=planned)


@router.get("/list", responses=AWAY)
def datasets(
    history: History,
    symbol: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9]{1,20}$", examples=["BTCUSDT"])] = None,
    status: Annotated[Literal["building", "ready", "failed"] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[DatasetOut]:
    """Datasets, the newest first."""
    params = {"symbol": symbol and symbol.upper(), "status": status, "limit": limit}
    return [dataset_of(row) for row in history.rows(LIST, params)]


@router.get("/{dataset_id}", responses=UNKNOWN)
def dataset(dataset_id: UUID, history: History) -> DatasetOut:
    """One dataset: how far it is, and what it holds."""
    return dataset_of(row_of(history, dataset_id))


@router.post("/{dataset_id}/{action}", responses={**WRONG, **UNKNOWN})
def change(dataset_id: UUID, action: Literal["pause", "resume", "cancel"], history: History, ask: Ask) -> Asked:
    """Hold a build up, let it go on, or give it up."""
    row = row_of(history, dataset_id)
    try:
        with history.writing() as connection:
            state = control.ask(connection, dataset_id, action)
    except Unsuitable as problem:
        raise HTTPException(400, str(problem)) from problem
    ask.command(Build(str(dataset_id), now(), action, row["priority"], row["symbol"]), row["symbol"])
    return Asked(dataset_id=dataset_id, state=state)


@router.delete("/{dataset_id}", status_code=204, responses={504: {"model": Error}, **UNKNOWN})
def delete(dataset_id: UUID, history: History) -> Response:
    """Delete a dataset with its files; a build that runs is ended first."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with history.writing() as connection:
                if control.remove(connection, dataset_id):
                    return Response(status_code=204)
        except LookupError as problem:
            raise HTTPException(404, "Dataset not found") from problem
        if time.monotonic() > deadline:
            raise HTTPException(504, f"the build of {dataset_id} does not end; it was asked to: try again later")
        time.sleep(0.1)


def checked(asked: BuildIn, registry_of: Any) -> DatasetRequest:
    """The request, if it has an answer whatever the log holds.

    Raises:
        HTTPException: 400 naming everything that is wrong.
    """
    try:
        wanted = request_of(asked, now())
        check(wanted, registry_of(asked.feature_registry_version))
    except (Wrong, DatasetError, LookupError) as problem:
        raise HTTPException(400, str(problem.args[0])) from problem
    return wanted


def in_log(log: Log, wanted: DatasetRequest) -> None:
    """Check that there is something in the span of a request.

    Raises:
        HTTPException: 400 naming the periods that can be served.
    """
    start, end = first_and_end(lay_out(wanted.plan, wanted.embargo))
    for symbol in wanted.symbols:
        if not periods(log, symbol, start, end):
            raise HTTPException(
                400,
                f"the log has nothing of {symbol} from {iso(start)} to {iso(end)}; it can serve"
                f" {told(periods(log, symbol))}. Ask for such a period, or collect the missing one first",
            )


def fetched_by_itself(wanted: DatasetRequest, registry: Registry, rules: BackfillRules) -> bool:
    """Whether what the log lacks will be fetched from the exchange when the dataset is built."""
    if not (rules.enabled and rules.auto) or wanted.source == "features":
        return False
    needs = needs_of(wanted, registry, now())
    days = len(days_of([needs.window]))
    return not needs.refused and days <= rules.max_days


def told(served: list[Served]) -> str:
    """Periods for people, at most ten."""
    shown = [f"{iso(one.start)} to {iso(one.end)}" for one in served[-10:]]
    return ", ".join(shown) or "no period of it at all"


def row_of(history: Database, dataset_id: UUID) -> dict[str, Any]:
    """The row of a dataset.

    Raises:
        HTTPException: 404 when there is none.
    """
    if found := history.rows(ROW + " where id = %(id)s", {"id": dataset_id}):
        return found[0]
    raise HTTPException(404, "Dataset not found")
