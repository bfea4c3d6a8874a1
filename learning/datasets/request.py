"""What a dataset is asked to be."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from learning.datasets.errors import DatasetError
from operators.registry import Registry
from operators.spans import SECOND
from schemas.bounds import Text, Time
from schemas.learning import Target, WholeSeconds
from schemas.strategy import Symbol

Positive = Annotated[float, Meta(gt=0, le=3660)]
Missing = Literal["null", "skip", "forward_fill", "extrapolate", "interpolate"]
FILLING = ("forward_fill", "extrapolate", "interpolate")
FURTHEST = 600
"""Seconds over which a value may be filled in at most. Every look-back is longer, so that whoever builds a part of a
dataset knows of each gap that lies between."""
FORMATS = ("parquet", "csv")


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a request: unknown names are refused."""


class Span(_Part, frozen=True):
    """Times [start, end) in microseconds UTC."""

    start: Time
    end: Time


class TimeBased(_Part, frozen=True, tag_field="strategy", tag="time_based"):
    """Three periods, one after the other."""

    train: Span
    validation: Span
    test: Span


class WalkForward(_Part, frozen=True, tag_field="strategy", tag="walk_forward"):
    """Fold i trains on [start + i * step, + train_days), and is validated on what follows, while that ends by ``end``.

    With ``test_days`` each fold has a test period behind its validation period. A fold with fewer than
    ``min_train_samples`` rows to train on is reported, and not kept.
    """

    start: Time
    end: Time
    train_days: Positive
    validation_days: Positive
    step_days: Positive
    test_days: Annotated[float, Meta(ge=0, le=3660)] = 0.0
    min_train_samples: Annotated[int, Meta(ge=0)] = 0


class Random(_Part, frozen=True, tag_field="strategy", tag="random"):
    """Each row of [start, end) by lot, in the order of time inside a split.

    For tests only: neighbours tell of each other.
    """

    start: Time
    end: Time
    train: Annotated[float, Meta(gt=0, lt=1)] = 0.7
    validation: Annotated[float, Meta(ge=0, lt=1)] = 0.15
    seed: int = 42


Plan = TimeBased | WalkForward | Random


class DatasetRequest(_Part, frozen=True):
    """A dataset of one or more symbols: a row of each every ``every`` seconds.

    ``features`` are those of the registry that are kept; none: all. ``missing`` is what becomes of features without a
    value: they stay ``null``; rows with one are ``skip``ped; ``forward_fill`` repeats the last value of the symbol;
    ``extrapolate`` goes on along the line through the last two, so that it never looks past t either; ``interpolate``
    draws the line to the next one, which looks ahead, so it needs ``leakage_check`` to be off. All for at most
    ``limit`` seconds, and never across a split, a gap or a tainted vector. Rows without a target are always dropped.
    ``embargo`` seconds after the end of a split no row of the next one begins. ``source``: rows are computed from
    ``events``, or read from ``features`` where a flow wrote the same already (``auto``: where it did).
    """

    symbols: tuple[Symbol, ...]
    plan: Plan
    target: Target = field(default_factory=Target)
    dataset_id: Text = ""
    every: WholeSeconds = 60
    features: tuple[Text, ...] = ()
    format: str = "parquet"
    missing: Missing = "null"
    limit: WholeSeconds = 300
    embargo: Annotated[int, Meta(ge=0, le=604_800)] = 0
    leakage_check: bool = True
    samples: Annotated[int, Meta(ge=1, le=1000)] = 4
    source: Literal["auto", "events", "features"] = "auto"

    @property
    def horizon(self) -> int:
        """In microseconds."""
        return self.target.horizon * SECOND


DEVIATIONS = ("volatility_5m", "volatility_1m")
"""What a risk-adjusted return is measured in: the first of them that the registry has."""


def check(request: DatasetRequest, registry: Registry) -> None:
    """Whether the request has an answer, whatever the log holds.

    Raises:
        DatasetError: naming everything that is wrong with it.
    """
    if problems := [*_problems(request), *_unknown(request, registry), *_order(request.plan)]:
        raise DatasetError("the dataset cannot be built: " + "; ".join(problems))


def chosen(request: DatasetRequest, registry: Registry) -> tuple[str, ...]:
    """The features of the dataset, in the registry's order."""
    names = tuple(entry.name for entry in registry.entries)
    return tuple(name for name in names if name in request.features) if request.features else names


def deviation_of(registry: Registry) -> str | None:
    """The feature that risk-adjusted returns are measured in; None where the registry has none as it is computed."""
    plain = {entry.name for entry in registry.entries if entry.normalise is None}
    return next((name for name in DEVIATIONS if name in plain), None)


def _problems(request: DatasetRequest) -> list[str]:
    found = []
    if not request.symbols:
        found.append("symbols: name at least one")
    if len(set(request.symbols)) != len(request.symbols):
        found.append("symbols: one is named twice")
    if request.format == "hdf5":
        found.append("format: hdf5 is not written here; ask for parquet, which every HDF5 user's tools read, or csv")
    elif request.format not in FORMATS:
        found.append(f"format: {request.format!r} is none of {', '.join(FORMATS)}")
    return [*found, *_filling(request)]


def _filling(request: DatasetRequest) -> list[str]:
    if request.missing not in FILLING:
        return []
    found = []
    if request.limit > FURTHEST:
        found.append(f"limit: values are filled in over {FURTHEST} s at most, not {request.limit}")
    if request.limit < request.every:
        found.append(f"limit: rows are {request.every} s apart, so within {request.limit} s nothing would be filled in")
    if request.missing == "interpolate" and request.leakage_check:
        found.append("missing: interpolate looks ahead, to the next known value, so a build that is checked for leaks"
                     " refuses it: ask for forward_fill or extrapolate, which know the past alone, or turn the leakage"
                     " check off")  # fmt: skip
    return found


def _unknown(request: DatasetRequest, registry: Registry) -> list[str]:
    known = {entry.name for entry in registry.entries}
    found = [f"features: registry {registry.version} has no {name!r}" for name in request.features if name not in known]
    if request.target.kind == "risk_adjusted" and deviation_of(registry) is None:
        either = " nor ".join(DEVIATIONS)
        found.append(f"target: a risk-adjusted return needs a deviation, and registry {registry.version} has"
                     f" neither {either} as it is computed")  # fmt: skip
    return found


def _order(plan: Plan) -> list[str]:
    if isinstance(plan, TimeBased):
        return _rising(plan)
    if plan.start >= plan.end:
        return ["the plan's start is not before its end"]
    if isinstance(plan, Random) and plan.train + plan.validation > 1:
        return ["the shares of train and validation are more than 1 together"]
    return []


def _rising(plan: TimeBased) -> list[str]:
    names: Sequence[tuple[str, Span]] = (("train", plan.train), ("validation", plan.validation), ("test", plan.test))
    found = [f"{name}: its start is not before its end" for name, span in names if span.start >= span.end]
    for (before, first), (after, second) in pairwise(names):
        if first.end > second.start:
            found.append(f"{after} begins before {before} ends")
    return found
