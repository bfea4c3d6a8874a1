"""Statistics as readers see them. Whatever could not be collected is null, and ``error`` says why."""

from typing import Literal

from pydantic import BaseModel, Field

from serving.health import HealthOut

Status = Literal["active", "waiting", "missing", "unknown"]
WHY = Field(default=None, description="Why a figure is missing; null when all are there.", examples=[None])


class StoredOut(BaseModel):
    """Bytes and files of one kind."""

    size_bytes: int | None = Field(examples=[734_003_200])
    file_count: int | None = Field(examples=[96])
    error: str | None = WHY


class StorageOut(BaseModel):
    """``raw_data_storage`` is the archive, ``log_storage`` the embedded log (nothing where a broker keeps it)."""

    raw_data_storage: StoredOut
    dataset_storage: StoredOut
    model_storage: StoredOut
    log_storage: StoredOut
    error: str | None = WHY


class ProcessingOut(BaseModel):
    """Vectors that a flow wrote and events that it read in the hour and the day before ``computed_at``, by the times
    on the log: a recorded session counts in the totals alone. ``log_time`` is that of the newest event."""

    features_computed_1h: int | None = Field(examples=[7_200])
    features_computed_24h: int | None = Field(examples=[172_800])
    events_processed_1h: int | None = Field(examples=[255_600])
    events_processed_24h: int | None = Field(examples=[6_134_400])
    features_total: int | None = Field(examples=[1_209_600])
    events_total: int | None = Field(examples=[42_940_800])
    log_time: str | None = Field(examples=["2025-03-04T09:15:04Z"])
    computed_at: str = Field(examples=["2025-03-04T09:15:04Z"])
    error: str | None = WHY


class WindowsOut(BaseModel):
    """Trades in the windows (t - w, t] of a symbol, trades that its tape holds, its closed one-minute candles (up to
    1,500), and about how much memory a flow needs for it."""

    symbol: str = Field(examples=["BTCUSDT"])
    intervals: dict[str, int] = Field(examples=[{"1s": 4, "3s": 11, "15s": 52, "1m": 214}])
    total_trades_count: int = Field(examples=[216])
    total_klines_count: int = Field(examples=[1_500])
    memory_usage_bytes_estimate: int = Field(examples=[218_000])
    last_update: str = Field(examples=["2025-03-04T09:15:04Z"])


class QueueOut(BaseModel):
    """One queue of ws-gateway: ``active`` with a consumer, ``waiting`` without one, ``missing`` when nobody declared
    it, ``unknown`` when the broker cannot be asked."""

    queue_name: str = Field(examples=["ws-gateway.trade"])
    messages_in_queue: int | None = Field(examples=[12])
    active_consumers: int | None = Field(examples=[1])
    subscription_status: Status
    error: str | None = WHY


class FlowOut(BaseModel):
    """One process that reports of itself."""

    flow: str = Field(examples=["trading"])
    process: int = Field(examples=[0])
    alive: bool = Field(examples=[True])
    last_report: str = Field(examples=["2025-03-04T09:15:04Z"])


class ServiceOut(BaseModel):
    """What is followed, how it is (as ``/health`` says), and which processes report."""

    tracked_symbols: list[str] = Field(examples=[["BTCUSDT", "ETHUSDT"]])
    service_status: Literal["healthy", "degraded"]
    last_health_check: str = Field(examples=["2025-03-04T09:15:04Z"])
    version: str = Field(examples=["0.1.0"])
    flows: list[FlowOut]
    error: str | None = WHY


class StatsOut(BaseModel):
    """All of it at once; ``errors`` names the parts that are not complete."""

    storage: StorageOut
    processing: ProcessingOut
    rolling_windows: list[WindowsOut]
    subscriptions: list[QueueOut]
    service: ServiceOut
    collected_at: str = Field(examples=["2025-03-04T09:15:04Z"])
    errors: dict[str, str] = Field(examples=[{}])


def problem_of(health: HealthOut) -> str | None:
    """What makes a service that is not well so."""
    found = [f"{name}: {check.detail}" for name, check in health.checks.items() if check.status != "healthy"]
    return "; ".join(found) or None
