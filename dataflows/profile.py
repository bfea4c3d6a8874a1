"""What each feature and each source costs, measured by feeding recorded events through the code of the flow.

Clocks count the time that this thread had the processor, so that a busy machine does not look like a slow feature.
Four passes over the same messages, each through a fresh engine, so that no clock stands inside of what another one
measures: the whole without any; decoding; the market stage's handler of each event; each feature of each vector.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from connectors.log import Log
from connectors.log.span import raw_span
from dataflows.costs import Cost, FeatureCost, Profile, SourceCost, clock_cost, quiet
from operators.candles import Candles
from operators.engine import Engine, Raw
from operators.features.catalogue import Value
from operators.features.featureset import FeatureSet, evaluate
from operators.features.view import View
from operators.market import MarketStage
from operators.registry import Entry, Registry
from schemas.codec import UNREADABLE, decode_event
from schemas.market import BookDelta, BookSnapshot, Funding, Kline, Ticker, Trade
from schemas.topics import EVENTS

MOST = 200_000
"""Events that are kept in memory and measured, the newest ones of every shard."""
ROUNDS = 3
SOURCE_OF: dict[type, str] = {
    BookSnapshot: "orderbook",
    BookDelta: "orderbook",
    Trade: "trades",
    Kline: "kline",
    Ticker: "ticker",
    Funding: "funding",
}


def profile(log: Log, shards: int, registry: Registry, most: int = MOST, rounds: int = ROUNDS) -> Profile:
    """Measure a registry on the newest events of a log.

    Raises:
        LogError: when the log cannot be read.
        ValueError: when it holds no events, or too few for a single vector.
    """
    messages = [kept(log, shard, most // shards) for shard in range(shards)]
    events = sum(map(len, messages))
    if not events:
        raise ValueError("the log holds no events: measure another source, such as demo")
    features = FeatureSet.compile(registry)
    with quiet():
        clock = clock_cost()
        seconds, vectors = zip(*(whole_pass(messages, features) for _ in range(rounds)), strict=True)
        if not vectors[0]:
            raise ValueError(f"{events} events hold no whole second: measure a longer recording")
        compute = median(feature_pass(messages, Whole(registry, clock)).each for _ in range(rounds))
        by_feature = [feature_costs(messages, registry, clock) for _ in range(rounds)]
        by_source = [source_costs(messages, registry, clock) for _ in range(rounds)]
    found = Profile(registry.version, events, vectors[0], min(seconds) / events * 1e6, compute, clock=clock / 1_000)
    found.features = [_feature(entry, [costs[entry.name] for costs in by_feature], vectors[0])
                      for entry in registry.entries]  # fmt: skip
    names = {*by_source[0][0], *features.sources}
    found.sources = [_source(name, by_source, found.features) for name in sorted(names)]
    return found


def kept(log: Log, shard: int, most: int) -> list[Raw]:
    """The newest messages of a shard."""
    end = log.end(EVENTS.name, shard)
    start = max(log.start(EVENTS.name, shard), end - most)
    return [message for batch in raw_span(log, EVENTS.name, shard, start, end) for message in batch]


class Measured(FeatureSet):
    """The features of a registry, with clocks; what they compute is the same."""

    def __init__(self, registry: Registry, clock: float) -> None:
        super().__init__(registry.version, [(one.name, one.feature, one.normalise) for one in registry.entries])
        self.clock = clock
        self.costs: dict[str, Cost] = {name: Cost() for name in self.names}
        self.vectors = Cost()


class Whole(Measured):
    """One clock around all features of a vector."""

    def compute(self, view: View) -> dict[str, float | None]:
        """As the features do."""
        begin = time.thread_time_ns()
        values = super().compute(view)
        self.vectors.add(time.thread_time_ns() - begin - self.clock)
        return values


class Apart(Measured):
    """A clock around each feature."""

    def __init__(self, registry: Registry, clock: float) -> None:
        super().__init__(registry, clock)
        self.seconds = [one for one in registry.entries if one.feature.formula.rhythm == "second"]
        self.candles = [one for one in registry.entries if one.feature.formula.rhythm == "candle"]

    def compute(self, view: View) -> dict[str, float | None]:
        """As the features do, one after the other."""
        values: dict[str, float | None] = dict.fromkeys(self.names)
        if self.candles and view.candles.current(view.t):
            remembered = view.candles.memo.get(self)
            if remembered is None:
                remembered = {}
                for one in self.candles:
                    self._measure(one, one.feature.of_candles, view.candles, remembered)
                view.candles.memo[self] = remembered
            values.update(remembered)
        for one in self.seconds:
            self._measure(one, one.feature.bound, view, values)
        return values

    def _measure(
        self, one: Entry, compute: Callable[..., Value], state: View | Candles, values: dict[str, float | None]
    ) -> None:
        work = [(one.name, compute, one.normalise)]
        begin = time.thread_time_ns()
        evaluate(work, state, values)
        self.costs[one.name].add(time.thread_time_ns() - begin - self.clock)


class End:
    """Stands behind the market stage; what reaches it flows on."""

    layout = 1
    takes: frozenset[type] = frozenset()

    def feed(self, record: Any, out: list[Any]) -> None:
        """Hand it on."""
        out.append(record)

    def snapshot(self) -> Any:
        """It keeps nothing."""
        return None

    def restore(self, state: Any) -> None:
        """It keeps nothing."""


def whole_pass(messages: Sequence[list[Raw]], features: FeatureSet) -> tuple[float, int]:
    """Seconds of the flow over all messages, and how many vectors it made of them."""
    engines = [engine_of(shard, features)[0] for shard in range(len(messages))]
    begin = time.thread_time()
    vectors = sum(_vectors(engine.feed(part)) for engine, part in zip(engines, messages, strict=True))
    return time.thread_time() - begin, vectors


def feature_pass(messages: Sequence[list[Raw]], features: Measured) -> Cost:
    """All vectors of all messages, by features with clocks; what a vector took."""
    for shard, part in enumerate(messages):
        engine_of(shard, features)[0].feed(part)
    return features.vectors


def feature_costs(messages: Sequence[list[Raw]], registry: Registry, clock: float) -> dict[str, Cost]:
    """What each feature took."""
    apart = Apart(registry, clock)
    feature_pass(messages, apart)
    return apart.costs


def source_costs(
    messages: Sequence[list[Raw]], registry: Registry, clock: float
) -> tuple[dict[str, Cost], dict[str, Cost]]:
    """What it took to decode, and to apply, the events of each source."""
    decoded: dict[str, Cost] = defaultdict(Cost)
    for part in messages:
        for _, value in part:
            begin = time.thread_time_ns()
            try:
                event = decode_event(value or b"")
            except UNREADABLE:
                continue
            took = time.thread_time_ns() - begin - clock
            decoded[SOURCE_OF.get(type(event), "other")].add(took)
    applied: dict[str, Cost] = defaultdict(Cost)
    nothing = FeatureSet(registry.version, [])
    for shard, part in enumerate(messages):
        engine, market = engine_of(shard, nothing)
        for kind, apply in list(market._apply.items()):
            market._apply[kind] = timed(apply, applied[SOURCE_OF.get(kind, "other")], clock)
        engine.feed(part)
    return decoded, applied


def timed(apply: Callable[..., None], cost: Cost, clock: float) -> Callable[..., None]:
    """A handler with a clock around it."""

    def measured(*arguments: Any) -> None:
        begin = time.thread_time_ns()
        apply(*arguments)
        cost.add(time.thread_time_ns() - begin - clock)

    return measured


def engine_of(shard: int, features: FeatureSet) -> tuple[Engine, MarketStage]:
    """A fresh engine of the market stage alone."""
    engine = Engine(shard, lambda cursor: [MarketStage(features, cursor), End()])
    market = engine.stages[0]
    assert isinstance(market, MarketStage)
    return engine, market


def _vectors(outputs: Sequence[Any]) -> int:
    return sum(output.topic == "features" for output in outputs)


def _feature(entry: Entry, rounds: Sequence[Cost], vectors: int) -> FeatureCost:
    each = median(cost.each for cost in rounds)
    calls = rounds[0].calls
    rhythm = entry.feature.formula.rhythm
    return FeatureCost(entry.name, entry.feature.sources, rhythm, calls, each, each * calls / vectors)


def _source(
    name: str, rounds: Sequence[tuple[dict[str, Cost], dict[str, Cost]]], features: Sequence[FeatureCost]
) -> SourceCost:
    decode, apply = (median(costs[part][name].each for costs in rounds) for part in (0, 1))
    readers = sum(one.vector / len(one.sources) for one in features if name in one.sources)
    return SourceCost(name, rounds[0][0][name].calls, decode, apply, readers)
