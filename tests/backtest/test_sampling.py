"""Bars hold every price that was seen, each once, whatever the batches and restarts."""

from itertools import pairwise
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.sampling import EVERY, SampledEngine, Sampler
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from operators.registry import parse_registry
from operators.trading.quotes import Quotes
from reports.bar import PriceBar
from schemas.vector import FeatureVector
from tests.streams import raw, stream

REGISTRY = Path(__file__).resolve().parents[2] / "config" / "feature_registry" / "1.0.0.yaml"
FEATURES = FeatureSet.compile(parse_registry(REGISTRY.read_text(), where="1.0.0"))
decode = msgspec.json.Decoder(PriceBar).decode


class Watch:
    """The oracle's eyes: writes down what the sampler, right behind it, may see."""

    layout = 1

    def __init__(self, quotes):
        self.quotes = quotes
        self.seen = []

    def feed(self, record, out):
        price = self.quotes.price(getattr(record, "symbol", ""))
        if type(record) is FeatureVector and price is not None:
            self.seen.append((record.symbol, self.quotes.clock, price))
        out.append(record)

    def snapshot(self):
        return None

    def restore(self, state):
        pass


def engine():
    def stages(cursor):
        market = MarketStage(FEATURES, cursor)
        quotes = Quotes(market)
        return [market, quotes, Watch(quotes), Sampler(cursor, quotes)]

    return SampledEngine(0, stages)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 200), min_size=1, max_size=20))
def test_bars_agree_with_everything_that_was_seen(seed, sizes):
    """And their bytes are the same when the engine is stopped and restored between any two batches."""
    messages = raw(stream(seed, 90))
    whole = engine()
    bars = [output for output in whole.feed(messages) if output.topic == "prices"]
    seen = whole.stages[2].seen

    parted, found = engine(), []
    while messages:
        for size in sizes:
            fresh = engine()
            fresh.restore(parted.snapshot())
            parted = fresh
            found += [output for output in parted.feed(messages[:size]) if output.topic == "prices"]
            messages = messages[size:]

    assert found == bars
    for symbol in {symbol for symbol, _, _ in seen}:
        own = [decode(output.value) for output in bars if output.key == symbol]
        assert all(before.ts == after.start for before, after in pairwise(own))
        for one in own:
            assert one.ts // EVERY > one.start // EVERY
            prices = [price for name, ts, price in seen if name == symbol and one.start <= ts <= one.ts]
            inside = [price for name, ts, price in seen if name == symbol and one.start < ts <= one.ts]
            assert min(prices) <= one.low <= min(inside)
            assert max(prices) >= one.high >= max(inside)
            assert one.close == inside[-1]


def test_vectors_are_not_written():
    made = engine()

    assert {output.topic for output in made.feed(raw(stream(1, 30)))} <= {"prices", "quality", "commands"}
    assert made.stages[2].seen
