"""The count of best-price changes against brute force."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.churn import KEEP, Churn
from operators.features import FEATURES, View
from operators.spans import SECOND

START = 1_700_000_000 * SECOND


@given(st.lists(st.one_of(st.just(0), st.integers(0, 20 * SECOND)), max_size=60), st.integers(1, KEEP))
def test_count_equals_brute_force_across_restarts(steps, seconds):
    """Also at changes exactly on a second, and with the state restored before each of them."""
    churn, clock, clocks = Churn(), START, []
    for step in steps:
        clock += step
        clocks.append(clock)
        churn = Churn.restore(json.loads(json.dumps(churn.snapshot())))
        churn.add(clock)
    t = -(-clock // SECOND) * SECOND

    assert churn.count(t, seconds) == len([one for one in clocks if t - seconds * SECOND < one <= t])
    assert len(churn.second) <= KEEP


@pytest.mark.parametrize(
    ("covered", "bids", "wanted"),
    [
        (START - 60 * SECOND, [(1.0, 1.0)], 2 / 60),
        (START - 60 * SECOND + 1, [(1.0, 1.0)], None),
        (None, [(1.0, 1.0)], None),
        (START - 60 * SECOND, None, None),
    ],
)
def test_rate_needs_a_covered_minute_and_a_book_in_sync(covered, bids, wanted):
    """Changes a second, or nothing."""
    churn = Churn()
    churn.add(START - 60 * SECOND)
    churn.add(START - 59 * SECOND)
    churn.add(START)

    view = View(START, bids, bids, churn=churn, covered={"orderbook": covered})

    assert FEATURES["orderbook_churn_rate"](view) == wanted


def test_changes_after_the_end_cannot_be_counted():
    """No look-ahead."""
    churn = Churn()
    churn.add(START + 1)

    with pytest.raises(ValueError, match="asked"):
        churn.count(START, 3)
