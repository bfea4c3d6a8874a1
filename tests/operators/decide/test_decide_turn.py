"""Whose turn it is follows from the time alone."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.decide.turn import is_turn, period, turn
from operators.spans import SECOND

BEGIN = 1_700_000_000


@pytest.mark.req("MS-SC-009", "MS-US-1.4")
@pytest.mark.parametrize(("frequency", "turns"), [(1, 60), (60, 3600), (2, 120), (7, 420), (0.5, 30), (45, 2700)])
def test_an_hour_has_frequency_times_sixty_turns(frequency, turns):
    """Also where the period is no whole number of seconds."""
    found = sum(is_turn((BEGIN + second) * SECOND, frequency) for second in range(3600))

    assert abs(found - turns) <= 1


def test_once_a_minute_is_at_the_whole_minute():
    assert [s for s in range(240) if is_turn((BEGIN + s) * SECOND, 1.0)] == [40, 100, 160, 220]


@given(st.floats(0.001, 60), st.integers(1, 3000))
def test_each_turn_begins_at_exactly_one_second(frequency, start):
    """The seconds at which turns begin are those where the number of the turn is new; turns are a period apart."""
    seconds = range(BEGIN + start, BEGIN + start + 500)
    begins = [second for second in seconds if is_turn(second * SECOND, frequency)]

    assert [turn(s * SECOND, frequency) for s in begins] == sorted({turn(s * SECOND, frequency) for s in begins})
    gaps = [(later - earlier) * SECOND for earlier, later in pairwise(begins)]
    assert all(abs(gap - period(frequency)) < SECOND for gap in gaps)
