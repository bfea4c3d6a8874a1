"""What a dataset is asked to be, over HTTP, and everything that can be wrong with it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

import msgspec
from pydantic import ConfigDict, Field

from learning.datasets.request import FURTHEST, DatasetRequest, Span, TimeBased, WalkForward
from serving.asked import naive
from serving.body import Given
from serving.times import EPOCH

SPLITS = ("train", "validation", "test")
BUILD: dict[str, Any] = {
    "symbol": "BTCUSDT", "split_strategy": "time_based",
    "train_period_start": "2025-01-01T00:00:00Z", "train_period_end": "2025-01-31T00:00:00Z",
    "validation_period_start": "2025-01-31T00:00:00Z", "validation_period_end": "2025-02-07T00:00:00Z",
    "test_period_start": "2025-02-07T00:00:00Z", "test_period_end": "2025-02-08T00:00:00Z",
    "target_config": {"type": "classification", "horizon": 300, "threshold": 0.001},
    "feature_registry_version": "1.2.0", "output_format": "parquet",
}  # fmt: skip
WALK: dict[str, Any] = {
    "symbol": "BTCUSDT", "split_strategy": "walk_forward",
    "walk_forward_config": {
        "train_window_days": 14, "validation_window_days": 2, "step_days": 2, "start_date": "2025-01-01T00:00:00Z",
        "end_date": "2025-02-01T00:00:00Z", "min_train_samples": 1000,
    },
    "target_config": {"type": "regression", "horizon": 900}, "feature_registry_version": "1.2.0",
    "output_format": "csv",
}  # fmt: skip


class WalkForwardIn(Given):
    """Windows in days (fractions are allowed); fold i begins ``i * step_days`` after the start."""

    train_window_days: float = Field(examples=[14])
    validation_window_days: float = Field(examples=[2])
    step_days: float = Field(examples=[2])
    start_date: datetime = Field(examples=["2025-01-01T00:00:00Z"])
    end_date: datetime = Field(examples=["2025-02-01T00:00:00Z"])
    min_train_samples: int = Field(default=0, examples=[1000])
    test_window_days: float = Field(default=0.0, examples=[1])


class TargetIn(Given):
    """``horizon`` in seconds; ``threshold`` is a fraction of the price."""

    type: Literal["regression", "classification", "risk_adjusted"]
    horizon: int = Field(examples=[300])
    threshold: float = Field(default=0.001, examples=[0.001])


class Periods(Given):
    """Three periods [start, end), one after the other; without a zone they are UTC."""

    train_period_start: datetime | None = Field(default=None, examples=["2025-01-01T00:00:00Z"])
    train_period_end: datetime | None = Field(default=None, examples=["2025-01-31T00:00:00Z"])
    validation_period_start: datetime | None = Field(default=None, examples=["2025-01-31T00:00:00Z"])
    validation_period_end: datetime | None = Field(default=None, examples=["2025-02-07T00:00:00Z"])
    test_period_start: datetime | None = Field(default=None, examples=["2025-02-07T00:00:00Z"])
    test_period_end: datetime | None = Field(default=None, examples=["2025-02-08T00:00:00Z"])


class BuildIn(Periods):
    """A dataset of one symbol: a row every ``every_seconds``. ``priority``: the larger, the sooner."""

    model_config = ConfigDict(json_schema_extra={"examples": [BUILD, WALK]})

    symbol: str
    split_strategy: Literal["time_based", "walk_forward"]
    walk_forward_config: WalkForwardIn | None = None
    target_config: TargetIn
    feature_registry_version: str
    data_leakage_check: bool = True
    output_format: str = "parquet"
    every_seconds: int = 60
    features: list[str] = Field(
        default_factory=list, description="Those of the registry that are kept; none: all.", examples=[["mid_price"]]
    )
    missing: Literal["null", "skip", "forward_fill", "extrapolate", "interpolate"] = Field(
        default="null",
        description="What becomes of features without a value: they stay null; rows with one are skipped; the last"
        " value is repeated; the line through the last two goes on; or the line to the next value is drawn, which looks"
        " ahead and needs data_leakage_check to be false. Never across a split, a gap or a tainted vector.",
    )
    missing_limit_seconds: int = Field(
        default=300, ge=1, le=FURTHEST, description="How old a value may be that is filled in."
    )
    embargo_seconds: int = 0
    priority: int = Field(default=0, ge=-1000, le=1000)


class Wrong(ValueError):
    """A request that has no answer; the message names everything that is wrong with it."""


def request_of(asked: BuildIn, now: int) -> DatasetRequest:
    """The request as the builder knows it. ``now`` in microseconds UTC.

    Raises:
        Wrong: naming everything that is wrong with it.
    """
    if found := [*_wrong_target(asked), *_wrong_plan(asked, now)]:
        raise Wrong("; ".join(found))
    target = asked.target_config
    plain = {
        "symbols": [asked.symbol.upper()],
        "plan": msgspec.to_builtins(_plan(asked)),
        "target": {"kind": target.type, "horizon": target.horizon, "threshold": target.threshold},
        "every": asked.every_seconds,
        "features": asked.features,
        "format": asked.output_format,
        "missing": asked.missing,
        "limit": asked.missing_limit_seconds,
        "embargo": asked.embargo_seconds,
        "leakage_check": asked.data_leakage_check,
    }
    try:
        return msgspec.convert(plain, DatasetRequest)
    except msgspec.ValidationError as problem:
        raise Wrong(str(problem)) from problem


def spans_of(asked: Periods) -> TimeBased:
    """The three periods, all of which are there."""
    spans = [
        Span(micros(getattr(asked, f"{split}_period_start")), micros(getattr(asked, f"{split}_period_end")))
        for split in SPLITS
    ]
    return TimeBased(*spans)


def wrong_periods(asked: Periods, now: int) -> Iterator[str]:
    """What is wrong with three periods: each named, in order, not overlapping, and over."""
    names = [f"{split}_period_{end}" for split in SPLITS for end in ("start", "end")]
    if missing := [name for name in names if getattr(asked, name) is None]:
        yield f"time_based needs all six periods; missing: {', '.join(missing)}"
        return
    times = [(name, micros(getattr(asked, name))) for name in names]
    for (first, one), (second, two) in pairwise(times):
        if first.endswith("start") and one >= two:
            yield f"{first} must lie before {second}"
        if first.endswith("end") and one > two:
            yield f"periods overlap: {second} lies before {first}"
    if times[-1][1] > now:
        yield "test_period_end lies in the future"


def micros(moment: datetime) -> int:
    """A time in microseconds UTC.

    >>> micros(datetime(1970, 1, 1, 0, 0, 1))
    1000000
    """
    return (naive(moment).replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


def _plan(asked: BuildIn) -> TimeBased | WalkForward:
    walk = asked.walk_forward_config
    if asked.split_strategy == "time_based" or walk is None:
        return spans_of(asked)
    return WalkForward(
        micros(walk.start_date),
        micros(walk.end_date),
        walk.train_window_days,
        walk.validation_window_days,
        walk.step_days,
        walk.test_window_days,
        walk.min_train_samples,
    )


def _wrong_target(asked: BuildIn) -> Iterator[str]:
    target = asked.target_config
    if target.horizon <= 0:
        yield "target_config.horizon must be above 0 seconds"
    if target.threshold < 0:
        yield "target_config.threshold must not be negative"
    if asked.output_format not in ("parquet", "csv"):
        yield f"output_format {asked.output_format} is not written here: ask for parquet or csv"


def _wrong_plan(asked: BuildIn, now: int) -> Iterator[str]:
    if asked.split_strategy == "time_based":
        yield from wrong_periods(asked, now)
        return
    walk = asked.walk_forward_config
    if walk is None:
        yield "walk_forward needs walk_forward_config"
        return
    for name in ("train_window_days", "validation_window_days", "step_days"):
        if getattr(walk, name) <= 0:
            yield f"walk_forward_config.{name} must be above 0"
    if walk.test_window_days < 0 or walk.min_train_samples < 0:
        yield "walk_forward_config: test_window_days and min_train_samples must not be negative"
    if micros(walk.start_date) >= micros(walk.end_date):
        yield "walk_forward_config.start_date must lie before end_date"
    elif (micros(walk.end_date) - micros(walk.start_date)) / 86_400e6 < (
        walk.train_window_days + walk.validation_window_days + max(walk.test_window_days, 0.0)
    ):
        yield "walk_forward_config: not even one fold fits between start_date and end_date"
    if micros(walk.end_date) > now:
        yield "walk_forward_config.end_date lies in the future"
