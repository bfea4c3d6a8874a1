"""What a worker is told, and what it answers: plain data, one JSON object a line."""

from array import array
from typing import Any

import msgspec

from learning.datasets.row import Columns, Row
from operators.features.catalogue import FORMULAS, Feature
from operators.features.featureset import FeatureSet
from operators.registry import Normalise, Registry
from operators.registry.model import MinMax, ZScore
from schemas.learning import Target


class Work(msgspec.Struct, tag_field="kind", frozen=True, kw_only=True):
    """What every job says: the log (``connectors.log.address``), the features, the columns, target and rhythm."""

    log: dict[str, Any]
    version: str
    features: list["Described"]
    names: tuple[str, ...]
    deviation: str | None
    target: Target
    every: int

    @property
    def columns(self) -> Columns:
        """What rows are made of."""
        return Columns(self.names, self.deviation)

    def compiled(self) -> FeatureSet:
        """The features, ready to be computed."""
        return FeatureSet(self.version, [one.feature() for one in self.features])


class Described(msgspec.Struct, frozen=True, array_like=True):
    """A feature by its formula; ``normalise`` is ``z_score`` or ``min_max`` with two numbers."""

    name: str
    formula: str
    params: dict[str, int]
    normalise: tuple[str, float, float] | None = None

    def feature(self) -> tuple[str, Feature, Normalise | None]:
        """As a feature set takes it."""
        normalise: Normalise | None = None
        if self.normalise is not None:
            kind, *numbers = self.normalise
            normalise = ZScore(*numbers) if kind == "z_score" else MinMax(*numbers)
        return self.name, Feature(self.name, FORMULAS[self.formula], self.params), normalise


def described(registry: Registry, wanted: set[str | None]) -> list[Described]:
    """Those features of a registry that are wanted, in its order."""
    found = []
    for entry in registry.entries:
        if entry.name not in wanted:
            continue
        normalise = entry.normalise
        kind = "z_score" if isinstance(normalise, ZScore) else "min_max"
        plain = None if normalise is None else (kind, *normalise)
        found.append(Described(entry.name, entry.feature.formula.name, dict(entry.feature.params), plain))
    return found


class Stretch(msgspec.Struct, frozen=True):
    """Symbols of one shard and the offset of ``events`` before which a worker stops."""

    shard: int
    stop: int
    symbols: tuple[str, ...]


class Piece(Work, tag="piece", frozen=True, kw_only=True):
    """Make the rows of [first, end), looking at vectors up to ``until``, into the files of ``spool``."""

    stretches: list[Stretch]
    first: int
    end: int
    until: int
    spool: str


class Sampled(msgspec.Struct, frozen=True, array_like=True):
    """A row that is to be checked; NaN, which JSON does not know, is null."""

    ts: int
    symbol: str
    values: list[float | None]
    target: int | float
    change: float
    shard: int
    seen: int
    matured: int

    @classmethod
    def of(cls, row: Row) -> "Sampled":
        """A row as plain data."""
        values = [None if value != value else value for value in row.values]
        return cls(row.ts, row.symbol, values, row.target, row.change, row.shard, row.seen, row.matured)

    def row(self) -> Row:
        """The row again."""
        values = array("d", [float("nan") if value is None else value for value in self.values])
        return Row(self.ts, self.symbol, values, self.target, self.change, self.shard, self.seen, self.matured)


class Proof(Work, tag="proof", frozen=True, kw_only=True):
    """Compute rows again from what was known; ``request`` is the dataset's, as JSON."""

    request: msgspec.Raw
    rows: list[Sampled]


class Made(msgspec.Struct, frozen=True):
    """What a piece came to: rows and lost moments on disk, and by stretch the last vector of each symbol.

    ``offsets`` are of the events that closed the last vector of each stretch, -1 where there was none.
    """

    rows: int
    lost: int
    newest: list[dict[str, int]]
    offsets: list[int]
    messages: int


class Proved(msgspec.Struct, frozen=True):
    """What a proof came to; ``leak`` is empty where rows know nothing that nobody knew."""

    checked: list[dict[str, Any]]
    leak: str = ""


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a worker: so many messages since the last one, or an answer, or why there is none.

    ``peak`` are the bytes that the worker held at most; ``failed`` are the name of an error and its message.
    """

    step: int = 0
    answer: msgspec.Raw = msgspec.Raw()
    failed: tuple[str, str] | None = None
    peak: int = 0


job_decoder = msgspec.json.Decoder(Piece | Proof)
told_decoder = msgspec.json.Decoder(Told)
