"""One row, and what makes rows of the records of a shard."""

from array import array
from collections import deque
from collections.abc import Sequence
from math import nan
from typing import Any, Literal, NamedTuple

from operators.labels.label import Label, risk_adjusted
from operators.labels.labeller import Labeller
from operators.spans import SECOND
from schemas.learning import Target
from schemas.market import Gap
from schemas.vector import FeatureVector


class Row(NamedTuple):
    """What was known of ``symbol`` at ``ts`` (microseconds UTC), and what came of it.

    ``values`` are float64, NaN where a feature was not known; ``change`` is the return. The vectors of ts and of ts +
    horizon came out before the events at the offsets ``seen`` and ``matured`` of ``shard`` were applied. ``broken`` is
    when, up to t, the symbol's data were last incomplete: the newest tainted vector, or the end of a gap (-1: never).
    """

    ts: int
    symbol: str
    values: array
    target: float
    change: float
    shard: int
    seen: int
    matured: int
    broken: int = -1


class Lost(NamedTuple):
    """A moment without a row, and why."""

    ts: int
    symbol: str
    reason: Literal["tainted", "gap", "vector", "price", "deviation", "end"]


class Columns(NamedTuple):
    """What rows are made of: the features that are kept, and the one that deviation is read from."""

    names: tuple[str, ...]
    deviation: str | None


class RowMaker:
    """Rows of some symbols of one shard, one each every ``every`` seconds from ``first`` until ``end``.

    Fed with the records of the shard in their order, as the stage behind the market stage hears them. Rows come out in
    the order of (ts, symbol), when their horizon has passed; a vector after ``until`` (None: after ``end``) is not
    looked at.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        columns: Columns,
        target: Target,
        every: int,
        first: int,
        end: int,
        until: int | None = None,
    ) -> None:
        self.symbols = frozenset(symbols)
        self.columns = columns
        self.target = target
        self.every = every * SECOND
        self.first = first
        self.end = end
        self.until = end if until is None else until
        self.labels = Labeller()
        self.waiting: dict[str, deque[tuple[int, array, float, int, int]]] = {symbol: deque() for symbol in symbols}
        self.made: list[Row] = []
        self.lost: list[Lost] = []
        self.newest: dict[str, int] = {}
        """The last vector of each symbol that was looked at."""
        self.broken: dict[str, int] = {}
        """When the data of each symbol were last incomplete."""
        self.offset = -1
        """Of the event that closed it."""

    def feed(self, record: Any) -> None:
        """Take in the next record."""
        if type(record) is not FeatureVector:
            self.labels.feed(record)
            if type(record) is Gap and record.symbol in self.symbols:
                self._break(record.symbol, max(record.recv, record.end))
            return
        if record.tainted and record.symbol in self.symbols:
            self._break(record.symbol, record.ts)
        if record.symbol in self.symbols and self.first <= record.ts <= self.until:
            self.labels.feed(record)
            self._vector(record)

    def take(self) -> tuple[list[Row], list[Lost]]:
        """What was made since the last call."""
        made, lost, self.made, self.lost = self.made, self.lost, [], []
        return made, lost

    def finish(self) -> None:
        """There is no more: what still waits has no target."""
        for symbol, waiting in self.waiting.items():
            self.lost += [Lost(ts, symbol, "end") for ts, *_ in waiting]
            waiting.clear()

    def wanted(self, ts: int) -> bool:
        """Whether a row begins at ``ts``."""
        return ts % self.every == 0 and self.first <= ts < self.end

    def _vector(self, vector: FeatureVector) -> None:
        symbol, key = vector.symbol, (vector.symbol,)
        self.newest[symbol] = vector.ts
        self.offset = vector.origin.offset
        for _, label, lost in self.labels.mature(key, vector, self.target.threshold):
            ts, values, deviation, seen, broken = self.waiting[symbol].popleft()
            if label is None:
                self.lost.append(Lost(ts, symbol, lost or "gap"))
                continue
            if (target := self._target(label, deviation)) is None:
                self.lost.append(Lost(ts, symbol, "deviation"))
                continue
            self.made.append(
                Row(ts, symbol, values, target, label.change, vector.origin.shard, seen, vector.origin.offset, broken)
            )
        if not self.wanted(vector.ts):
            return
        if vector.tainted:
            self.lost.append(Lost(vector.ts, symbol, "tainted"))
            return
        self.labels.begin(key, vector, self.target.horizon)
        broken = self.broken.get(symbol, -1)
        self.waiting[symbol].append((vector.ts, *self._seen(vector), vector.origin.offset, broken))

    def _break(self, symbol: str, until: int) -> None:
        self.broken[symbol] = max(until, self.broken.get(symbol, -1))

    def _seen(self, vector: FeatureVector) -> tuple[array, float]:
        names, deviation = self.columns
        features = vector.features
        values = array("d", [nan if (value := features[name]) is None else value for name in names])
        sigma = None if deviation is None else features[deviation]
        return values, nan if sigma is None else sigma

    def _target(self, label: Label, deviation: float) -> float | None:
        kind = self.target.kind
        if kind == "classification":
            return label.label
        if kind == "regression":
            return label.change
        return None if deviation != deviation else risk_adjusted(label.change, deviation)
