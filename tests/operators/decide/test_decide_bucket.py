"""The token bucket against exact fractions, and its promise about any span of time."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.decide.bucket import FINE, TOKEN, Bucket
from schemas.strategy import Rate

RATES = st.builds(
    Rate,
    per_minute=st.integers(1, 120_000_000).map(lambda fine: fine / FINE),
    burst=st.integers(0, 12),
)
STEPS = st.lists(st.integers(0, 90_000_000), max_size=60)


def clocks(steps: list[int]) -> list[int]:
    times, now = [], 0
    for step in steps:
        now += step
        times.append(now)
    return times


@given(RATES, STEPS)
def test_it_equals_fractions_and_survives_a_restart_at_any_time(limits, steps):
    """The oracle adds exact fractions; the bucket is asked at every step, which must change nothing."""
    bucket, tokens, before = Bucket(limits, 0), Fraction(1 + limits.burst), 0
    for now in clocks(steps):
        rate = Fraction(round(limits.per_minute * FINE), FINE)
        tokens = min(Fraction(1 + limits.burst), tokens + Fraction(now - before, 60_000_000) * rate)
        before = now
        bucket = Bucket.restore(bucket.snapshot())

        assert bucket.tokens(now) == float(tokens)
        assert bucket.full(now) == (tokens >= 1)
        if tokens >= 1:
            tokens -= 1
            bucket.take(now)


@pytest.mark.req("MS-FR-024", "MS-EC-10")
@given(RATES, STEPS)
def test_no_span_of_time_has_more_signals_than_the_rate_and_the_burst(limits, steps):
    """Every pair of signals bounds those between them: at most 1 + burst + elapsed * rate."""
    bucket, taken = Bucket(limits, 0), []
    for now in clocks(steps):
        if bucket.full(now):
            bucket.take(now)
            taken.append(now)

    for first in range(len(taken)):
        for last in range(first, len(taken)):
            allowed = 1 + limits.burst + Fraction(taken[last] - taken[first], 60_000_000) * Fraction(limits.per_minute)
            assert last - first + 1 <= allowed


def test_sixty_a_minute_and_ten_at_once_are_seventy_in_any_minute():
    """Asked a thousand times a second: the first eleven go at once, then one a second."""
    bucket, taken = Bucket(Rate(per_minute=60, burst=10), 0), []
    for now in range(0, 120_000_000, 1_000):
        if bucket.full(now):
            bucket.take(now)
            taken.append(now)

    assert taken[:12] == [0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000, 10_000, 1_000_000]
    assert sum(now < 60_000_000 for now in taken) == 70


def test_wait_is_the_first_moment_that_lets_one_through():
    """To the microsecond."""
    bucket = Bucket(Rate(per_minute=7, burst=0), 0)
    bucket.take(0)
    wait = bucket.wait(1_000_000)

    assert not bucket.full(1_000_000 + wait - 1)
    assert bucket.full(1_000_000 + wait)
    assert 1_000_000 + wait == 8_571_429


def test_new_limits_keep_the_level_that_still_fits():
    """Ten tokens in a bucket that now holds three are three; until the change they flowed in at the old rate."""
    bucket = Bucket(Rate(per_minute=60, burst=9), 0)
    bucket.change(Rate(per_minute=1, burst=2), 0)
    assert bucket.tokens(0) == 3

    slow = Bucket(Rate(per_minute=60, burst=9), 0)
    for _ in range(10):
        slow.take(0)
    slow.change(Rate(per_minute=6, burst=20), 2_000_000)
    assert slow.tokens(2_000_000) == 2
    assert slow.tokens(12_000_000) == 3


def test_a_clock_that_begins_anew_takes_nothing_away():
    """A wrong first time may lie in the future; the market stage then begins anew, and so does the bucket."""
    bucket = Bucket(Rate(per_minute=60, burst=0), 900_000_000)

    bucket.take(0)
    assert bucket.tokens(1_000_000) == 1


def test_its_numbers_fit_into_64_bits():
    """Whatever the settings allow."""
    bucket = Bucket(Rate(per_minute=1e17, burst=10_000), 0)

    assert all(number < 2**63 for number in bucket.snapshot())
    assert bucket.tokens(1) == 10_001
    assert TOKEN * 10_001 < 2**63
