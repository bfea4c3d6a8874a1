"""What things cost: measurements, and how they are told apart from what else a machine does."""

import gc
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import fmean, median

FEW = 50


class Cost:
    """What calls took, in nanoseconds; what the clock itself takes is already taken off."""

    def __init__(self) -> None:
        self.samples = array("d")

    def add(self, nanoseconds: float) -> None:
        """Add one call."""
        self.samples.append(nanoseconds)

    @property
    def calls(self) -> int:
        """How many there were."""
        return len(self.samples)

    @property
    def each(self) -> float:
        """Microseconds of an average call; 0 where there was none. See ``undisturbed``."""
        return max(undisturbed(self.samples), 0.0) / 1_000


def undisturbed(samples: Sequence[float]) -> float:
    """The mean without the slowest hundredth, in which other programs had the processor; of a few the median.

    >>> undisturbed([1.0] * 99 + [9_000.0]), undisturbed([1.0, 2.0, 9_000.0]), undisturbed([])
    (1.0, 2.0, 0.0)
    """
    if len(samples) < FEW:
        return median(samples) if samples else 0.0
    ordered = sorted(samples)
    return fmean(ordered[: len(ordered) - max(1, len(ordered) // 100)])


@dataclass
class FeatureCost:
    """``each`` is microseconds of one computation, ``vector`` those of an average vector: a candle feature is computed
    once a minute, and remembered."""

    name: str
    sources: tuple[str, ...]
    rhythm: str
    calls: int
    each: float
    vector: float


@dataclass
class SourceCost:
    """Microseconds of an average event of a source, to decode it and to apply it; and the features that read it, in
    microseconds of an average vector, a feature of several sources shared between them."""

    source: str
    events: int
    decode: float
    apply: float
    features: float


@dataclass
class Profile:
    """All costs in microseconds. ``whole`` is that of an average event in a flow without any clock inside, vectors and
    their encoding included, in the fastest round; ``compute`` that of all features of an average vector at once."""

    version: str
    events: int
    vectors: int
    whole: float
    compute: float
    features: list[FeatureCost] = field(default_factory=list)
    sources: list[SourceCost] = field(default_factory=list)
    clock: float = 0.0
    """Microseconds that one measurement takes, taken off every one."""

    @property
    def summed(self) -> float:
        """All features of an average vector, one by one."""
        return sum(one.vector for one in self.features)

    @property
    def parts(self) -> dict[str, float]:
        """Microseconds of an average event: what the sum of the parts leaves is the engine's own."""
        decode = sum(one.decode * one.events for one in self.sources) / max(self.events, 1)
        apply = sum(one.apply * one.events for one in self.sources) / max(self.events, 1)
        compute = self.compute * self.vectors / max(self.events, 1)
        rest = self.whole - decode - apply - compute
        return {"decode": decode, "apply": apply, "features": compute, "rest": rest}


def clock_cost(rounds: int = 20_000) -> float:
    """Nanoseconds between two readings of the clock with nothing between them."""
    found = []
    for _ in range(rounds):
        begin = time.thread_time_ns()
        found.append(time.thread_time_ns() - begin)
    return median(found)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the garbage collector, whose pauses would fall on whom they find."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
