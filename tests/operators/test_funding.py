"""Funding: the rate in force, and the row of settlements, against a plain reading of all messages."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.features import FEATURES, View
from operators.funding import GRACE, INTERVAL, FundingRates
from operators.spans import HOUR, MINUTE, SECOND

EIGHT = 1_699_977_600 * SECOND
"""A settlement time, 16:00 UTC."""
COVERED = {"ticker": 0, "funding": 0}


def value(name, rates, t, covered=COVERED):
    """One feature at ``t``."""
    return FEATURES[name](View(t, funding=rates, covered=covered))


@given(st.lists(st.integers(1, 50 * 60), min_size=1, max_size=200), st.integers(-5, 5))
def test_settlements_derived_from_tickers_equal_brute_force(steps, later):
    """Tickers at any seconds, a restart before each; what was heard last before a settlement was paid there."""
    rates, clock, heard = FundingRates(), EIGHT, []
    for number, step in enumerate(steps):
        clock += step * SECOND
        due = -(-(clock + 1) // INTERVAL) * INTERVAL
        heard.append((clock, number * 1e-6))
        rates = FundingRates.restore(json.loads(json.dumps(rates.snapshot())))
        rates.estimate(clock, number * 1e-6, due, "ticker")
    t = clock + (later % 7) * MINUTE
    paid = []
    for due in range(EIGHT + INTERVAL, t + 1, INTERVAL):
        before = [rate for at, rate in heard if due - HOUR < at < due]
        paid.append(before[-1] if before else None)
    known = [rate for rate in paid[-2:] if rate is not None]

    assert rates.settled(t, 1) == (paid[-1:] if paid and paid[-1] is not None else None)
    assert rates.settled(t, 2) == (known if len(known) == 2 else None)


def test_the_venues_own_settlement_replaces_a_derived_one():
    """Also when it comes later, and a few milliseconds off the hour."""
    rates = FundingRates()
    rates.estimate(EIGHT - SECOND, 0.0001, EIGHT, "ticker")
    rates.estimate(EIGHT + SECOND, 0.0009, EIGHT + INTERVAL, "ticker")
    assert rates.settled(EIGHT + SECOND, 1) == [0.0001]

    rates.settle(EIGHT + 2 * SECOND, EIGHT + 4_000, 0.0002)

    assert rates.settled(EIGHT + 2 * SECOND, 1) == [0.0002]
    assert rates.settled(EIGHT + 2 * SECOND, 2) is None


def test_a_settlement_is_known_at_the_very_second_it_is_due():
    """Before any message of the new interval."""
    rates = FundingRates()
    rates.estimate(EIGHT - SECOND, 0.0001, EIGHT, "ticker")

    assert value("funding_rate_settled", rates, EIGHT - SECOND) is None
    assert value("funding_rate_settled", rates, EIGHT) == 0.0001


def test_lost_tickers_leave_no_settlement_behind():
    """What was heard before the loss need not be what was paid."""
    rates = FundingRates()
    rates.estimate(EIGHT - MINUTE, 0.0001, EIGHT, "ticker")
    rates.lose()

    assert rates.settled(EIGHT, 1) is None
    assert value("funding_rate", rates, EIGHT) is None


@pytest.mark.req("FS-FR-003.5")
def test_features_of_a_history_of_settlements():
    """Where a venue gives settlements alone, the last one is in force and the next is eight hours later."""
    rates = FundingRates()
    for k, rate in enumerate((0.0001, 0.0004, -0.0002)):
        rates.settle(EIGHT + 2 * INTERVAL, EIGHT + k * INTERVAL, rate)
    t = EIGHT + 2 * INTERVAL + 30 * MINUTE

    assert value("funding_rate", rates, t) == -0.0002
    assert value("funding_rate_abs", rates, t) == 0.0002
    assert value("time_to_funding", rates, t) == 7.5 * 3600
    assert value("funding_rate_change", rates, t) == pytest.approx(-0.0006, rel=1e-12)
    assert value("funding_rate_ma_3", rates, t) == pytest.approx(0.0001, rel=1e-12)


@pytest.mark.req("FS-FR-003.5")
def test_time_to_funding_is_in_seconds_and_never_negative():
    """Counted from the vector's time, not from any wall clock."""
    rates = FundingRates()
    rates.estimate(EIGHT - MINUTE, 0.0001, EIGHT, "ticker")

    assert value("time_to_funding", rates, EIGHT - 30 * SECOND) == 30.0
    assert value("time_to_funding", rates, EIGHT + 30 * SECOND) == 0.0


def test_a_missing_settlement_breaks_the_row():
    """Three settlements span a day; older ones do not stand in for a lost one."""
    rates = FundingRates()
    for k in (0, 1, 3):
        rates.settle(EIGHT + 3 * INTERVAL, EIGHT + k * INTERVAL, 0.0001)

    assert value("funding_rate_ma_3", rates, EIGHT + 3 * INTERVAL) is not None
    assert value("funding_rate_ma_3", rates, EIGHT + 3 * INTERVAL + GRACE) is None
    assert value("funding_rate_settled", rates, EIGHT + 3 * INTERVAL + GRACE) == 0.0001


def test_an_estimate_needs_a_sound_source():
    """A rate from a channel that is unsound now is not known, even if an older settlement is."""
    rates = FundingRates()
    rates.settle(EIGHT, EIGHT, 0.0003)
    rates.estimate(EIGHT + MINUTE, 0.0001, EIGHT + INTERVAL, "ticker")

    assert value("funding_rate", rates, EIGHT + MINUTE) == 0.0001
    assert value("funding_rate", rates, EIGHT + MINUTE, {"ticker": None}) is None
    assert value("funding_rate_settled", rates, EIGHT + MINUTE, {"ticker": None}) == 0.0003


def test_a_settlement_from_the_future_is_ignored():
    """It would stand at the end of the row for ever."""
    rates = FundingRates()
    rates.settle(EIGHT, EIGHT + HOUR, 0.5)

    assert rates.settled(EIGHT + HOUR, 1) is None
