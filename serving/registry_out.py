"""Feature registries as the API tells of them."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, Field

from connectors.postgres.registry_versions import Row
from learning.registries.activation import Activated
from learning.registries.errors import Rollback
from learning.registries.versions import Check, Usage
from serving.asked import written
from serving.body import Given
from serving.times import iso

TEXT = r"^[^\x00]*$"
"""PostgreSQL takes no NUL in a text."""
FEATURE: dict[str, Any] = {
    "name": "mid_price", "input_sources": ["orderbook"], "lookback_window": "0s", "lookahead_forbidden": True,
    "max_lookback_days": 0, "data_sources": [{"source": "orderbook", "timestamp_required": True}],
}  # fmt: skip
CONFIG = {"version": "1.3.0", "features": [FEATURE]}
SINCE = "2025-03-04T09:15:04Z"
VersionName = Annotated[
    str, Path(pattern=r"^[!-~][ -~]{0,49}$", description="A version of the feature registry.", examples=["1.0.0"])
]


class RegistryOut(BaseModel):
    """The registry that is active. ``config`` is what is in force."""

    version: str = Field(examples=["1.0.0"])
    config: dict[str, Any] = Field(examples=[CONFIG])
    is_active: bool = Field(examples=[True])
    validated_at: str | None = Field(examples=[SINCE])
    validation_errors: list[str] = Field(examples=[[]])
    loaded_at: str | None = Field(examples=[SINCE])
    created_at: str = Field(examples=[SINCE])


class VersionOut(RegistryOut):
    """Everything that is known of a version."""

    created_by: str | None = Field(examples=["anna"])
    activated_by: str | None = Field(examples=["anna"])
    activation_reason: str | None = Field(examples=["needs the book's imbalance"])
    previous_version: str | None = Field(examples=["1.2.0"])
    rollback_from: str | None = Field(examples=[None])
    schema_version: str | None = Field(examples=["names-0f343b0931126a20"], description="Alike where the names are.")
    migration_script: str | None = Field(examples=[None])
    compatibility_warnings: list[str] = Field(examples=[["spread_abs: normalised differently"]])
    breaking_changes: list[str] = Field(examples=[["rsi_14: removed"]])
    file_path: str | None = Field(examples=["config/feature_registry/1.0.0.yaml"])
    sha256: str | None = Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])


class VersionItem(BaseModel):
    """A version in a list. ``usage_count``: datasets made with it, and vectors of the last 24 hours that carry it."""

    version: str = Field(examples=["1.0.0"])
    is_active: bool = Field(examples=[True])
    validated_at: str | None = Field(examples=[SINCE])
    created_at: str = Field(examples=[SINCE])
    usage_count: int = Field(examples=[86_400])


class CheckOut(BaseModel):
    """What a check came to: errors refuse a registry, warnings do not."""

    is_valid: bool = Field(examples=[True])
    validation_errors: list[str] = Field(examples=[[]])
    warnings: list[str] = Field(examples=[["ETHUSDT: nothing of ticker in the last 180 s of the log"]])


class SyncOut(BaseModel):
    """What came of reading a file again. What is in force stays so until it is reloaded."""

    version: str = Field(examples=["1.0.0"])
    is_valid: bool = Field(examples=[True])
    validated_at: str | None = Field(examples=[SINCE])
    validation_errors: list[str] = Field(examples=[[]])
    warnings: list[str] = Field(examples=[[]])


class CreateIn(Given):
    """A new version: its registry, as a file would have it. ``migration_script``: lines ``rename OLD to NEW``."""

    version: str = Field(max_length=200, examples=["1.3.0"])
    config: dict[str, Any] = Field(examples=[CONFIG])
    created_by: str = Field(default="api", max_length=100, pattern=TEXT, examples=["anna"])
    migration_script: str | None = Field(default=None, max_length=20_000, pattern=TEXT, examples=[None])


class ActivateIn(Given):
    """Why, by whom, and whether it is known that readers of the vectors will notice."""

    activation_reason: str | None = Field(default=None, max_length=200, pattern=TEXT, examples=["better features"])
    created_by: str = Field(default="api", max_length=100, pattern=TEXT, examples=["anna"])
    acknowledge_breaking_changes: bool = False


class ActivatedOut(BaseModel):
    """A version that is in force without a restart. ``begins``: the first second of its vectors; None: it was in force
    before. ``confirmed``: every shard of a running flow said that it uses it."""

    version: str = Field(examples=["1.3.0"])
    activated: bool = True
    migration_applied: bool = Field(examples=[True], description="Vectors have other names than before.")
    compatibility_warnings: list[str] = Field(examples=[["added: rsi_14"]])
    breaking_changes: list[str] = Field(examples=[["removed: vwap_3s"]])
    previous_version: str | None = Field(examples=["1.2.0"])
    hot_reload: bool = True
    begins: str | None = Field(examples=[SINCE])
    confirmed: bool = Field(examples=[True])


class RollbackIn(Given):
    """Why, and by whom."""

    rollback_reason: str | None = Field(default=None, max_length=200, pattern=TEXT, examples=["models lost accuracy"])
    created_by: str = Field(default="api", max_length=100, pattern=TEXT, examples=["anna"])


class ReloadIn(Given):
    """By whom, and whether it is known that readers of the vectors will notice."""

    created_by: str = Field(default="api", max_length=100, pattern=TEXT, examples=["anna"])
    acknowledge_breaking_changes: bool = False


class RollbackOut(BaseModel):
    """A return to the version before."""

    rolled_back_from: str = Field(examples=["1.3.0"])
    rolled_back_to: str | None = Field(examples=["1.2.0"])
    rollback_reason: str | None = Field(examples=["models lost accuracy"])
    rollback_timestamp: str = Field(examples=[SINCE])


class DatasetUse(BaseModel):
    """A dataset that was, or is being, made with the version."""

    dataset_id: str = Field(examples=["8d5f0f0e-6a35-4f57-9b6a-8f8b8f0b7d11"])
    status: str = Field(examples=["ready"])


class UsageDetails(BaseModel):
    """Who needs it, and why it can be deleted or not."""

    datasets: list[DatasetUse]
    message: str = Field(examples=["it is active"])


class UsageOut(BaseModel):
    """Who needs a version. ``feature_computations_count``: vectors of the last 24 hours of the log; None: unknown."""

    version: str = Field(examples=["1.0.0"])
    is_active: bool = Field(examples=[True])
    active_datasets_count: int = Field(examples=[2])
    feature_computations_count: int | None = Field(examples=[86_400])
    can_delete: bool = Field(examples=[False])
    usage_details: UsageDetails


class ChangeOut(BaseModel):
    """Who changed what, when and why. ``begins``: the first second of its vectors."""

    version: str = Field(examples=["1.3.0"])
    action: str = Field(examples=["activated"])
    ts: str = Field(examples=[SINCE])
    changed_by: str = Field(examples=["anna"])
    reason: str = Field(examples=["better features"])
    previous_version: str | None = Field(examples=["1.2.0"])
    begins: str | None = Field(examples=[SINCE])
    sha256: str | None = Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    decision: str | None = Field(examples=["5c0e1f7a-2f55-4a53-9d0c-6d1f7b0a4b11"])
    detail: dict[str, Any] | None = Field(examples=[{}])


def registry_of(row: Row) -> dict[str, Any]:
    """A row with the types of JSON."""
    lists = {name: row[name] or [] for name in ("validation_errors", "compatibility_warnings", "breaking_changes")}
    times = {name: written(row[name]) for name in ("validated_at", "loaded_at", "created_at")}
    return {**row, **lists, **times}


def change_of(row: Row) -> ChangeOut:
    """A change with the types of JSON."""
    times: dict[str, datetime | None] = {name: row[name] for name in ("ts", "begins")}
    return ChangeOut.model_validate({**row, **{name: written(time) for name, time in times.items()}})


def activated_of(done: Activated) -> ActivatedOut:
    """An activation."""
    return ActivatedOut(
        version=done.version,
        migration_applied=done.migrated,
        compatibility_warnings=done.warnings,
        breaking_changes=done.breaking,
        previous_version=done.previous,
        begins=None if done.begins is None else iso(done.begins),
        confirmed=done.confirmed,
    )


def rollback_of(done: Rollback) -> RollbackOut:
    """A return."""
    return RollbackOut(
        rolled_back_from=done.rolled_back_from,
        rolled_back_to=done.rolled_back_to,
        rollback_reason=done.reason or None,
        rollback_timestamp=iso(done.ts),
    )


def sync_of(check: Check) -> SyncOut:
    """A file that was read again."""
    return SyncOut(
        version=check.version,
        is_valid=not check.problems,
        validated_at=written(check.at),
        validation_errors=check.problems,
        warnings=check.warnings,
    )


def usage_of(found: Usage) -> UsageOut:
    """Who needs a version."""
    reasons = found.reasons
    message = "; ".join(reasons) if reasons else "nobody needs it: it can be deleted"
    return UsageOut(
        version=found.version,
        is_active=found.active,
        active_datasets_count=len(found.datasets),
        feature_computations_count=found.vectors,
        can_delete=not reasons,
        usage_details=UsageDetails(datasets=[DatasetUse(**one) for one in found.datasets], message=message),
    )
