"""What an exit rule is, and how several are asked."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from operators.exits.stake import Stake
from schemas.decision import Number
from schemas.strategy import Exits

NEAR = 1e-9
"""Percents this close are equal: (103 / 100 - 1) * 100 is a little more than 3 in binary."""


class Trigger(NamedTuple):
    """A rule says: close. ``share`` is how much of the holding, as a fraction; ``numbers`` what it was decided on."""

    rule: str
    priority: int
    reason: str
    numbers: dict[str, Number]
    confidence: float = 1.0
    share: float = 1.0


class Rule(Protocol):
    """A pure function of settings, state, price (quote currency) and clock (microseconds); it keeps nothing itself.

    Of several that trigger at once the one with the highest ``priority`` wins.
    """

    name: str
    priority: int

    def evaluate(self, settings: Exits, state: Stake, price: float, clock: int) -> Trigger | None:
        """Why the position should be closed now; None when it need not be."""
        ...


def in_order(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Highest priority first; rules of one priority stay as they were given."""
    return tuple(sorted(rules, key=lambda rule: -rule.priority))


def above(value: float, limit: float) -> bool:
    """Strictly greater, beyond what rounding explains.

    >>> above((103 / 100 - 1) * 100, 3.0), above(3.001, 3.0)
    (False, True)
    """
    return value > limit + NEAR


def reaches(value: float, limit: float) -> bool:
    """Greater, or equal but for rounding.

    >>> reaches(0.1 + 0.2 - 1e-15, 0.3), reaches(0.29, 0.3)
    (True, False)
    """
    return value >= limit - NEAR
