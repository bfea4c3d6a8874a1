"""What came of each model's predictions, ready to be compared."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from schemas.prediction import Outcome

LIMIT = 50_000
"""Outcomes that are kept of each model."""
Place = tuple[str, int]
"""(symbol, time of the vector)"""


class Mark(NamedTuple):
    """One outcome: whether the model was right, what it should have said, and the probability it gave that."""

    right: bool
    label: int
    probability: float
    confidence: float
    matured: int


class Marks:
    """The outcomes of one model, by symbol and time, in the order of the time at which they became known.

    That order, and not the one in which they are read, makes the newest ones the same after a restart, which reads one
    shard after the other.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._known: dict[Place, Mark] = {}
        self._last: tuple[int, str] = (0, "")
        self._sorted = True

    @property
    def known(self) -> dict[Place, Mark]:
        """All of them, in order."""
        if not self._sorted:
            self._known = dict(sorted(self._known.items(), key=lambda one: (one[1].matured, one[0][0])))
            self._sorted = True
        return self._known

    def add(self, outcome: Outcome) -> None:
        """Take an outcome."""
        probabilities = outcome.probabilities
        place = outcome.matured, outcome.symbol
        if place < self._last:
            self._sorted = False
        self._last = max(place, self._last)
        self._known[outcome.symbol, outcome.ts] = Mark(
            outcome.predicted == outcome.label,
            outcome.label,
            probabilities.get(str(outcome.label), 0.0),
            max(probabilities.values(), default=0.0),
            outcome.matured,
        )
        if len(self._known) > self.limit:
            del self.known[next(iter(self.known))]

    def since(self, time: int, symbol: str = "") -> dict[Place, Mark]:
        """Those predicted at or after ``time``; with ``symbol`` only its own."""
        return {place: mark for place, mark in self.known.items() if place[1] >= time and symbol in ("", place[0])}

    def last(self, count: int, since: int, symbol: str = "", until: int | None = None) -> list[Mark]:
        """The newest ``count`` of those predicted since a time and known by ``until``, newest first."""
        return list(islice(self._newest(since, symbol, until), count))

    def _newest(self, since: int, symbol: str, until: int | None) -> Iterator[Mark]:
        for place in reversed(self.known):
            if place[1] >= since and symbol in ("", place[0]):
                mark = self.known[place]
                if until is None or mark.matured <= until:
                    yield mark


def accuracy(marks: Iterable[Mark]) -> float:
    """The share of right ones; 0 of none.

    >>> accuracy([Mark(True, 1, 0.9, 0.9, 0), Mark(False, -1, 0.2, 0.8, 0)])
    0.5
    """
    found = [mark.right for mark in marks]
    return sum(found) / len(found) if found else 0.0


def majority(marks: Iterable[Mark]) -> float:
    """What one would have reached who always said the most frequent label."""
    counts = Counter(mark.label for mark in marks)
    return max(counts.values()) / sum(counts.values()) if counts else 0.0
