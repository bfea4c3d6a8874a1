"""The full-rate history that the benchmark of a month draws: a market that a collector could have heard."""

from collections import Counter
from itertools import pairwise

import pyarrow as pa
import pytest

from bench.history.events import SYMBOL, part, places
from bench.history.walk import LEVELS, Position, first
from bench.history.write import _batch
from connectors.archive.kinds import kind_of
from connectors.archive.layout import Place
from connectors.archive.rows import values_of
from operators.engine import Engine
from operators.features.catalogue import FEATURES as CATALOGUE
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from operators.spans import DAY, MINUTE, SECOND
from schemas.codec import decode_event, decode_vector, encode
from schemas.market import BookDelta, BookSnapshot, Kline, Tick, Trade

BEGIN = 20_605 * DAY
MINUTES = 4


def drawn(position: Position, begin: int, minutes: int) -> tuple[list[tuple[int, bytes]], Position]:
    """The messages of some minutes with their offsets, as the archive would give them."""
    found, after = part(1, position, begin, begin + minutes * MINUTE)
    where = places(found, position.offset)
    messages: list[tuple[int, bytes]] = []
    for kind, events in found.items():
        if len(events.recv):
            rows = pa.Table.from_batches([_batch(kind, events, where[kind])])
            place = Place(kind_of(kind).name, "2026-06-01", None if kind is Tick else SYMBOL)
            messages += zip(where[kind].tolist(), values_of(place, rows), strict=True)
    return sorted(messages), after


@pytest.fixture(scope="module")
def messages() -> list[tuple[int, bytes]]:
    """Two parts, one behind the other."""
    position = first(1, 60_000.0)
    one, position = drawn(position, BEGIN, MINUTES)
    other, position = drawn(position, BEGIN + MINUTES * MINUTE, MINUTES)
    assert position.offset == len(one) + len(other)
    return one + other


def test_events_are_those_of_a_busy_market_in_the_order_of_time(messages):
    """About 27 a second, without a hole in the offsets, and every message as our own encoder writes it."""
    events = [decode_event(value) for _, value in messages]
    counts = Counter(type(event).__name__ for event in events)
    seconds = 2 * MINUTES * 60

    assert [offset for offset, _ in messages] == list(range(len(messages)))
    assert all(before.recv <= after.recv for before, after in pairwise(events))
    assert all(encode(event) == value for event, (_, value) in zip(events, messages, strict=True))
    assert 10 < counts["BookDelta"] / seconds < 30 and 4 < counts["Trade"] / seconds < 12
    assert counts["Tick"] == seconds and counts["BookSnapshot"] == 2 * MINUTES
    assert counts["Kline"] == 2 * MINUTES - 1
    levels = [len(event.bids) + len(event.asks) for event in events if isinstance(event, BookDelta)]
    assert 3 < sum(levels) / len(levels) < 12


def test_the_book_is_never_lost_and_every_feature_of_the_market_is_known(messages):
    """The market stage makes no complaint: sequences follow on, keyframes agree, nothing crosses."""
    names = ("mid_price", "returns_3s", "volume_15s", "depth_imbalance_top5", "volatility_1m")
    features = FeatureSet("1", [(name, CATALOGUE[name], None) for name in names])
    outputs = Engine(0, lambda cursor: [MarketStage(features, cursor)]).feed(messages)

    assert {output.topic for output in outputs} == {"features"}
    vectors = [decode_vector(output.value) for output in outputs]
    assert not any(vector.tainted for vector in vectors)
    assert all(None not in vector.features.values() for vector in vectors[61:])


def test_keyframes_show_the_book_that_the_deltas_make(messages):
    """Applied one by one to plain dictionaries; as many levels as a venue sends."""
    events = [decode_event(value) for _, value in messages]
    bids: dict[float, float] = {}
    asks: dict[float, float] = {}
    checked = 0
    for event in events:
        if isinstance(event, BookDelta):
            for side, changes in ((bids, event.bids), (asks, event.asks)):
                side.update(changes)
        elif isinstance(event, BookSnapshot):
            if event.keyframe:
                checked += 1
                assert sorted((price, size) for price, size in bids.items() if size) == sorted(event.bids)
                assert sorted((price, size) for price, size in asks.items() if size) == sorted(event.asks)
            bids, asks = dict(event.bids), dict(event.asks)
            assert LEVELS * 0.6 < len(bids) <= LEVELS and LEVELS * 0.6 < len(asks) <= LEVELS
            assert max(bids) < min(asks)
    assert checked == 2 * MINUTES - 1


def test_candles_are_those_of_the_trades(messages):
    """Open, high, low, close and volume of each minute, also of the last one before another part."""
    events = [decode_event(value) for _, value in messages]
    trades = [event for event in events if isinstance(event, Trade)]
    for candle in (event for event in events if isinstance(event, Kline)):
        some = [trade for trade in trades if candle.start <= trade.recv < candle.start + MINUTE]
        prices = [trade.price for trade in some]
        assert (candle.open, candle.high, candle.low, candle.close) == (
            prices[0], max(prices), min(prices), prices[-1])  # fmt: skip
        assert candle.volume == pytest.approx(sum(trade.size for trade in some))
        assert candle.recv - candle.start - MINUTE < SECOND


def test_the_same_seed_draws_the_same_market(messages):
    """And another one another."""
    again, _ = drawn(first(1, 60_000.0), BEGIN, MINUTES)

    assert again == messages[: len(again)]
    assert first(2, 60_000.0) != first(1, 60_000.0)
