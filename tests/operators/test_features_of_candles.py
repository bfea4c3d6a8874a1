"""Every candle feature against the pandas oracle, on drawn and on recorded candles."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.candles import Candles
from operators.features import FEATURES, View
from operators.spans import MINUTE, SECOND
from tests.operators.oracle_candles import candle_features

START = 1_700_000_040 * SECOND
CANDLE_FEATURES = {name: feature for name, feature in FEATURES.items() if feature.formula.rhythm == "candle"}
QUOTE = ("ema_", "sma_", "macd", "bb_upper", "bb_lower", "atr_")


def floor_of(name, price):
    """Absolute tolerance: prices cancel in differences of averages, so it is measured by the price there."""
    return 1e-12 * price if name.lower().startswith(QUOTE) else 1e-11


def mismatches(frame, wanted, first=0):
    """Feed the candles one by one; every feature that differs from the oracle at any row from ``first`` on."""
    candles, wrong = Candles(), []
    rows = frame[["open", "high", "low", "close", "volume"]].to_numpy()
    expected = wanted[list(CANDLE_FEATURES)].to_numpy()
    for number, row in enumerate(rows):
        start = START + number * MINUTE
        candles.add(start + MINUTE, start, *map(float, row))
        if number < first:
            continue
        view = View(start + MINUTE, candles=candles)
        for (name, feature), want in zip(CANDLE_FEATURES.items(), expected[number], strict=True):
            got = feature(view)
            if got is None or math.isnan(want):
                same = got is None and (math.isnan(want) or candles.run < feature.need)
            else:
                same = math.isclose(got, want, rel_tol=1e-9, abs_tol=floor_of(name, row[3]))
            if not same:
                wrong.append((number, name, got, want))
    return wrong


@st.composite
def frames(draw):
    """Candles that trend, stand still and jump, with volumes that may be zero, from a drawn seed."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(1, 220))
    step = draw(st.sampled_from([0.0, 1e-5, 1e-3, 0.05])) * rng.normal(size=(n, 2)) * (rng.random((n, 2)) < 0.8)
    path = draw(st.sampled_from([1e-6, 1.0, 65_000.0])) * np.exp(np.cumsum(step.ravel())).reshape(n, 2)
    spread = 1 + draw(st.sampled_from([0.0, 1e-3])) * rng.random((2, n))
    volume = np.round(rng.exponential(10, n), 3) * (rng.random(n) < draw(st.sampled_from([0.0, 0.5, 1.0])))
    high, low = path.max(axis=1) * spread[0], path.min(axis=1) / spread[1]
    return pd.DataFrame({"open": path[:, 0], "high": high, "low": low, "close": path[:, 1], "volume": volume})


@given(frames())
@settings(max_examples=15, deadline=None)
def test_every_feature_equals_the_oracle_on_drawn_candles(frame):
    """Flat markets, zero volumes and tiny prices included; from the first candle on."""
    assert mismatches(frame, candle_features(frame), first=max(0, len(frame) - 60)) == []


@pytest.mark.req("FS-FR-003.2", "FS-FR-008", "TK-FS-05", "TK-FS-06", "TK-FS-07", "TK-FS-08", "TK-FS-11", "TK-FS-12")
@pytest.mark.parametrize("file", ["binance_usdm_1m/BTCUSDT_1m_20250504", "binance_vision_1m/FILUSDT-1m-2023-09"])
def test_every_feature_equals_the_oracle_on_recorded_candles(shared_data, file):
    """Two thousand minutes of a liquid market, and of one with minutes without a trade."""
    frame = pd.read_csv(shared_data / "klines" / f"{file}.csv.gz", nrows=2_000)

    assert mismatches(frame, candle_features(frame)) == []


def test_the_oracle_knows_every_candle_feature():
    """A new feature needs its oracle."""
    frame = pd.DataFrame({name: [1.0, 2.0] for name in ("open", "high", "low", "close", "volume")})

    assert set(CANDLE_FEATURES) <= set(candle_features(frame).columns)


@pytest.mark.parametrize("n", [9, 20, 50])
def test_exponential_averages_have_forgotten_their_start(shared_data, n):
    """Over 4n + 1 candles the mean equals the one over all history to less than a thousandth of a price range."""
    frame = pd.read_csv(shared_data / "klines/binance_usdm_1m/BTCUSDT_1m_20250504.csv.gz", nrows=1_000)
    candles = Candles()
    for number, row in enumerate(frame[["open", "high", "low", "close", "volume"]].to_numpy()):
        candles.add(START + (number + 1) * MINUTE, START + number * MINUTE, *map(float, row))

    got = FEATURES["EMA_20"].formula.compute(candles, n=n)
    endless = frame["close"].ewm(span=n, adjust=False).mean().iloc[-1]

    assert abs(got - endless) < 1e-2 * (frame["close"].max() - frame["close"].min())


def test_a_hole_in_the_candles_keeps_features_absent_until_the_look_back_is_whole_again():
    """Indicators never reach across a hole."""
    candles = Candles()
    minutes = [*range(30), *range(31, 60)]
    counts = {}
    for minute in minutes:
        candles.add(START + (minute + 1) * MINUTE, START + minute * MINUTE, 1.0, 3.0, 1.0, 2.0 + minute % 3, 5.0)
        counts[minute] = FEATURES["sma_20"](View(START + (minute + 1) * MINUTE, candles=candles))

    assert [minute for minute, value in counts.items() if value is not None] == [*range(19, 30), *range(50, 60)]


def test_rsi_at_its_edges():
    """100 where nothing fell, 0 where nothing rose, absent where nothing moved."""
    values = {}
    for name, step in (("up", 1.0), ("down", -1.0), ("flat", 0.0)):
        candles = Candles()
        for minute in range(60):
            price = 100.0 + step * minute
            candles.add(START + 61 * MINUTE, START + minute * MINUTE, price, price, price, price, 1.0)
        values[name] = FEATURES["RSI_14"](View(START + 60 * MINUTE, candles=candles))

    assert values == {"up": 100.0, "down": 0.0, "flat": None}


def test_features_of_one_candle_by_hand():
    """Open 10, high 14, low 8, close 12."""
    candles = Candles()
    candles.add(START, START - MINUTE, 10.0, 14.0, 8.0, 12.0, 3.0)
    names = "candle_range candle_body upper_wick lower_wick candle_direction high_low_ratio doji_pattern price_position"

    got = [FEATURES[name](View(START, candles=candles)) for name in names.split()]

    assert got == [0.5, 2 / 12, 2 / 12, 2 / 12, 1.0, 1.75, 0.0, 4 / 6]
