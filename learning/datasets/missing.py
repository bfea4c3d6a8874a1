"""What becomes of features without a value."""

from array import array
from collections.abc import Sequence
from math import isfinite, isnan

from learning.datasets.request import Missing
from operators.spans import SECOND


class Filler:
    """Fills the gaps of one split: what it remembers is of rows of that split, and never of later ones.

    >>> filler = Filler("forward_fill", 60, ("a",))
    >>> [filler.fill(t * SECOND, "X", array("d", [value])) for t, value in ((0, 1.0), (60, float("nan")))]
    [array('d', [1.0]), array('d', [1.0])]
    >>> filler.fill(61 * SECOND, "X", array("d", [float("nan")]))
    array('d', [nan])
    >>> filler.filled
    {'a': 1}
    """

    def __init__(self, how: Missing, limit: int, names: Sequence[str]) -> None:
        self.how = how
        self.limit = limit * SECOND
        self.names = names
        self.filled: dict[str, int] = {}
        self._known: dict[str, list[tuple[tuple[int, float], ...]]] = {}

    def fill(self, ts: int, symbol: str, values: array) -> array | None:
        """The values of a row at ``ts``; None: the row is skipped. Rows of a symbol come in the order of time."""
        if self.how == "null":
            return values
        if self.how == "skip":
            return None if any(map(isnan, values)) else values
        known = self._known.setdefault(symbol, [()] * len(values))
        found = array("d", values)
        for place, value in enumerate(values):
            if not isnan(value):
                known[place] = (*known[place][-1:], (ts, value))
            elif (guess := self._guess(known[place], ts)) is not None:
                found[place] = guess
                name = self.names[place]
                self.filled[name] = self.filled.get(name, 0) + 1
        return found

    def _guess(self, known: tuple[tuple[int, float], ...], ts: int) -> float | None:
        if not known or ts - known[-1][0] > self.limit:
            return None
        at, value = known[-1]
        if self.how == "forward_fill":
            return value
        if len(known) < 2:
            return None
        before, other = known[0]
        guess = value + (value - other) * (ts - at) / (at - before)
        return guess if isfinite(guess) else None
