"""What becomes of features without a value.

``forward_fill`` and ``extrapolate`` know the past alone. ``interpolate`` draws the line to the *next* known value,
which nobody knew at the time: it is for looking at data and never for judging a model, a build with a leakage check
refuses it, and its metadata says so.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from math import isfinite, isnan
from typing import NamedTuple, Protocol

from learning.datasets.request import Missing
from operators.spans import SECOND


class Known(NamedTuple):
    """A value that was known at ``ts``, microseconds UTC."""

    ts: int
    value: float


class Filler:
    """Fills the gaps of one split: what it remembers is of rows of that split alone.

    ``limit`` is in seconds: for so long a value may be repeated or a line drawn on, and so far apart may the two values
    be between which one is drawn. None of it goes across a gap or a tainted vector.

    ``missing`` counts the values by feature that the rows of the split lacked, those of skipped rows included, and
    ``filled`` those that were put in.

    >>> filler = Filler("forward_fill", 60, ("a",))
    >>> [filler.fill(t * SECOND, "X", array("d", [value])) for t, value in ((0, 1.0), (60, float("nan")))]
    [array('d', [1.0]), array('d', [1.0])]
    >>> filler.fill(61 * SECOND, "X", array("d", [float("nan")]))
    array('d', [nan])
    >>> filler.missing, filler.filled
    (Counter({'a': 2}), Counter({'a': 1}))
    """

    def __init__(self, how: Missing, limit: int, names: Sequence[str]) -> None:
        self.how = how
        self.limit = limit * SECOND
        self.names = names
        self.missing: Counter[str] = Counter()
        self.filled: Counter[str] = Counter()
        self._columns: dict[str, list[Column]] = {}
        self._column: Callable[[int], Column] = COLUMNS.get(how, Forward)

    def fill(self, ts: int, symbol: str, values: array, broken: int = -1) -> array | None:
        """The values of a row at ``ts``; None: the row is skipped. Rows of a symbol come in the order of time.

        ``broken`` is until when the symbol's data were last broken: values of before that are forgotten. The array may
        get further values later, until ``settled`` says that its row is done.
        """
        lacking = [place for place, value in enumerate(values) if isnan(value)]
        self.missing.update(self.names[place] for place in lacking)
        if self.how == "null":
            return values
        if self.how == "skip":
            return None if lacking else values
        columns = self._columns.get(symbol)
        if columns is None:
            columns = self._columns[symbol] = [self._column(self.limit) for _ in values]
        found = array("d", values)
        for place, value in enumerate(values):
            if count := columns[place].fill(ts, value, found, place, broken):
                self.filled[self.names[place]] += count
        return found

    def settled(self, ts: int) -> int:
        """Rows before this time do not change any more when rows from ``ts`` on come."""
        return ts - self.limit if self.how == "interpolate" else ts + 1


class Column(Protocol):
    """One feature of one symbol."""

    def fill(self, ts: int, value: float, row: array, place: int, broken: int) -> int:
        """Take in the value of the row at ``ts``, NaN where it is missing; how many values were put into rows."""
        ...


class Forward:
    """Repeats the last value."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.last: Known | None = None

    def fill(self, ts: int, value: float, row: array, place: int, broken: int) -> int:
        if not isnan(value):
            self.last = Known(ts, value)
            return 0
        if self.last is None or self.last.ts <= broken or ts - self.last.ts > self.limit:
            return 0
        row[place] = self.last.value
        return 1


class Onward:
    """Goes on along the line through the last two values."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.before: Known | None = None
        self.last: Known | None = None

    def fill(self, ts: int, value: float, row: array, place: int, broken: int) -> int:
        if not isnan(value):
            self.before, self.last = self.last, Known(ts, value)
            return 0
        before, last = self.before, self.last
        if before is None or last is None or before.ts <= broken:
            return 0
        if ts - last.ts > self.limit or last.ts - before.ts > self.limit:
            return 0
        return _put(row, place, before, last, ts)


class Between:
    """Draws the line from the last value to the next one, when that comes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.last: Known | None = None
        self.waiting: list[tuple[int, array]] = []

    def fill(self, ts: int, value: float, row: array, place: int, broken: int) -> int:
        last = self.last
        if isnan(value):
            if last is not None and ts - last.ts < self.limit:
                self.waiting.append((ts, row))
            return 0
        waiting, self.waiting, self.last = self.waiting, [], Known(ts, value)
        if last is None or last.ts <= broken or ts - last.ts > self.limit:
            return 0
        return sum(_put(other, place, last, self.last, at) for at, other in waiting)


def _put(row: array, place: int, one: Known, other: Known, ts: int) -> int:
    """The line through two values at ``ts``, where that is a number."""
    guess = other.value + (other.value - one.value) * (ts - other.ts) / (other.ts - one.ts)
    if not isfinite(guess):
        return 0
    row[place] = guess
    return 1


COLUMNS: dict[Missing, Callable[[int], Column]] = {
    "forward_fill": Forward,
    "extrapolate": Onward,
    "interpolate": Between,
}
