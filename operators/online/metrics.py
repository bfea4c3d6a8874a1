"""How good probabilities were, over the last outcomes: each figure is computed from all of them, exactly.

Sums are rounded once (``math.fsum``), so that no figure depends on how the window came to hold what it holds.
"""

from collections import Counter, deque
from collections.abc import Sequence
from itertools import groupby
from math import fsum, log
from typing import Any, NamedTuple

from operators.online.distribution import CLASSES, Distribution

BINS = 10
"""Of confidence, for the calibration."""
SMALLEST = 2.220446049250313e-16
"""Of a probability under a logarithm: the distance of 1.0 to the next float."""


class Judged(NamedTuple):
    """A class, and what had been said of it."""

    label: int
    said: Distribution


class Figures(NamedTuple):
    """As in ``schemas.prediction.Score``, over ``samples`` outcomes."""

    samples: int
    accuracy: float
    majority: float
    log_loss: float
    brier: float
    calibration: float
    roc_auc: float | None


class Window:
    """The last ``size`` outcomes of one model and symbol.

    >>> window = Window(size=2)
    >>> for label in (0, 1, 1):
    ...     window.add(label, Distribution(0.25, 0.25, 0.5))
    >>> window.figures().samples, window.figures().accuracy
    (2, 1.0)
    """

    def __init__(self, size: int) -> None:
        self.judged: deque[Judged] = deque(maxlen=size)

    def add(self, label: int, said: Distribution) -> None:
        """One more outcome; the oldest falls out of a full window."""
        self.judged.append(Judged(label, said))

    def figures(self) -> Figures:
        """Of what the window holds.

        Raises:
            ZeroDivisionError: when it is empty.
        """
        judged = self.judged
        count = len(judged)
        return Figures(
            count,
            sum(label == said.label for label, said in judged) / count,
            max(Counter(label for label, _ in judged).values(), default=0) / count,
            log_loss(judged),
            brier(judged),
            calibration(judged),
            roc_auc(judged),
        )

    def snapshot(self) -> Any:
        """The state as plain data."""
        return [(label, *said) for label, said in self.judged]

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        self.judged.clear()
        self.judged += [Judged(label, Distribution(*said)) for label, *said in state]


def log_loss(judged: Sequence[Judged]) -> float:
    """The mean of -ln p of what came true, in nats; p is kept from 0 and 1 by the distance of two floats."""
    return fsum(-log(min(max(said.of(label), SMALLEST), 1 - SMALLEST)) for label, said in judged) / len(judged)


def brier(judged: Sequence[Judged]) -> float:
    """The mean squared distance of the probabilities to what came true, over all classes: 0 to 2 (Brier 1950)."""
    squares = (
        fsum((probability - (label == name)) ** 2 for name, probability in zip(CLASSES, said, strict=True))
        for label, said in judged
    )
    return fsum(squares) / len(judged)


def calibration(judged: Sequence[Judged]) -> float:
    """Expected calibration error: |hits - confidence| over bins of equal width, by how many are in each (Naeini 2015).

    Bin k holds confidences in (k/10, (k+1)/10].
    """
    bins: dict[int, list[float]] = {}
    for label, said in judged:
        confidence = said.confidence
        number = next(k for k in range(BINS) if confidence <= (k + 1) / BINS or k == BINS - 1)
        bins.setdefault(number, []).append((label == said.label) - confidence)
    return fsum(abs(fsum(distances)) for distances in bins.values()) / len(judged)


def roc_auc(judged: Sequence[Judged]) -> float | None:
    """The area under the curve of each class against the others, weighted by its frequency; None with one class."""
    counts = Counter(label for label, _ in judged)
    if len(counts) < 2:
        return None
    areas = (counts[label] * area([(said.of(label), it == label) for it, said in judged]) for label in sorted(counts))
    return fsum(areas) / len(judged)


def area(scored: Sequence[tuple[float, bool]]) -> float:
    """The share of pairs of a hit and a miss in which the hit has the higher score; equal scores count half.

    >>> area([(0.9, True), (0.4, False), (0.4, True)])
    0.75
    """
    below = pairs = hits = 0
    for _, group in groupby(sorted(scored), key=lambda found: found[0]):
        kinds = [hit for _, hit in group]
        here = sum(kinds)
        misses = len(kinds) - here
        pairs += here * (2 * below + misses)
        below += misses
        hits += here
    return pairs / (2 * hits * below)
