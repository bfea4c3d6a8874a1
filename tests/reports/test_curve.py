"""Equity, drawdown and excursions against walking through every moment with pandas or by hand."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.drawdown import drawdown
from reports.equity import MOST, PERIODS, curve, marks, period_for
from reports.excursion import Excursions
from reports.monthly import monthly
from reports.payments import Payment
from reports.ratios import YEAR, returns, sharpe, sortino
from reports.trips import round_trips
from tests.reports.made import SECOND, START, Fill, bar, bar_lists, executed, fill_lists

END = START + 3005 * SECOND


def test_equity_by_hand():
    """Buy 2 at 100 for a fee of 1; the price rises to 105; funding of 3 is paid; all is sold at 104 for a fee of 1."""
    executions = executed([Fill(10, "buy", 2.0, 100.0, 1.0), Fill(40, "sell", 2.0, 104.0, 1.0)])
    bars = [bar(5, 100.0, 100.0, 100.0), bar(20, 99.0, 105.0, 105.0), bar(50, 90.0, 90.0, 90.0)]
    payments = [Payment("BTCUSDT", START + 30 * SECOND, -3.0)]

    found = curve(executions, marks(executions, bars), payments, 1000.0, START, START + 50 * SECOND, period=10)

    assert found.equity == [1000.0, 999.0, 1009.0, 1006.0, 1003.0, 1003.0]
    assert found.exposure == [0.0, 200.0, 210.0, 210.0, 0.0, 0.0]


@given(fill_lists(), bar_lists(), st.sampled_from([7, 10, 60, 300]))
def test_equity_agrees_with_walking_through_the_records(fills, bars, period):
    executions = executed(fills)
    payments = [Payment("ETHUSDT", START + 500 * SECOND, 2.5)]

    found = curve(executions, marks(executions, bars), payments, 500.0, START, END, period)

    assert found.times == [*range(START, END, period * SECOND), END]
    for time, equity, exposure in zip(found.times, found.equity, found.exposure, strict=True):
        expected = walked(executions, bars, payments, 500.0, time)
        assert (equity, exposure) == pytest.approx(expected, abs=1e-6)


def walked(executions, bars, payments, cash, time):
    """The oracle: every record up to ``time``, one after the other."""
    sizes, prices = {}, {}
    cash += sum(payment.amount for payment in payments if payment.ts <= time)
    marks = [(one.ts, 0, one.symbol, one.price) for one in executions] + [(b.ts, 1, b.symbol, b.close) for b in bars]
    for ts, _, symbol, price in sorted(marks, key=lambda mark: mark[:2]):
        if ts <= time:
            prices[symbol] = price
    for one in executions:
        if one.ts <= time:
            signed = one.size if one.side == "buy" else -one.size
            sizes[one.strategy, one.symbol] = sizes.get((one.strategy, one.symbol), 0.0) + signed
            cash -= signed * one.price + one.fee
    values = [size * prices[symbol] for (_, symbol), size in sizes.items()]
    return cash + sum(values), sum(map(abs, values))


def test_only_whole_periods_count_for_returns():
    found = curve([], {}, [], 100.0, START, START + 25 * SECOND, period=10)

    assert (len(found.times), len(found.whole)) == (4, 3)


@given(st.integers(0, 400 * 86_400))
def test_the_period_is_the_shortest_that_is_short_enough(seconds):
    period = period_for(0, seconds * SECOND)

    assert seconds / period <= MOST
    assert all(seconds / shorter > MOST for shorter in PERIODS if shorter < period)


@given(st.lists(st.integers(1, 4000).map(lambda n: n / 8), min_size=1, max_size=40))
def test_drawdown_agrees_with_trying_every_pair(equity):
    times = [10 * number for number in range(len(equity))]
    pairs = [(i, j) for i in range(len(equity)) for j in range(i, len(equity))]

    found = drawdown(times, equity)

    assert found.amount == max(equity[i] - equity[j] for i, j in pairs)
    assert found.percent == pytest.approx(max((equity[i] - equity[j]) / equity[i] * 100 for i, j in pairs))
    below = [(i, j) for i, j in pairs if j > i and all(equity[k] < equity[i] for k in range(i + 1, j))]
    waits = [times[j] - times[i] for i, j in below if any(equity[k] < equity[i] for k in range(i + 1, j + 1))]
    assert found.longest == max(waits, default=0)


@given(st.lists(st.floats(1.0, 1e6), min_size=3, max_size=60), st.sampled_from([10, 3600, 86_400]))
def test_ratios_agree_with_pandas(equity, period):
    series = pd.Series(equity).pct_change().dropna()
    per_year = math.sqrt(YEAR / period)
    found = returns(equity)

    value, reason = sharpe(found, period)
    if value is None:
        assert series.std() <= 1e-11 * max(series.abs().max(), 1e-300) or reason == "equity did not vary"
    else:
        assert value == pytest.approx(series.mean() / series.std() * per_year, rel=1e-6)
    value, reason = sortino(found, period)
    downside = math.sqrt((series.clip(upper=0) ** 2).mean())
    if value is None:
        assert downside <= 1e-11 * max(series.abs().max(), 1e-300), reason
    else:
        assert value == pytest.approx(series.mean() / downside * per_year, rel=1e-6)


@pytest.mark.parametrize(
    ("equity", "reason"),
    [
        ([100.0, -1.0, 5.0], "equity was not always positive"),
        ([100.0, 101.0], "fewer than two sampling periods"),
        ([100.0, 100.0, 100.0], "equity did not vary"),
    ],
)
def test_a_ratio_without_a_meaning_says_why(equity, reason):
    assert sharpe(returns(equity), 60) == (None, reason)


def test_excursions_by_hand():
    """Only what was seen while it was held counts, and its own exit."""
    fills = [Fill(10, "buy", 1.0, 100.0), Fill(30, "sell", 1.0, 107.0)]
    bars = [bar(10, 50.0, 150.0, 100.0), bar(11, 97.0, 104.0, 101.0), bar(30, 99.0, 106.0, 106.0), bar(31, 1.0, 999, 5)]

    (trip,) = [Excursions(bars).measured(trip, END) for trip in round_trips(executed(fills))]

    assert (trip.mae, trip.mfe) == (pytest.approx(3.0), pytest.approx(7.0))


@given(fill_lists(), bar_lists())
def test_excursions_agree_with_looking_at_every_bar(fills, bars):
    measure = Excursions(bars).measured
    for trip in round_trips(executed(fills)):
        end = END if trip.closed is None else trip.closed
        inside = [b for b in bars if b.symbol == trip.symbol and b.start >= trip.opened and b.ts <= end]
        prices = [price for b in inside for price in (b.low, b.high)] + ([trip.exit] if trip.exit else [])
        gains = [(price / trip.entry - 1) * (100 if trip.side == "long" else -100) for price in prices]
        found = measure(trip, END)

        if not prices:
            assert (found.mae, found.mfe) == (None, None)
        else:
            assert found.mae == pytest.approx(max(0.0, -min(gains)), abs=1e-9)
            assert found.mfe == pytest.approx(max(0.0, *gains), abs=1e-9)


def test_months_are_cut_where_utc_cuts_them():
    january = 1_704_067_200 * SECOND
    executions = executed([])
    payments = [Payment("BTCUSDT", january, 10.0), Payment("BTCUSDT", january + 1, -4.0)]
    start, end = january - 3600 * SECOND, january + 3600 * SECOND

    rows = monthly(curve(executions, {}, payments, 100.0, start, end, period=900), [])

    assert [(row["month"], row["profit"], row["return_percent"]) for row in rows] == [
        ("2023-12", 10.0, 10.0),
        ("2024-01", -4.0, pytest.approx(-4 / 1.1)),
    ]
