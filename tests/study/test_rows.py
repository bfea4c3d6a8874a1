"""Rows of a study are the vectors that the market stage publishes, and their targets are the labels of the flow."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.recorded import Recording
from connectors.ticks import Ticks
from connectors.venues import parser_for
from learning.study.bars import read_bars, read_rates
from learning.study.rows import Rows, build_rows, choose
from learning.study.settings import Question
from learning.study.target import UNKNOWN, targets
from operators.engine import Cursor
from operators.features.featureset import FeatureSet
from operators.labels import Labeller
from operators.market import MarketStage
from operators.registry import parse_registry
from schemas.vector import FeatureVector
from tests.study.drawn import MINUTE, START, walk, write

SECOND = 1_000_000
FILE = Path(__file__).resolve().parents[2] / "config" / "feature_registry" / "extended.yaml"
REGISTRY = parse_registry(FILE.read_text(), where="extended")
CHOSEN = choose(REGISTRY, funding=True)


def market_events(path):
    """What a collector would put on one shard: events and the ticks between them."""
    parser, ticks = parser_for("csv"), Ticks()
    for frame in Recording(path):
        yield from ticks.until(frame.recv)
        yield from parser.parse(frame).events
    yield from ticks.until(frame.recv + SECOND + 1)


def published(path, wanted):
    """The vectors of the market stage at ``wanted`` times, and the labels of the flow's labeller at 2 minutes."""
    stage, labels = MarketStage(FeatureSet.compile(REGISTRY), Cursor(0)), Labeller()
    vectors, matured = {}, {}
    for number, event in enumerate(market_events(path)):
        stage.cursor.at(number)
        out = []
        stage.feed(event, out)
        for record in out:
            labels.feed(record)
            if type(record) is FeatureVector and record.ts in wanted:
                vectors[record.ts] = record
                for found in labels.mature(("s", record.symbol), record, 0.001):
                    matured[found.ts] = found.label
                labels.begin(("s", record.symbol), record, 120)
    return vectors, matured


@pytest.mark.req("MS-US-2.2")
def test_over_minutes_a_row_is_the_vector_of_that_moment(shared_data, tmp_path):
    """All features, to the last bit, through the importer, the ticks and the market stage; with funding beside."""
    source = read_bars(shared_data / "klines" / "binance_usdm_1m" / "BTCUSDT_1m_20230718.csv.gz")
    bars = source.part(0, 430)
    write(tmp_path, bars, "BTCUSDT_1m.csv.gz")
    rates = read_rates(shared_data / "funding" / "bybit_BTCUSDT_2021_2023.csv")
    paid = [one for one in rates if bars.end[0] <= one[0] <= bars.end[-1]]
    lines = [f"{ts // 1000},{rate!r}" for ts, rate in paid]
    (tmp_path / "bybit_BTCUSDT_2023.csv").write_text("\n".join(["ts_ms,funding_rate", *lines]) + "\n")

    rows = build_rows(bars, paid, CHOSEN)
    vectors, _ = published(tmp_path, set(rows.ts.tolist()))

    assert len(paid) == 1
    assert len(rows) == 430 - CHOSEN.need + 1 == len(vectors)
    for ts, values in zip(rows.ts.tolist(), rows.values, strict=True):
        expected = np.array([vectors[ts].features[name] for name in rows.names], dtype=float)
        assert values.tobytes() == expected.tobytes()


def test_targets_are_the_labels_of_the_flow(tmp_path):
    """Holes included: across one there is no target, and the flow has no label there either."""
    bars = walk(5, 330, holes=(200, 201, 202))
    rows = build_rows(bars, [], CHOSEN)
    found = targets(bars, rows, Question(120, 0.001))
    _, matured = published(write(tmp_path, bars, "BTCUSDT_1m.csv.gz"), set(bars.end.tolist()))

    known = {
        ts: (change, int(label))
        for ts, change, label in zip(rows.ts.tolist(), found.change.tolist(), found.label.tolist(), strict=True)
        if label != UNKNOWN
    }
    expected = {
        ts: (label.change, label.label) for ts, label in matured.items() if label and ts in set(rows.ts.tolist())
    }
    assert known == expected
    assert len(known) > 100


def test_longer_bars_are_counted_as_minutes_are():
    """The same prices as bars of five minutes give the same features of candles, five times as far apart."""
    minutes, fives = walk(6, 150), walk(6, 150, 5 * MINUTE)
    count = len(CHOSEN.candles.names)

    of_minutes, of_fives = (build_rows(bars, [], CHOSEN) for bars in (minutes, fives))

    assert of_minutes.values[:, :count].tobytes() == of_fives.values[:, :count].tobytes()
    assert np.diff(of_fives.ts).tolist() == [5 * MINUTE] * (len(of_fives) - 1)
    hours = of_fives.values[:, of_fives.names.index("hour_of_day_sin")]
    assert hours == pytest.approx(np.sin(2 * np.pi * (of_fives.ts // (60 * MINUTE) % 24) / 24))


def test_after_a_hole_rows_wait_for_as_many_bars_as_features_need():
    bars = walk(7, 260, holes=(120,))
    rows = build_rows(bars, [], CHOSEN)

    need = CHOSEN.need
    assert rows.bar.tolist() == [*range(need - 1, 120), *range(120 + need - 1, 259)]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 100),
    st.sets(st.integers(90, 180), max_size=6),
    st.integers(1, 7),
    st.sampled_from([0.0, 0.0005, 0.002]),
)
def test_targets_equal_brute_force(seed, holes, steps, threshold):
    bars = walk(seed, 200, 5 * MINUTE, tuple(holes))
    question = Question(steps * 300, threshold)
    rows = _every(bars)
    found = targets(bars, rows, question)
    closes = dict(zip(bars.end.tolist(), bars.close.tolist(), strict=True))

    def outcome(begin):
        """The class from ``begin`` to a horizon later, if every bar between them is there."""
        times = [begin + step * 5 * MINUTE for step in range(steps + 1)]
        if any(time not in closes for time in times):
            return UNKNOWN
        change = closes[times[-1]] / closes[times[0]] - 1
        return 1 if change > threshold else -1 if change < -threshold else 0

    horizon = steps * 5 * MINUTE
    assert found.label.tolist() == [outcome(ts) for ts in rows.ts.tolist()]
    assert found.last.tolist() == [outcome(ts - horizon) for ts in rows.ts.tolist()]


def _every(bars):
    """A row for each bar, without features."""
    return Rows(bars.end, np.arange(len(bars)), (), np.empty((len(bars), 0)))


def test_a_horizon_must_be_whole_bars():
    bars = walk(8, 10, 5 * MINUTE)

    with pytest.raises(ValueError, match="a horizon of 400 s is no whole number of bars of 300 s each"):
        targets(bars, _every(bars), Question(400, 0.0))
    assert START % MINUTE == 0
