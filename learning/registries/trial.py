"""A trial computation: a registry over the newest events of the log, by the code that will compute it from then on."""

import time
from typing import Any, NamedTuple

from connectors.log import Log
from connectors.log.span import last_record, raw_span
from connectors.lookback import PastLost, lookback_offset
from operators.engine import Engine
from operators.features.featureset import FeatureSet
from operators.features.view import View
from operators.market import MarketStage
from operators.registry import Registry
from operators.spans import SECOND
from schemas.topics import EVENTS
from schemas.vector import FeatureVector

PATIENCE = 10.0
"""Seconds that a trial takes at most."""
MOST = 200_000
"""Events that it looks at, of all shards; a longer look-back stays partly empty."""
COMPUTED = 60 * SECOND
"""The newest vectors of so long are computed; before that the market is only followed."""
BATCH = 2_000


class Trial(NamedTuple):
    """What came of it.

    ``complete``: every shard was followed to its end from one look-back before. ``unknown``: features that had no value
    in any vector. ``problem``: why the registry cannot be used; empty: it can.
    """

    events: int
    vectors: int
    seconds: float
    complete: bool
    unknown: tuple[str, ...] = ()
    problem: str = ""


class Watched(FeatureSet):
    """The features of a registry from the second ``first`` on, with what they did."""

    def __init__(self, registry: Registry) -> None:
        super().__init__(registry.version, [(one.name, one.feature, one.normalise) for one in registry.entries])
        self.registry = registry
        self.first = 0
        self.problem = ""
        self.known: set[str] = set()

    def compute(self, view: View) -> dict[str, float | None]:
        """As the features do; a formula that fails is a problem of theirs and does not end the trial's replay."""
        if view.t < self.first or self.problem:
            return {}
        try:
            values = super().compute(view)
        except Exception as error:
            self.problem = f"{self._culprit(view)} cannot be computed: {type(error).__name__}: {error}"
            return {}
        self.known.update(name for name, value in values.items() if value is not None)
        return values

    def _culprit(self, view: View) -> str:
        for one in self.registry.entries:
            try:
                FeatureSet(self.version, [(one.name, one.feature, one.normalise)]).compute(view)
            except Exception:
                return one.name
        return "the registry"


class Counted:
    """Stands behind the market stage and counts vectors with values; nothing flows on, so nothing is encoded."""

    layout = 1
    takes = frozenset({FeatureVector})

    def __init__(self) -> None:
        self.vectors = 0

    def feed(self, record: Any, out: list[Any]) -> None:
        """Count a vector that was computed."""
        self.vectors += type(record) is FeatureVector and bool(record.features)

    def snapshot(self) -> Any:
        """A trial is never interrupted: there is nothing to keep."""
        return None

    def restore(self, state: Any) -> None:
        """There was nothing to keep."""


def attempt(log: Log, shards: int, registry: Registry, patience: float = PATIENCE, most: int = MOST) -> Trial:
    """Compute the newest vectors of every symbol.

    A formula that fails, and a registry of which nothing at all has a value though its whole look-back is there, are
    problems. A log without events is none: there is nothing to try it on.

    Raises:
        LogError: when the log cannot be read.
    """
    begin = time.monotonic()
    features = Watched(registry)
    events, vectors, complete = 0, 0, True
    for shard in range(shards):
        counted = Counted()
        fed, whole = _follow(log, shard, features, counted, begin + patience, most // shards)
        events, vectors, complete = events + fed, vectors + counted.vectors, complete and whole
    unknown = tuple(name for name in features.names if name not in features.known)
    problem = features.problem
    if not problem and vectors and complete and not features.known:
        problem = f"none of its {len(features.names)} features has a value in any of {vectors} vectors"
    return Trial(events, vectors, time.monotonic() - begin, complete and events > 0, unknown, problem)


def _follow(log: Log, shard: int, features: Watched, counted: Counted, deadline: float, most: int) -> tuple[int, bool]:
    """Feed a shard's newest events; how many, and whether they were all that a look-back needs."""
    newest, end = last_record(log, EVENTS.name, shard), log.end(EVENTS.name, shard)
    if newest is None:
        return 0, True
    engine = Engine(shard, lambda cursor: [MarketStage(features, cursor), counted])
    market = engine.stages[0]
    assert isinstance(market, MarketStage)
    features.first = newest.timestamp - COMPUTED
    start, whole = _start(log, shard, newest.timestamp - market.lookback)
    first = max(start, end - most)
    for batch in raw_span(log, EVENTS.name, shard, first, end, BATCH):
        engine.feed(batch)
        if time.monotonic() > deadline or features.problem:
            return engine.fed, False
    return engine.fed, whole and first == start


def _start(log: Log, shard: int, time: int) -> tuple[int, bool]:
    """Where a look-back begins, and whether the log reaches so far back."""
    try:
        start = lookback_offset(log, shard, max(time, 0))
    except PastLost:
        return log.start(EVENTS.name, shard), False
    return start, log.offset_at(EVENTS.name, shard, max(time, 0)) > log.start(EVENTS.name, shard)
