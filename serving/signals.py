"""Trading signals: the newest from the log, all of them from the database."""

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from connectors.postgres.columns import moment
from connectors.postgres.signal_rows import metadata, snapshot
from schemas.signal import TradingSignal
from serving.asked import Page, Question, count, written
from serving.database import History
from serving.errors import Error
from serving.features import Seen
from serving.trading_view import KEPT

COLUMNS = """
select signal_id, strategy_id, asset, side, price, confidence, timestamp, model_version, is_warmup,
    market_data_snapshot, metadata, trace_id
from trading_signals
"""
EXAMPLE: dict[str, Any] = {
    "signal_id": "8d5f0f0e-6a35-5f57-9b6a-8f8b8f0b7d11", "strategy_id": "momentum", "asset": "BTCUSDT", "side": "buy",
    "price": 64210.5, "confidence": 0.82, "timestamp": "2025-03-04T09:15:04.250000Z", "model_version": None,
    "is_warmup": True, "amount": 355.5, "requested": 400.0, "kind": "entry", "rule": None, "urgency": False,
    "reason": "momentum 0.42 above 0.1", "feature_registry_version": "1.2.0", "origin": "0/1041/1",
    "trace_id": "77f1f3a2-8d0e-5c92-b1ee-0f5f6a7b8c9d",
    "market_data_snapshot": {"price": 64210.5, "spread": 0.0002, "volume_24h": 918.4, "volatility": 0.0004},
}  # fmt: skip


class SignalOut(BaseModel):
    """A signal. Amounts and the price are quote currency.

    What another system wrote into the shared table has neither ``amount`` nor the fields behind it.
    """

    model_config = {"json_schema_extra": {"examples": [EXAMPLE]}}

    signal_id: UUID
    strategy_id: str
    asset: str
    side: Literal["buy", "sell"]
    price: float
    confidence: float | None
    timestamp: str
    model_version: str | None
    is_warmup: bool
    amount: float | None
    requested: float | None
    kind: Literal["entry", "exit"] | None
    rule: str | None
    urgency: bool | None
    reason: str | None
    feature_registry_version: str | None
    origin: str | None
    trace_id: str | None
    market_data_snapshot: dict[str, Any] | None


class Signals(Page):
    """A page of signals, newest first."""

    items: list[SignalOut]


class LatestSignals(BaseModel):
    """The newest signals that are on the log, newest first."""

    items: list[SignalOut]
    kept: int = Field(description="So many of the newest signals are looked through.", examples=[1000])


router = APIRouter(prefix="/api/v1/signals", tags=["trading"])


@router.get("", responses={503: {"model": Error}})
def signals(question: Question, history: History) -> Signals:
    """Signals from the database, newest first."""
    condition, params = question.where("timestamp"), question.params()
    found = history.rows(
        COLUMNS + " where " + condition + " order by timestamp desc, signal_id limit %(limit)s offset %(offset)s",
        params,
    )
    total = count(history, "trading_signals", condition, params)
    return Signals(items=[of_row(row) for row in found], total=total, limit=question.limit, offset=question.offset)


@router.get("/latest")
async def latest(question: Question, view: Seen) -> LatestSignals:
    """The newest signals from the log itself, also while the database is away."""
    newest = view.trading.signals.all()
    fitting = [signal for signal in newest if question.fits(signal.strategy, signal.symbol)]
    page = fitting[question.offset : question.offset + question.limit]
    return LatestSignals(items=[of_record(signal) for signal in page], kept=KEPT)


@router.get("/{signal_id}", responses={404: {"model": Error}, 503: {"model": Error}})
def one(signal_id: UUID, view: Seen, history: History) -> SignalOut:
    """One signal, from the log while it is among the newest, else from the database."""
    for signal in view.trading.signals.all():
        if signal.signal_id == str(signal_id):
            return of_record(signal)
    if found := history.rows(COLUMNS + " where signal_id = %(id)s", {"id": signal_id}):
        return of_row(found[0])
    raise HTTPException(404, f"no signal {signal_id}")


def of_record(signal: TradingSignal) -> SignalOut:
    """A signal from the log."""
    return of_row(
        {
            "signal_id": signal.signal_id,
            "strategy_id": signal.strategy,
            "asset": signal.symbol,
            "side": signal.side,
            "price": signal.snapshot.price,
            "confidence": signal.confidence,
            "timestamp": moment(signal.ts),
            "model_version": signal.model_version,
            "is_warmup": signal.is_warmup,
            "market_data_snapshot": snapshot(signal.snapshot),
            "metadata": metadata(signal),
            "trace_id": signal.trace_id,
        }
    )


def of_row(row: dict[str, Any]) -> SignalOut:
    """A signal from the table, whoever wrote it."""
    more = row["metadata"] if isinstance(row["metadata"], dict) else {}
    kinds = {"entry": "entry", "exit": "exit"}
    return SignalOut.model_validate(
        {
            **row,
            "timestamp": written(row["timestamp"]),
            "reason": more.get("reasoning"),
            "kind": kinds.get(str(more.get("kind"))),
            "urgency": more.get("urgency") is True,
            **{name: more.get(name) for name in ("amount", "requested", "rule", "feature_registry_version", "origin")},
        }
    )
