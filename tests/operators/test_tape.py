"""The trade tape against brute force."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.features import FEATURES, View
from operators.spans import SECOND
from operators.tape import KEEP, Tape
from tests.operators.oracle_trades import close, tape_features

START = 1_700_000_000 * SECOND
PRICES = st.integers(1, 10**7).map(lambda cents: cents / 100)
SIZES = st.integers(1, 10**9).map(lambda parts: parts / 10**6)


@st.composite
def trades(draw, most=40):
    """(clock, side, price, size), the clock never going back, often exactly on a second."""
    steps = st.one_of(st.just(0), st.integers(0, 2 * SECOND), st.integers(0, 30).map(lambda s: s * SECOND))
    clock, drawn = START, []
    for step in draw(st.lists(steps, max_size=most)):
        clock += step
        drawn.append((clock, draw(st.sampled_from(["buy", "sell"])), draw(PRICES), draw(SIZES)))
    return drawn


def restarted(state):
    """The state after its snapshot went through JSON."""
    return type(state).restore(json.loads(json.dumps(state.snapshot())))


@given(trades(), st.integers(0, 70))
def test_features_equal_brute_force_across_restarts(drawn, later):
    """At a second boundary after the last trade, with the tape restored from a snapshot before each trade."""
    tape = Tape()
    for trade in drawn:
        tape = restarted(tape)
        tape.add(*trade)
    t = (-(-(drawn[-1][0] if drawn else START) // SECOND) + later) * SECOND
    view = View(t, [(99.0, 1.0)], [(101.0, 1.0)], tape=tape, covered={"trades": t - 60 * SECOND})

    for name, wanted in tape_features(drawn, 100.0, t).items():
        got = FEATURES[name](view)
        assert close(got, wanted, floor=1e-9 if "signed" in name else 1e-12), (name, got, wanted)


@given(trades(), st.integers(1, KEEP))
def test_a_window_is_the_same_bits_whatever_came_before_it(drawn, seconds):
    """A tape that saw only the window gives what a tape with a longer past gives."""
    t = -(-(drawn[-1][0] if drawn else START) // SECOND) * SECOND
    whole, late = Tape(), Tape()
    for trade in drawn:
        whole.add(*trade)
        if trade[0] > t - seconds * SECOND:
            late.add(*trade)

    assert whole.window(t, seconds) == late.window(t, seconds)
    assert whole.ohlcv(t, seconds) == late.ohlcv(t, seconds)


@given(trades())
def test_candle_of_a_window_equals_brute_force(drawn):
    """Open, high, low and close are the prices themselves."""
    tape = Tape()
    for trade in drawn:
        tape.add(*trade)
    t = -(-(drawn[-1][0] if drawn else START) // SECOND) * SECOND
    prices = [trade[2] for trade in drawn if trade[0] > t - 60 * SECOND]

    got = tape.ohlcv(t, 60)

    assert (got and got[:4]) == ((prices[0], max(prices), min(prices), prices[-1]) if prices else None)


def test_a_trade_on_the_second_belongs_to_the_second_that_ends_there():
    """Windows are open at their start and closed at their end."""
    tape = Tape()
    tape.add(START, "buy", 10.0, 1.0)
    tape.add(START + 1, "sell", 11.0, 2.0)
    tape.add(START + SECOND, "sell", 12.0, 4.0)

    window = tape.window(START + SECOND, 1)

    assert (window.open, window.buy, window.sell, window.trades) == (11.0, 0.0, 6.0, 2)


def test_memory_is_bounded():
    """However long the tape runs, it keeps a minute."""
    tape = Tape()
    for second in range(10_000):
        tape.add(START + second * SECOND, "buy", 1.0, 1.0)

    assert {len(column) for column in tape.snapshot()} == {KEEP}


def test_a_window_that_ends_before_the_newest_trade_is_refused():
    """The tape cannot be asked to look ahead."""
    tape = Tape()
    tape.add(START + 1, "buy", 1.0, 1.0)

    with pytest.raises(ValueError, match="already holds trades"):
        tape.window(START, 3)
    with pytest.raises(ValueError, match="keeps 60 s"):
        tape.window(START + SECOND, 61)
