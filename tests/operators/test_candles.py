"""Candles against a plain dictionary of minutes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.candles import KEEP, QUIET, Candles
from operators.spans import MINUTE, SECOND
from operators.tape import Tape

NOON = 1_700_000_040 * SECOND
VALUES = st.tuples(*[st.floats(1, 1000)] * 4, st.floats(0, 1000))


def content(candles):
    """Minutes to values, in order."""
    columns = zip(candles.open, candles.high, candles.low, candles.close, candles.volume, strict=True)
    return dict(zip(candles.start, columns, strict=True))


def run_of(minutes):
    """Length of the unbroken row that ends with the newest minute."""
    newest = max(minutes, default=None)
    length = 0
    while newest is not None and newest - length * MINUTE in minutes:
        length += 1
    return length


@given(st.lists(st.tuples(st.integers(0, 30), VALUES), max_size=60))
def test_candles_equal_a_dictionary_across_restarts(arrivals):
    """In any order, with repeats, corrections and holes."""
    candles, wanted = Candles(), {}
    for minute, values in arrivals:
        start = NOON + minute * MINUTE
        candles = Candles.restore(candles.snapshot())
        version = candles.version
        candles.memo["derived"] = 1

        changed = candles.add(NOON + 31 * MINUTE, start, *values)

        assert changed == (wanted.get(start) != values) == (candles.version > version)
        assert ("derived" in candles.memo) == (not changed)
        wanted[start] = values
        assert content(candles) == dict(sorted(wanted.items()))
        assert candles.run == run_of(wanted)


def test_only_the_newest_are_kept():
    """Older ones than those are refused; the run never exceeds what is there."""
    candles = Candles()
    for minute in range(KEEP + 200):
        candles.add(NOON + minute * MINUTE, NOON + minute * MINUTE, 1.0, 1.0, 1.0, 1.0, 1.0)

    assert len(candles) == candles.run == KEEP
    assert candles.start[0] == NOON + 200 * MINUTE
    assert not candles.add(NOON + 3000 * MINUTE, NOON, 2.0, 2.0, 2.0, 2.0, 2.0)


@pytest.mark.parametrize(
    ("start", "why"), [(NOON + SECOND, "not a whole minute"), (NOON + 2 * MINUTE, "ends after the clock allows")]
)
def test_a_candle_that_cannot_be_is_refused(start, why):
    """One candle from the far future would keep every candle feature absent for ever."""
    candles = Candles()

    assert not candles.add(NOON + MINUTE, start, 1.0, 1.0, 1.0, 1.0, 1.0), why
    assert len(candles) == 0


def test_a_newest_candle_is_current_for_two_minutes_after_its_end():
    """Then candle features are absent: the market they describe is gone."""
    candles = Candles()
    candles.add(NOON, NOON - MINUTE, 1.0, 1.0, 1.0, 1.0, 1.0)

    assert candles.current(NOON + 2 * MINUTE - SECOND)
    assert not candles.current(NOON + 2 * MINUTE)


def traded(*seconds):
    """A tape with trades at these seconds before noon, prices 1, 2, 3 ..."""
    tape = Tape()
    for price, second in enumerate(sorted(seconds, reverse=True), start=1):
        tape.add(NOON - second * SECOND, "buy", float(price), 2.0)
    return tape


def test_a_minute_of_trades_makes_a_candle():
    """Its trades are those of (start, end]."""
    candles = Candles()

    assert candles.close_minute_from_tape(traded(60, 59, 30, 0), NOON, NOON - MINUTE)
    assert content(candles) == {NOON - MINUTE: (2.0, 4.0, 2.0, 4.0, 6.0)}


@pytest.mark.parametrize("covered", [None, NOON - MINUTE + 1])
def test_a_minute_that_is_not_covered_makes_none(covered):
    """A candle over half a minute would be a guess."""
    assert not Candles().close_minute_from_tape(traded(1), NOON, covered)


def test_a_quiet_minute_repeats_the_last_close_but_not_for_ever():
    """Without a price there is nothing to repeat, and behind a hole neither."""
    candles = Candles()
    assert not candles.close_minute_from_tape(Tape(), NOON, 0)
    candles.add(NOON, NOON - MINUTE, 1.0, 4.0, 1.0, 3.0, 9.0)

    made = [candles.close_minute_from_tape(Tape(), NOON + k * MINUTE, 0) for k in range(1, QUIET + 3)]

    assert made == [True] * QUIET + [False, False]
    assert content(candles)[NOON] == (3.0, 3.0, 3.0, 3.0, 0.0)
    assert len(candles) == QUIET + 1


def test_the_count_of_quiet_minutes_survives_a_restart():
    """Otherwise a restart would allow some more."""
    candles = Candles()
    candles.add(NOON, NOON - MINUTE, 1.0, 4.0, 1.0, 3.0, 9.0)
    for k in range(1, QUIET + 1):
        candles.close_minute_from_tape(Tape(), NOON + k * MINUTE, 0)

    assert not Candles.restore(candles.snapshot()).close_minute_from_tape(Tape(), NOON + (QUIET + 1) * MINUTE, 0)


def test_a_venue_candle_stands_against_one_made_from_trades():
    """It replaces the made one, and is not replaced by one."""
    candles = Candles()
    candles.close_minute_from_tape(traded(10), NOON, 0)
    candles.add(NOON, NOON - MINUTE, 5.0, 6.0, 4.0, 5.5, 9.0)

    assert not candles.close_minute_from_tape(traded(10), NOON, 0)
    assert content(candles) == {NOON - MINUTE: (5.0, 6.0, 4.0, 5.5, 9.0)}


def test_a_minute_ends_on_the_minute():
    """Anything else is a mistake of the caller."""
    with pytest.raises(ValueError, match="not a whole minute"):
        Candles().close_minute_from_tape(Tape(), NOON + SECOND, 0)
