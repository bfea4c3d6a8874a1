"""How trading goes: skipped decisions by reason, delays of signals, models."""

from collections import Counter

from fastapi import APIRouter
from pydantic import BaseModel, Field

from serving.asked import Asset, StrategyName
from serving.database import History
from serving.errors import Error
from serving.features import Seen
from serving.health import Here
from serving.times import iso
from serving.trading_view import Delays

EXISTS = "select to_regclass('model_versions') is not null as here"
MODELS = """
select coalesce(strategy_id, '') as strategy, model_type, count(*) as total, count(*) filter (where is_active) as active
from model_versions group by 1, 2
"""


class ModelsPerformance(BaseModel):
    """Model versions; those for any strategy are counted under ``any``."""

    active_models_count: int = Field(examples=[1])
    total_models_count: int = Field(examples=[3])
    models_by_strategy: dict[str, int] = Field(examples=[{"momentum": 3}])
    models_by_type: dict[str, int] = Field(examples=[{"xgboost": 3}])


class MonitoringHealth(BaseModel):
    """The connections, flat. ``warmup_mode_enabled``: some strategy makes entries without a model."""

    database_connected: bool = Field(examples=[True])
    message_queue_connected: bool = Field(examples=[True])
    model_storage_accessible: bool = Field(examples=[True])
    active_models: int = Field(description="Models in use, by the log.", examples=[0])
    warmup_mode_enabled: bool = Field(examples=[True])


class Skips(BaseModel):
    """Skipped decisions of one strategy about one asset; a reason is the gate or exit rule that decided."""

    strategy_id: str = Field(examples=["momentum"])
    asset: str = Field(examples=["BTCUSDT"])
    total_skips: int = Field(examples=[42])
    by_reason: dict[str, int] = Field(examples=[{"rate": 40, "data": 2}])


class SkipMetrics(BaseModel):
    """Decisions not to signal since ``last_reset``, when the API started."""

    total_skips: int = Field(examples=[42])
    by_asset_strategy: dict[str, Skips] = Field(description="By strategy:asset.")
    by_reason: dict[str, int] = Field(examples=[{"rate": 40, "data": 2}])
    last_reset: str = Field(examples=["2025-03-04T09:15:04Z"])


class ProcessingDelay(BaseModel):
    """From a signal's time to its arrival on the log, of the signals since ``last_reset``, when the API started."""

    total_signals: int = Field(examples=[120])
    average_delay_seconds: float = Field(examples=[0.031])
    max_delay_seconds: float = Field(examples=[0.2])
    bucket_counts: dict[str, int] = Field(examples=[{"<1s": 120, "1-5s": 0, "5-30s": 0, "30-120s": 0, ">120s": 0}])
    last_reset: str = Field(examples=["2025-03-04T09:15:04Z"])


router = APIRouter(prefix="/api/v1/monitoring", tags=["monitoring"])


@router.get("/signals/skip-metrics")
async def skip_metrics(view: Seen, strategy_id: StrategyName = None, asset: Asset = None) -> SkipMetrics:
    """Why there was no signal: counts by strategy, asset and reason."""
    name = asset.upper() if asset else None
    pairs: dict[str, Skips] = {}
    reasons: Counter[str] = Counter()
    for (strategy, symbol, reason), count in sorted(view.trading.skips.copy().items()):
        if strategy_id not in (None, strategy) or name not in (None, symbol):
            continue
        empty = Skips(strategy_id=strategy, asset=symbol, total_skips=0, by_reason={})
        pair = pairs.setdefault(f"{strategy}:{symbol}", empty)
        pair.total_skips += count
        pair.by_reason[reason] = count
        reasons[reason] += count
    return SkipMetrics(
        total_skips=reasons.total(),
        by_asset_strategy=pairs,
        by_reason=dict(reasons),
        last_reset=iso(view.trading.since),
    )


@router.get("/signals/processing-delay")
async def processing_delay(view: Seen) -> ProcessingDelay:
    """How long signals took to reach the log."""
    delays: Delays = view.trading.delays
    return ProcessingDelay(
        total_signals=delays.count,
        average_delay_seconds=delays.total / delays.count if delays.count else 0.0,
        max_delay_seconds=delays.longest,
        bucket_counts=delays.buckets.copy(),
        last_reset=iso(delays.since),
    )


@router.get("/health")
async def monitoring_health(view: Seen, health: Here) -> MonitoringHealth:
    """The connections, and in which mode strategies are."""
    report = health.report()
    storage = report.checks["model_storage"]
    return MonitoringHealth(
        database_connected=report.database_connected,
        message_queue_connected=report.queue_connected,
        model_storage_accessible=storage.status == "healthy",
        active_models=len(view.trading.models),
        warmup_mode_enabled=view.trading.warming_up,
    )


@router.get("/models/performance", responses={503: {"model": Error}})
def models_performance(history: History) -> ModelsPerformance:
    """Model versions by strategy and type; none where no model was ever trained."""
    rows = history.rows(MODELS) if history.rows(EXISTS)[0]["here"] else []
    strategies: Counter[str] = Counter()
    types: Counter[str] = Counter()
    for row in rows:
        strategies[row["strategy"] or "any"] += row["total"]
        types[row["model_type"]] += row["total"]
    return ModelsPerformance(
        active_models_count=sum(row["active"] for row in rows),
        total_models_count=sum(row["total"] for row in rows),
        models_by_strategy=dict(strategies),
        models_by_type=dict(types),
    )
