"""A dataset as readers see it: the row of the table, and from its metadata what they need."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from serving.asked import written

ROW = """
select id, symbol, status, split_strategy, train_period_start, train_period_end, validation_period_start,
    validation_period_end, test_period_start, test_period_end, walk_forward_config, target_config,
    feature_registry_version, train_records, validation_records, test_records, output_format, storage_path, created_at,
    completed_at, estimated_completion, error_message, metadata, priority
from datasets
"""
TIMES = (
    "train_period_start", "train_period_end", "validation_period_start", "validation_period_end", "test_period_start",
    "test_period_end", "created_at", "completed_at", "estimated_completion",
)  # fmt: skip
EXAMPLE: dict[str, Any] = {
    "id": "8d5f0f0e-6a35-4f57-9b6a-8f8b8f0b7d11", "dataset_id": "8d5f0f0e-6a35-4f57-9b6a-8f8b8f0b7d11",
    "symbol": "BTCUSDT", "status": "building", "state": "building", "split_strategy": "time_based",
    "train_period_start": "2025-01-01T00:00:00Z", "train_period_end": "2025-01-31T00:00:00Z",
    "validation_period_start": "2025-01-31T00:00:00Z", "validation_period_end": "2025-02-07T00:00:00Z",
    "test_period_start": "2025-02-07T00:00:00Z", "test_period_end": "2025-02-08T00:00:00Z",
    "walk_forward_config": None, "target_config": {"type": "classification", "horizon": 300, "threshold": 0.001},
    "feature_registry_version": "1.2.0", "train_records": 0, "validation_records": 0, "test_records": 0,
    "output_format": "parquet", "storage_path": "/srv/datasets/8d5f0f0e-6a35-4f57-9b6a-8f8b8f0b7d11",
    "created_at": "2025-03-04T09:15:04Z", "completed_at": None, "estimated_completion": "2025-03-04T09:19:00Z",
    "error_message": None, "priority": 0, "progress": {"phase": "rows", "percent": 42.5, "rows": 18_000},
    "metadata": {},
}  # fmt: skip


class DatasetOut(BaseModel):
    """``id`` and ``dataset_id`` are the same. ``state`` is finer than ``status``: ``queued``, ``building``,
    ``paused``, ``cancelled``, ``ready``, ``failed``. ``metadata`` has splits, quality, leakage checks and figures of
    the build."""

    model_config = {"json_schema_extra": {"examples": [EXAMPLE]}}

    id: UUID
    dataset_id: UUID
    symbol: str
    status: Literal["building", "ready", "failed"]
    state: str
    split_strategy: str
    train_period_start: str | None
    train_period_end: str | None
    validation_period_start: str | None
    validation_period_end: str | None
    test_period_start: str | None
    test_period_end: str | None
    walk_forward_config: dict[str, Any] | None
    target_config: dict[str, Any]
    feature_registry_version: str
    train_records: int | None
    validation_records: int | None
    test_records: int | None
    output_format: str
    storage_path: str | None
    created_at: str
    completed_at: str | None
    estimated_completion: str | None
    error_message: str | None
    priority: int
    progress: dict[str, Any]
    metadata: dict[str, Any]


def dataset_of(row: dict[str, Any]) -> DatasetOut:
    """A dataset from the table, whoever made it."""
    metadata = row["metadata"] or {}
    return DatasetOut.model_validate(
        {
            **row,
            **{name: written(row[name]) for name in TIMES},
            "dataset_id": row["id"],
            "state": metadata.get("state", row["status"]),
            "progress": metadata.get("progress") or {},
            "metadata": metadata,
        }
    )
