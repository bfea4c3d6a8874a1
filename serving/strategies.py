"""The strategies: their settings in force, and how they did."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel, Field

from connectors.postgres.account_rows import whole
from connectors.postgres.columns import moment
from serving.asked import Time, naive, written
from serving.database import DatabaseAway, History
from serving.errors import Error
from serving.features import Seen
from serving.times import now
from serving.trading_view import TradingView

LATEST = """
select distinct on (strategy_id) strategy_id, enabled, settings, changed_by, ts
from strategy_settings order by strategy_id, ts desc, created_at desc
"""
SERIES = """
select date_trunc(%(granularity)s, executed_at) as bucket, count(*) as total_orders,
    count(*) filter (where profit > 0) as successful_orders, coalesce(sum(profit), 0) as total_pnl,
    avg(profit) as avg_pnl
from (
    select coalesce(performance->>'order_id', id::text) as order_id, min(executed_at) as executed_at,
        sum((performance->>'realized_pnl')::numeric) as profit
    from execution_events
    where strategy_id = %(strategy)s and executed_at >= %(start)s and executed_at < %(end)s
    group by 1
) orders
group by 1 order by 1
"""
WEEK = timedelta(days=7)
MOST = 10_000
"""The most buckets of an answer: more than a year of hours."""
Granularity = Literal["hour", "day", "week"]
SPANS: dict[Granularity, timedelta] = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": WEEK}
StrategyId = Annotated[str, Path(max_length=100, examples=["momentum"])]


class StrategyOut(BaseModel):
    """A strategy as it is in force; ``settings`` has every setting, also those left at their default."""

    strategy_id: str = Field(examples=["momentum"])
    enabled: bool = Field(examples=[True])
    mode: str = Field(examples=["auto"])
    symbols: list[str] = Field(examples=[["BTCUSDT"]])
    models: dict[str, str] = Field(description="The model in use, by symbol.", examples=[{"BTCUSDT": "v1741000000"}])
    since: str = Field(examples=["2025-03-04T09:15:04Z"])
    changed_by: str = Field(examples=["lockstep strategies"])
    settings: dict[str, Any] = Field(examples=[{"strategy": "momentum", "rate": {"per_minute": 60.0, "burst": 10}}])


class Strategies(BaseModel):
    """Every strategy, by id."""

    strategies: list[StrategyOut]


class PerformancePoint(BaseModel):
    """One bucket, beginning at ``timestamp``. Profits are realised ones before fees, in quote currency.

    ``success_rate`` is the share of all its orders that realised a profit; ``avg_pnl`` the mean of those that closed
    anything.
    """

    timestamp: str = Field(examples=["2025-03-04T09:00:00Z"])
    success_rate: float = Field(examples=[0.5])
    total_pnl: float = Field(examples=[6.0])
    avg_pnl: float = Field(examples=[2.0])
    total_orders: int = Field(examples=[6])
    successful_orders: int = Field(examples=[3])


class PerformanceSeries(BaseModel):
    """How a strategy did over time; buckets without an order are left out."""

    strategy_id: str = Field(examples=["momentum"])
    granularity: Granularity
    start_time: str = Field(examples=["2025-02-25T09:15:04Z"])
    end_time: str = Field(examples=["2025-03-04T09:15:04Z"])
    data_points: list[PerformancePoint]


router = APIRouter(prefix="/api/v1/strategies", tags=["trading"])


@router.get("", responses={503: {"model": Error}})
def strategies(view: Seen, history: History) -> Strategies:
    """The settings in force. What the log said long ago comes from the database; without it, what was seen since."""
    found: dict[str, tuple[datetime, dict[str, Any], str]] = {}
    try:
        for row in history.rows(LATEST):
            found[row["strategy_id"]] = row["ts"], row["settings"], row["changed_by"]
    except DatabaseAway:
        if not view.trading.strategies:
            raise
    for name, event in view.trading.strategies.copy().items():
        since = moment(event.recv)
        if name not in found or found[name][0] <= since:
            settings: dict[str, Any] = msgspec.to_builtins(whole(event.settings))
            found[name] = since, settings, event.by
    return Strategies(strategies=[_strategy(view.trading, name, *found[name]) for name in sorted(found)])


def _strategy(trading: TradingView, name: str, since: datetime, settings: dict[str, Any], by: str) -> StrategyOut:
    symbols = list(settings["symbols"])
    models = {symbol: model for symbol in symbols if (model := trading.model(name, symbol))}
    return StrategyOut(
        strategy_id=name,
        enabled=settings["enabled"],
        mode=settings["mode"],
        symbols=symbols,
        models=models,
        since=written(since) or "",
        changed_by=by,
        settings=settings,
    )


@router.get("/{strategy_id}/performance/time-series", responses={400: {"model": Error}, 503: {"model": Error}})
def time_series(
    strategy_id: StrategyId,
    history: History,
    granularity: Annotated[Granularity, Query(description="The length of a bucket.")] = "hour",
    start_time: Time = None,
    end_time: Time = None,
) -> PerformanceSeries:
    """Orders and realised profit by hour, day or week (from Monday), UTC; by default of the last seven days."""
    end = naive(end_time) if end_time else moment(now())
    start = naive(start_time) if start_time else end - WEEK
    if start >= end:
        raise HTTPException(400, f"start_time ({written(start)}) is not before end_time ({written(end)})")
    if (end - start) / SPANS[granularity] > MOST:
        raise HTTPException(400, f"more than {MOST} buckets of one {granularity}: ask for less time or longer buckets")
    params = {"granularity": granularity, "strategy": strategy_id, "start": start, "end": end}
    return PerformanceSeries(
        strategy_id=strategy_id,
        granularity=granularity,
        start_time=written(start) or "",
        end_time=written(end) or "",
        data_points=[_point(row) for row in history.rows(SERIES, params)],
    )


def _point(row: dict[str, Any]) -> PerformancePoint:
    total, won = row["total_orders"], row["successful_orders"]
    return PerformancePoint(
        timestamp=written(row["bucket"]) or "",
        success_rate=won / total,
        total_pnl=float(row["total_pnl"]),
        avg_pnl=float(row["avg_pnl"] or Decimal(0)),
        total_orders=total,
        successful_orders=won,
    )
