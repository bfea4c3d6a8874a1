"""Models: what is in force, as events on the log; what came of it, as records; and what is known of a model's file."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from schemas.bounds import Text, Time
from schemas.learning import Family, Target
from schemas.market import Event
from schemas.origin import Origin
from schemas.strategy import StrategyId, Symbol

ONLINE = "online"
"""The version by which the strategy's River model is activated; it has no file."""
Version = Annotated[str, Meta(pattern=r"^(v[0-9]+(\.[0-9]+)?|online)$")]


class ModelActivated(Event, frozen=True, gc=False, omit_defaults=True, tag="model.activated"):
    """The model a strategy uses from here on, for ``symbol`` or for all of its symbols; ``version`` None: warm-up.

    Written to every shard. ``sha256`` is of the model's file, so that no other file can ever take its place.
    ``decision`` names what was decided, alike in every shard: what stands in some of them only can be completed, and
    nothing is written twice.
    """

    recv: Time
    strategy: StrategyId
    version: Text | None
    symbol: Symbol | None = None
    sha256: Text = ""
    reason: Text = ""
    by: Text = ""
    decision: Text = ""


class ModelShadowed(Event, frozen=True, gc=False, omit_defaults=True, tag="model.shadowed"):
    """From here on a candidate predicts beside the champion, and decides nothing; ``watching`` False: no longer.

    Written to every shard; ``decision`` as in ``ModelActivated``.
    """

    recv: Time
    strategy: StrategyId
    version: Text
    symbol: Symbol | None = None
    sha256: Text = ""
    watching: bool = True
    reason: Text = ""
    by: Text = ""
    decision: Text = ""


class ModelChange(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="model.change"):
    """What a shard made of a model event, at ``ts`` on its clock.

    ``usable`` False: the file is missing, damaged or does not fit (``problem``), and warm-up decides instead.
    """

    strategy: str
    ts: int
    role: Literal["champion", "shadow"]
    before: str | None
    after: str | None
    origin: Origin
    usable: bool = True
    problem: str = ""
    symbol: str | None = None
    reason: str = ""
    by: str = ""


class Period(msgspec.Struct, frozen=True):
    """Rows of a split: times [start, end) in microseconds UTC, and how many."""

    start: int
    end: int
    rows: int


class ModelRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is needed to know what a model is, and to make it again, to the byte.

    ``meanings`` says what each feature is: another version of the registry in which they are the same will do, too.
    ``file`` is relative to the model's folder, ``sha256`` of its bytes. ``classes`` are the labels in the order of the
    model's outputs (empty: it foretells a number). ``offsets`` are [from, to) of ``events`` per shard, ``splits`` the
    rows by split; ``trained_at`` is the log's time of the newest event that it may know. ``code`` is the digest of the
    package. ``importance`` is by feature, ``metrics`` by split and name.
    """

    version: Version
    strategy: StrategyId
    symbols: tuple[Symbol, ...]
    family: Family
    file: str
    sha256: str
    features: tuple[str, ...]
    feature_registry_version: str
    target: Target
    classes: tuple[int, ...]
    params: dict[str, Any]
    seed: int
    every: int
    offsets: dict[str, tuple[int, int]]
    splits: dict[str, Period]
    trained_at: int
    code: str
    dataset: str = ""
    rounds: int = 0
    trigger: str = ""
    importance: dict[str, float] = {}
    metrics: dict[str, dict[str, Any]] = {}
    notes: tuple[str, ...] = ()
    meanings: dict[str, str] = {}
