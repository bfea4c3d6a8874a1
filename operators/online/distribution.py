"""Probabilities of down, flat and up, as every model here tells them."""

from collections.abc import Mapping
from math import fsum, isfinite
from typing import Any, NamedTuple

from schemas.market import Side

CLASSES = (-1, 0, 1)
SIDES: dict[int, Side] = {-1: "sell", 1: "buy"}
"""What a strategy would do of a class; flat is nothing to act on."""


class Distribution(NamedTuple):
    """Probabilities of the classes -1, 0 and 1; they sum to 1."""

    down: float
    flat: float
    up: float

    @property
    def label(self) -> int:
        """The likeliest class; of two that are equal the flatter, then the lower one.

        >>> Distribution(0.4, 0.2, 0.4).label, Distribution(0.25, 0.375, 0.375).label
        (-1, 0)
        """
        best = max(self)
        return 0 if self.flat == best else -1 if self.down == best else 1

    @property
    def confidence(self) -> float:
        """The probability of the likeliest class."""
        return max(self)

    def of(self, label: int) -> float:
        """The probability of a class."""
        return self[label + 1]

    def named(self) -> dict[str, float]:
        """By the names that records use."""
        return {"-1": self.down, "0": self.flat, "1": self.up}


def distribution(said: Mapping[Any, float]) -> Distribution:
    """What a model said, by class or by its name; classes that it does not know have the probability 0.

    >>> distribution({1: 0.75, -1: 0.25})
    Distribution(down=0.25, flat=0.0, up=0.75)

    Raises:
        ValueError: when the numbers are no probabilities, whatever they are divided by.
    """
    weights = [float(said.get(label, said.get(str(label), 0.0))) for label in CLASSES]
    total = fsum(weights)
    if not isfinite(total) or total <= 0 or min(weights) < 0:
        raise ValueError(f"the probabilities of down, flat and up are {weights}")
    return Distribution(*(weight / total for weight in weights))
