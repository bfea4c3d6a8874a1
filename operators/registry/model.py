"""What a valid registry is, and how an invalid one is reported."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from operators.features.catalogue import Feature


class ZScore(NamedTuple):
    """(x - mean) / std."""

    mean: float
    std: float

    def __call__(self, value: float) -> float:
        return (value - self.mean) / self.std


class MinMax(NamedTuple):
    """(x - min) / (max - min), not clipped."""

    min: float
    max: float

    def __call__(self, value: float) -> float:
        return (value - self.min) / (self.max - self.min)


Normalise = ZScore | MinMax


class Problem(NamedTuple):
    """What is wrong with one field of one feature; both are empty where a whole file is meant."""

    feature: str
    field: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in self if part)


@dataclass(frozen=True)
class Entry:
    """One feature of a registry, checked. ``lookback_us`` is the stated window in microseconds."""

    name: str
    feature: Feature
    input_sources: tuple[str, ...]
    lookback_us: int
    normalise: Normalise | None = None
    order: int | None = None


@dataclass(frozen=True)
class Registry:
    """A checked registry; ``entries`` stand in the order of calculation."""

    version: str
    entries: tuple[Entry, ...]
    warnings: tuple[Problem, ...] = ()


class RegistryError(ValueError):
    """A registry was refused. ``problems`` has every reason, not just the first."""

    def __init__(self, where: str, problems: Sequence[Problem]) -> None:
        self.where = where
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        listed = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"feature registry {where} has {count}; correct the file and load it again:\n{listed}")
