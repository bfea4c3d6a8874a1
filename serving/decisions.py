"""Decisions: above all why there was no signal."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from connectors.postgres.columns import moment
from schemas.decision import Decision
from serving.asked import Asked, Page, Question, count, written
from serving.database import History
from serving.errors import Error
from serving.features import Seen
from serving.trading_view import KEPT

COLUMNS = """
select strategy_id, asset, ts, kind, outcome, step, reason, side, numbers, gates, signal_id, model_version, trace_id,
    origin
from decisions
"""
EXAMPLE: dict[str, Any] = {
    "strategy_id": "momentum", "asset": "BTCUSDT", "timestamp": "2025-03-04T09:15:04Z", "kind": "entry",
    "outcome": "skip", "step": "rate", "reason": "no token for another 12.5 s", "side": "buy",
    "numbers": {"tokens": 0.0, "wait": 12.5}, "gates": [{"step": "data", "age": 0.2}], "signal_id": None,
    "model_version": None, "trace_id": "77f1f3a2-8d0e-5c92-b1ee-0f5f6a7b8c9d", "origin": "0/1041/0",
}  # fmt: skip
Outcome = Annotated[Literal["signal", "skip", "changed"] | None, Query(description="What came of it.")]
Step = Annotated[
    str | None, Query(max_length=100, description="The gate or exit rule that decided.", examples=["rate"])
]


class DecisionOut(BaseModel):
    """A decision: ``step`` decided, on ``numbers``, after the ``gates`` before it were passed."""

    model_config = {"json_schema_extra": {"examples": [EXAMPLE]}}

    strategy_id: str
    asset: str
    timestamp: str
    kind: str
    outcome: str
    step: str
    reason: str
    side: str | None
    numbers: dict[str, Any]
    gates: list[dict[str, Any]]
    signal_id: UUID | None
    model_version: str | None
    trace_id: str
    origin: str


class Decisions(Page):
    """A page of decisions, newest first."""

    items: list[DecisionOut]


class LatestDecisions(BaseModel):
    """The newest decisions that are on the log, newest first."""

    items: list[DecisionOut]
    kept: int = Field(description="So many of the newest decisions are looked through.", examples=[1000])


router = APIRouter(prefix="/api/v1/decisions", tags=["trading"])


@router.get("", responses={503: {"model": Error}})
def decisions(question: Question, history: History, outcome: Outcome = None, step: Step = None) -> Decisions:
    """Decisions from the database, newest first."""
    condition, params = question.where("ts"), {**question.params(), "outcome": outcome, "step": step}
    if outcome is not None:
        condition += " and outcome = %(outcome)s"
    if step is not None:
        condition += " and step = %(step)s"
    found = history.rows(
        COLUMNS + " where " + condition + " order by ts desc, origin desc limit %(limit)s offset %(offset)s", params
    )
    total = count(history, "decisions", condition, params)
    items = [DecisionOut.model_validate({**row, "timestamp": written(row["ts"])}) for row in found]
    return Decisions(items=items, total=total, limit=question.limit, offset=question.offset)


@router.get("/latest")
async def latest(question: Question, view: Seen, outcome: Outcome = None, step: Step = None) -> LatestDecisions:
    """The newest decisions from the log itself, also while the database is away."""
    fitting = [one for one in view.trading.decisions.all() if _fits(one, question, outcome, step)]
    page = fitting[question.offset : question.offset + question.limit]
    return LatestDecisions(items=[of_record(one) for one in page], kept=KEPT)


def of_record(decision: Decision) -> DecisionOut:
    """A decision from the log."""
    row = {name: getattr(decision, name) for name in decision.__struct_fields__}
    names = {"strategy_id": decision.strategy, "asset": decision.symbol}
    more = {"timestamp": written(moment(decision.ts)), "origin": decision.origin.header().decode()}
    return DecisionOut.model_validate({**row, **names, **more})


def _fits(decision: Decision, question: Asked, outcome: str | None, step: str | None) -> bool:
    return (
        question.fits(decision.strategy, decision.symbol)
        and outcome in (None, decision.outcome)
        and step in (None, decision.step)
    )
