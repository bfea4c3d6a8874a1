"""From a vector to what came of it a horizon later, on the log's clock."""

from collections import deque
from typing import Any, Literal, NamedTuple

from operators.labels.label import Label, change_of, classify
from operators.labels.prices import Prices
from operators.spans import SECOND
from schemas.market import Gap, Kline, Trade
from schemas.vector import FeatureVector

Lost = Literal["", "gap", "vector", "price"]
"""Why there is no label: a gap or tainted vectors in the window, no vector at its end, a price that is not known."""
Key = tuple[str, ...]


class Matured(NamedTuple):
    """What came of the moment ``ts`` (microseconds UTC); ``label`` None: nobody can say, because of ``lost``."""

    ts: int
    label: Label | None
    lost: Lost = ""


class _Moments(NamedTuple):
    """Moments of one key that wait: (ts, the price then), oldest first; ``horizon`` in microseconds."""

    horizon: int
    waiting: deque[tuple[int, float | None]]


class Labeller:
    """Opens a window at the vector of t and tells at the vector of t + horizon what the price did.

    Both prices are those that were known at their very second, so that no label knows more than the log did. A window
    [t, t + horizon] with a tainted vector or a gap in it, without a vector at its end, or without a known price at
    either end, has no label.

    Fed with the records of one shard in their order: ``Trade``, ``Kline``, ``Gap`` and ``FeatureVector`` (others are
    passed over). At each vector, after ``feed``: first ``mature``, then ``begin``. Moments are kept by ``key``, any
    tuple of texts that stands for one symbol, such as (strategy, symbol); one key has one horizon at a time.

    >>> from schemas.origin import Origin
    >>> def vector(t):
    ...     return FeatureVector("X", t * SECOND, t * SECOND, [], {}, "1", False, [], Origin(0, t, 0))
    >>> def trade(t, price):
    ...     return Trade("X", t * SECOND, t * SECOND, str(t), "buy", price, 1.0)
    >>> labels = Labeller()
    >>> for record in (trade(10, 100.0), vector(10)):
    ...     labels.feed(record)
    >>> labels.begin(("s", "X"), vector(10), horizon=2)
    >>> for record in (trade(12, 101.0), vector(12)):
    ...     labels.feed(record)
    >>> [matured] = labels.mature(("s", "X"), vector(12), threshold=0.001)
    >>> matured.label.price, matured.label.later, matured.label.label
    (100.0, 101.0, 1)
    """

    def __init__(self) -> None:
        self.prices = Prices()
        self.seen: dict[str, int] = {}
        """The newest vector of each symbol."""
        self.broken: dict[str, int] = {}
        """The time up to and including which windows of a symbol must not begin: gaps, tainted vectors."""
        self.moments: dict[Key, _Moments] = {}

    def feed(self, record: Any) -> None:
        """Take in the next record of the shard."""
        kind = type(record)
        if kind is Trade or kind is Kline:
            self.prices.feed(record)
        elif kind is FeatureVector:
            self.seen[record.symbol] = record.ts
            self.prices.forget_after(record.symbol, record.ts)
            if record.tainted:
                self._break(record.symbol, record.ts)
        elif kind is Gap:
            self._break(record.symbol, max(record.recv, record.end, self.seen.get(record.symbol, 0)))

    def price(self, symbol: str, t: int) -> float | None:
        """The last price known at ``t``, the time of the vector at hand."""
        return self.prices.at(symbol, t)

    def begin(self, key: Key, vector: FeatureVector, horizon: int) -> None:
        """Open a window of ``horizon`` seconds at ``vector``. What waits under ``key`` with another is forgotten."""
        moments = self.moments.get(key)
        if moments is None or moments.horizon != horizon * SECOND:
            moments = self.moments[key] = _Moments(horizon * SECOND, deque())
        moments.waiting.append((vector.ts, self.prices.at(vector.symbol, vector.ts)))

    def mature(self, key: Key, vector: FeatureVector, threshold: float) -> list[Matured]:
        """What came of the moments of ``key`` whose windows end at ``vector`` or ended before, oldest first."""
        moments = self.moments.get(key)
        found: list[Matured] = []
        if moments is None:
            return found
        horizon, waiting = moments
        while waiting and waiting[0][0] + horizon <= vector.ts:
            ts, price = waiting.popleft()
            if ts + horizon < vector.ts:
                found.append(Matured(ts, None, "vector"))
            else:
                found.append(self._judge(ts, price, vector, threshold))
        return found

    def forget(self, key: Key) -> None:
        """Nobody asks for the moments of ``key`` any more."""
        self.moments.pop(key, None)

    def snapshot(self) -> Any:
        """The state as plain data."""
        moments = [(list(key), horizon, list(waiting)) for key, (horizon, waiting) in self.moments.items()]
        return self.prices.snapshot(), list(self.seen.items()), list(self.broken.items()), moments

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        prices, seen, broken, moments = state
        self.prices.restore(prices)
        self.seen, self.broken = dict(seen), dict(broken)
        self.moments = {
            tuple(key): _Moments(horizon, deque((ts, price) for ts, price in waiting))
            for key, horizon, waiting in moments
        }

    def _judge(self, ts: int, price: float | None, vector: FeatureVector, threshold: float) -> Matured:
        if self.broken.get(vector.symbol, -1) >= ts:
            return Matured(ts, None, "gap")
        later = self.prices.at(vector.symbol, vector.ts)
        if price is None or later is None or (change := change_of(price, later)) is None:
            return Matured(ts, None, "price")
        return Matured(ts, Label(ts, vector.ts, price, later, change, classify(change, threshold)))

    def _break(self, symbol: str, until: int) -> None:
        self.broken[symbol] = max(until, self.broken.get(symbol, until))
