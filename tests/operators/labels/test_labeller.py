"""Labels on the log's clock: what they see, when they come, and when there is none."""

from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.labels import Label, Labeller, classify, risk_adjusted
from operators.labels.label import change_of
from operators.spans import MINUTE, SECOND
from schemas.market import Gap, Kline, Trade
from schemas.origin import Origin
from schemas.vector import FeatureVector
from tests.operators.labels.recorded_market import PHASES, session

THRESHOLD = 0.003


class Watcher:
    """Opens a window for each horizon at each vector of a rhythm, and keeps what came of it."""

    def __init__(self, horizons: tuple[int, ...], every: int) -> None:
        self.horizons = horizons
        self.every = every
        self.labels = Labeller()
        self.found: dict[tuple[str, int, int], tuple] = {}

    def feed(self, record) -> None:
        self.labels.feed(record)
        if not isinstance(record, FeatureVector):
            return
        for horizon in self.horizons:
            key = (str(horizon), record.symbol)
            for ts, label, lost in self.labels.mature(key, record, THRESHOLD):
                self.found[record.symbol, ts, horizon] = (record.ts, label, lost)
            if record.ts // SECOND % self.every == 0:
                self.labels.begin(key, record, horizon)

    def restart(self) -> None:
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(self.labels.snapshot()))
        self.labels = Labeller()
        self.labels.restore(state)


def expected(records: list, symbol: str, ts: int, horizon: int) -> tuple[Label | None, str]:
    """The whole session at hand: find the two vectors, look at everything between them, and at all prices before."""
    of_symbol = [(place, one) for place, one in enumerate(records) if getattr(one, "symbol", None) == symbol]
    vectors = {one.ts: place for place, one in of_symbol if isinstance(one, FeatureVector)}
    until = ts + horizon * SECOND
    if until not in vectors:
        return None, "vector"
    first, last = vectors[ts], vectors[until]
    for place, one in of_symbol:
        tainted = isinstance(one, FeatureVector) and one.tainted and first <= place <= last
        gap = isinstance(one, Gap) and place < last and (place > first or max(one.recv, one.end) >= ts)
        if tainted or gap:
            return None, "gap"
    price, later = (last_price([one for at, one in of_symbol if at < place], t) for place, t in
                    ((first, ts), (last, until)))  # fmt: skip
    if price is None or later is None:
        return None, "price"
    change = later / price - 1
    return Label(ts, until, price, later, change, (change > THRESHOLD) - (change < -THRESHOLD)), ""


def last_price(events: list, t: int) -> float | None:
    """Of what was received before the vector of t."""
    known = [(one.recv, 1, place, one.price) for place, one in enumerate(events) if isinstance(one, Trade)]
    known += [
        (min(one.start + MINUTE, one.recv), 0, place, one.close)
        for place, one in enumerate(events)
        if isinstance(one, Kline)
    ]
    at, _, _, price = max(known, default=(0, 0, 0, 0.0))
    return price if t - at <= MINUTE else None


@pytest.mark.req("FS-US-2.2")
@settings(deadline=None, max_examples=25, phases=PHASES)
@given(st.integers(0, 10**6), st.integers(60, 300), st.sampled_from([1, 3, 7]))
def test_labels_equal_brute_force_over_the_whole_session(seed, seconds, every):
    """With gaps, tainted books, silences, late events and restarts at any moment."""
    random, records = Random(seed), session(seed, seconds)
    watcher = Watcher((2, 30), every)
    for record in records:
        if random.random() < 0.1:
            watcher.restart()
        watcher.feed(record)

    last = {symbol: max((one.ts for one in of(records, symbol)), default=0) for symbol in ("AAA", "BBB")}
    asked = {
        (vector.symbol, vector.ts, horizon)
        for symbol in last
        for vector in of(records, symbol)
        for horizon in watcher.horizons
        if vector.ts // SECOND % every == 0 and vector.ts + horizon * SECOND <= last[symbol]
    }
    assert set(watcher.found) == asked
    for (symbol, ts, horizon), (came, label, lost) in watcher.found.items():
        assert (label, lost) == expected(records, symbol, ts, horizon)
        assert label is None or came == ts + horizon * SECOND


def of(records: list, symbol: str) -> list[FeatureVector]:
    return [one for one in records if isinstance(one, FeatureVector) and one.symbol == symbol]


@pytest.mark.req("FS-US-2.2")
@settings(deadline=None, max_examples=25, phases=PHASES)
@given(st.integers(0, 10**6), st.integers(60, 200), st.integers(0, 10**6))
def test_nothing_after_the_end_of_a_window_changes_its_label(seed, seconds, cut):
    """The session is cut off anywhere: what was labelled until then stays the same."""
    records = session(seed, seconds)
    whole, cut_off = Watcher((5,), 1), Watcher((5,), 1)
    for record in records:
        whole.feed(record)
    for record in records[: cut % (len(records) + 1)]:
        cut_off.feed(record)

    assert cut_off.found == {key: whole.found[key] for key in cut_off.found}


def test_another_horizon_under_the_same_key_begins_anew():
    """What waited for the old one is forgotten, and so is a key that nobody asks for any more."""
    vector = of(session(1, 30), "AAA")[0]
    labels = Labeller()
    labels.begin(("s", "AAA"), vector, 5)
    labels.begin(("s", "AAA"), vector, 6)

    assert [len(moments.waiting) for moments in labels.moments.values()] == [1]

    labels.forget(("s", "AAA"))
    assert labels.moments == {}
    assert labels.mature(("s", "AAA"), vector, 0.0) == []


@pytest.mark.req("FS-FR-011.1")
@pytest.mark.parametrize(
    ("change", "threshold", "label"),
    [(0.0, 0.0, 0), (1e-9, 0.0, 1), (-1e-9, 0.0, -1), (0.01, 0.01, 0), (-0.01, 0.01, 0), (0.02, 0.01, 1)],
)
def test_a_class_needs_more_than_the_threshold(change, threshold, label):
    """A threshold of 0 is meant: only an unchanged price is flat then."""
    assert classify(change, threshold) == label


def test_returns_over_a_deviation_of_nothing_are_nothing():
    """And a return that overflows is unknown."""
    assert risk_adjusted(0.5, 0.0) == 0.0
    assert risk_adjusted(0.5, 0.25) == 2.0
    assert change_of(5e-324, 1e17) is None


@pytest.mark.parametrize(
    ("recv", "end", "lost"),
    [
        (13, 13, {10, 11, 12, 13}),
        (13, 15, {10, 11, 12, 13, 14, 15}),
        (2, 2, {10, 11, 12}),
    ],
    ids=["at once", "dated ahead", "told late"],
)
def test_a_gap_counts_from_where_it_is_told_until_its_end(recv, end, lost):
    """One of candles, which taints no vector. Told behind the vector of 12, it breaks every window that holds it."""
    labels, key = Labeller(), ("s", "X")
    gap = Gap("X", recv * SECOND, recv * SECOND, "kline", "lost", start=SECOND, end=end * SECOND)
    found = {}
    for second in range(10, 30):
        vector = FeatureVector(
            "X", second * SECOND, second * SECOND, [], {}, "1", False, [], Origin(0, second, 0)
        )  # fmt: skip
        for record in (Trade("X", second * SECOND, second * SECOND, str(second), "buy", 100.0, 1.0), vector):
            labels.feed(record)
        found |= {matured.ts // SECOND: matured.lost for matured in labels.mature(key, vector, 0.0)}
        labels.begin(key, vector, 5)
        if second == 12:
            labels.feed(gap)

    assert {ts for ts, why in found.items() if why == "gap"} == lost
    assert set(found) == set(range(10, 25))
