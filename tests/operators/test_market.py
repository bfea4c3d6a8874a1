"""The market stage: the clock, the seconds it closes, silence, taint, and the promises that make replays exact."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.engine import Engine
from operators.features.catalogue import FEATURES
from operators.features.featureset import FeatureSet
from operators.market import MARGIN, MarketStage
from schemas.codec import decode_command, decode_vector
from schemas.command import Resync
from schemas.market import BookDelta, BookSnapshot, Gap, Tick, Trade
from schemas.output import Output
from tests.streams import SECOND, START, raw, stream

SHORT = ("mid_price", "returns_3s", "vwap_15s", "volume_1m", "orderbook_churn_rate", "volatility_1m", "depth_bid_top5")
CANDLES = (*SHORT, "volatility_5m", "candle_body", "volume_change")


def features(names=tuple(FEATURES)) -> FeatureSet:
    return FeatureSet("test", [(name, FEATURES[name], None) for name in names])


def engine(names=tuple(FEATURES)) -> Engine:
    chosen = features(names)
    return Engine(0, lambda cursor: [MarketStage(chosen, cursor)])


def vectors(outputs: list[Output], symbol: str | None = None):
    found = [decode_vector(output.value) for output in outputs if output.topic == "features"]
    return [vector for vector in found if symbol in (None, vector.symbol)]


def feed(*events, names=SHORT) -> list[Output]:
    return engine(names).feed(raw(list(events)))


def trade(second: float, symbol: str = "X", price: float = 10.0, id: str = "") -> Trade:
    at = START + round(second * SECOND)
    return Trade(symbol, at, at, id or str(second), "buy", price, 1.0)


def tick(second: int) -> Tick:
    return Tick(START + second * SECOND)


def book(second: float, u: int = 1, symbol: str = "X") -> BookSnapshot:
    at = START + round(second * SECOND)
    return BookSnapshot(symbol, at, at, u, [(9.0, 1.0)], [(11.0, 1.0)])


def delta(second: float, prev: int, symbol: str = "X") -> BookDelta:
    at = START + round(second * SECOND)
    return BookDelta(symbol, at, at, prev + 1, prev, [], [])


def test_the_vector_of_a_second_comes_out_before_the_first_later_event():
    """An event at exactly t belongs to t's windows; the first one after t closes it and is not in them."""
    outputs = feed(book(0), trade(1, price=8), trade(1.000001, price=99), tick(5), names=("returns_1s",))

    first = vectors(outputs)[1]
    assert first.ts == START + SECOND
    assert first.recv == START + 1_000_001
    assert first.features == {"returns_1s": (10 - 8) / 8}
    assert first.origin == (0, 2, 0)
    assert [vector.ts - START for vector in vectors(outputs)] == [s * SECOND for s in (0, 1, 2, 3, 4)]


def test_symbols_come_in_sorted_order_with_rising_origins():
    """Whatever the order in which they were first seen."""
    outputs = feed(trade(0.2, "ZZZ"), trade(0.3, "AAA"), tick(2))

    assert [(v.symbol, v.origin.index) for v in vectors(outputs)] == [("AAA", 0), ("ZZZ", 1)]


@pytest.mark.req("FS-FR-003.1")
def test_closes_name_the_intervals_that_end():
    """1, 3, 15 and 60 seconds, counted on the UTC clock."""
    begin = START // (60 * SECOND) * 60 * SECOND + 60 * SECOND - START
    second = begin // SECOND
    outputs = feed(trade(second - 1.5), *(tick(second - 1 + i) for i in range(18)))

    closes = {(v.ts - START) // SECOND - second: v.closes for v in vectors(outputs)}
    assert closes[0] == ["1s", "3s", "15s", "1m"]
    assert closes[1] == ["1s"]
    assert closes[3] == ["1s", "3s"]
    assert closes[15] == ["1s", "3s", "15s"]


def test_a_silent_symbol_publishes_nothing_until_its_next_event():
    """For 60 s after the last event there are vectors, then none, also when ticks go on for an hour."""
    outputs = feed(trade(0.5), *(tick(s) for s in range(1, 3600)), trade(3599.5), tick(3600), tick(3601))

    seconds = [(v.ts - START) // SECOND for v in vectors(outputs)]
    assert seconds == [*range(1, 61), 3600]


def test_an_event_exactly_a_minute_after_the_last_finds_the_windows_open():
    """No vector was missed; one that comes later begins anew. So candles alone, a minute apart, keep a symbol going."""
    ticks = [tick(s) for s in range(1, 60)]
    in_time = vectors(feed(trade(0), *ticks, trade(60, id="b"), tick(61), tick(62), names=("volume_15s",)))
    too_late = vectors(feed(trade(0), *ticks, trade(60.5, id="b"), tick(62), tick(63), names=("volume_15s",)))

    assert [(v.ts - START) // SECOND for v in in_time] == list(range(62))
    assert in_time[-1].features == {"volume_15s": 1.0}
    assert too_late[-1].features == {"volume_15s": None}


def test_one_tick_after_a_long_outage_does_not_produce_thousands_of_vectors():
    """The clock jumps a day; at most the minute after the last event is published."""
    outputs = feed(trade(0.5), tick(86_400), trade(86_400.5), tick(86_402))

    seconds = [(v.ts - START) // SECOND for v in vectors(outputs)]
    assert seconds == [*range(1, 61), 86_401]


def test_a_late_event_changes_state_but_never_the_clock():
    """It counts at the clock; no window is opened again and nothing is published twice."""
    outputs = feed(trade(0.5), tick(10), trade(3.25, id="late"), tick(12), names=("volume_3s",))

    assert [(v.ts - START) // SECOND for v in vectors(outputs)] == list(range(1, 12))
    assert vectors(outputs)[-1].features == {"volume_3s": 1.0}


def test_an_event_from_the_future_is_a_dead_letter_and_moves_nothing():
    """Only a tick may turn the clock far: one wrong time must not swallow a day."""
    outputs = feed(trade(0.5), trade(90_000), trade(1.5), tick(3))

    assert [output.topic for output in outputs] == ["dead-letters", "features", "features"]
    assert b"dated in the future" in next(o.value for o in outputs if o.topic == "dead-letters")
    assert [(v.ts - START) // SECOND for v in vectors(outputs)] == [1, 2]


@pytest.mark.parametrize(
    "junk",
    [b"", b"{", b"null", b"[]", b'{"type":"trade"}', b'{"type":"unheard-of","recv":1}', b'{"type":"tick","recv":"x"}',
     b'{"type":"tick","recv":NaN}', "\ud800".encode("utf-8", "surrogatepass"), b"\x00" * 10],
)  # fmt: skip
def test_junk_becomes_a_dead_letter_and_leaves_the_rest_alone(junk):
    """With its raw bytes, its reason, and an origin of its own."""
    clean = raw([book(0.5), trade(0.7), tick(2), tick(4)])
    dirty = [(offset * 2, value) for offset, value in clean] + [(3, junk)]
    outputs = engine(SHORT).feed(sorted(dirty))

    letters = [output for output in outputs if output.topic == "dead-letters"]
    assert [letter.origin for letter in letters] == [(0, 3, 0)]
    expected = [v.features for v in vectors(engine(SHORT).feed(clean))]
    assert [v.features for v in vectors(outputs)] == expected


@pytest.mark.req("FS-FR-021", "FS-US-4.3", "FS-EC-04")
def test_a_desynchronised_book_is_null_tainted_and_asks_for_a_snapshot():
    """Reported once; asked again after ten seconds; sound again with the snapshot."""
    events = [book(0.1, u=1), tick(2), delta(2.1, prev=7), *(delta(3 + i, prev=9) for i in range(12)), tick(16)]
    events += [book(16.5, u=40), tick(18)]
    outputs = feed(*events, names=("mid_price",))

    by_second = {(v.ts - START) // SECOND: v for v in vectors(outputs)}
    assert (by_second[2].features["mid_price"], by_second[2].tainted) == (10.0, False)
    assert all(by_second[s].features["mid_price"] is None for s in range(3, 17))
    assert all(by_second[s].taint == ["book"] for s in range(3, 17))
    assert (by_second[17].features["mid_price"], by_second[17].tainted) == (10.0, False)
    problems = [output.value for output in outputs if output.topic == "quality"]
    assert [b"book.desynchronised" in p for p in problems] == [True, False]
    assert b"book.synchronised" in problems[1]
    assert len([o for o in outputs if o.topic == "commands"]) == 2


def test_lost_trades_taint_as_long_as_a_window_feels_them():
    """A window is null until it lies wholly after the gap; the vector is tainted for the longest window."""
    at = START + 100 * SECOND + SECOND // 4
    events = [*(event for s in range(200) for event in (tick(s), trade(s + 0.5)))]
    events.insert(201, Gap("X", at, at, "trades", "lost", start=at - SECOND, end=at))
    outputs = feed(*events, names=("volume_3s", "volume_1m"))

    by_second = {(v.ts - START) // SECOND: v for v in vectors(outputs)}
    assert by_second[100].features == {"volume_3s": 3.0, "volume_1m": 60.0}
    assert by_second[103].features == {"volume_3s": None, "volume_1m": None}
    assert by_second[104].features == {"volume_3s": 3.0, "volume_1m": None}
    assert by_second[161].features == {"volume_3s": 3.0, "volume_1m": 60.0}
    assert [s for s, v in by_second.items() if v.tainted] == list(range(101, 161))


def test_a_repeated_trade_counts_once():
    """Venues repeat trades after a reconnect; the repeat is reported."""
    repeat = trade(1.5, id="same")
    outputs = feed(trade(0), trade(1.2, id="same"), repeat, tick(4), names=("trade_count_3s",))

    assert vectors(outputs)[-1].features == {"trade_count_3s": 1.0}
    assert [o.topic for o in outputs if o.topic == "quality"] == ["quality"]


@given(st.integers(0, 10_000), st.data())
@settings(max_examples=15, deadline=None)
def test_batches_and_restarts_never_change_a_byte(seed, data):
    """Cut anywhere, snapshot and restore at every cut: the same outputs in the same order."""
    messages = raw(stream(seed, 150))
    whole = engine().feed(messages)

    random = Random(seed)
    pieces, outputs, current = list(messages), [], engine()
    while pieces:
        size = random.randint(1, 40)
        outputs += current.feed(pieces[:size])
        del pieces[:size]
        state = current.snapshot()
        current = engine()
        current.restore(state)
        assert current.snapshot() == state

    assert outputs == whole


@given(st.integers(0, 10_000), st.integers(1, 600), st.integers(1, 200))
@settings(max_examples=15, deadline=None)
@pytest.mark.req("FS-FR-012", "FS-SC-003")
def test_the_future_never_changes_the_past(seed, n, k):
    """Causality: feeding up to N and up to N + k gives the same bytes for everything caused up to N."""
    messages = raw(stream(seed, 200))
    short, longer = engine().feed(messages[:n]), engine().feed(messages[: n + k])

    assert [output for output in longer if output.origin.offset < n] == short


@given(st.integers(0, 10_000), st.integers(0, 1_800))
@settings(max_examples=8, deadline=None)
@pytest.mark.req("FS-FR-008", "FS-SC-002")
def test_a_replay_from_one_look_back_earlier_gives_the_same_bytes(seed, later):
    """Bounded memory: what lies before the look-back cannot be felt, whatever silences, gaps and holes it held."""
    chosen = features(CANDLES)
    lookback = (chosen.lookback_us + MARGIN) // SECOND
    events = stream(seed, lookback + 1_900)
    messages = raw(events)
    whole = engine(CANDLES).feed(messages)
    start = START + later * SECOND
    first = next(i for i, event in enumerate(events) if isinstance(event, Tick) and event.recv >= start)
    cold = engine(CANDLES).feed(messages[first:])

    warm = start + lookback * SECOND
    expected = [output for output in whole if output.topic == "features" and output.timestamp >= warm]
    assert [o for o in cold if o.topic == "features" and o.timestamp >= warm] == expected
    assert expected


def test_a_resync_names_its_symbol_and_reason():
    """So that a collector knows what to fetch."""
    outputs = feed(book(0.1), delta(0.2, prev=9), names=())
    command = next(output for output in outputs if output.topic == "commands")

    assert command.key == "X"
    assert decode_command(command.value) == Resync("X", START + 200_000, "gap", command.origin)
