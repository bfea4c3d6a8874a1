"""Steps of size, ticks of price, and the coins of a symbol."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.paper.grid import STEP, tick_of, whole_steps
from operators.trading.pair import QUOTES, split

units = st.integers(1, 10**6)
decimals = st.integers(0, 8)


@given(st.integers(0, 10**10))
def test_a_whole_number_of_steps_stays_what_it_is(steps):
    """Also as a quotient or a difference with the rounding errors of one."""
    size = steps / 1000

    assert whole_steps(size) == size
    assert whole_steps(size * 97.3 / 97.3) == size
    assert whole_steps((size + 0.7) - 0.7) == size


@given(st.floats(0, 1e9))
def test_rounding_takes_less_than_a_step_away(size):
    assert size - STEP * (1 + 1e-5) - size * 1e-12 <= whole_steps(size) <= size + 1e-8 + size * 1e-12


def test_sizes_beyond_all_bounds_are_bounded():
    """So that an absurd price cannot stop a shard."""
    assert whole_steps(float("inf")) < 1e18


@given(st.lists(units, min_size=1, max_size=20), units, decimals)
def test_every_displayed_price_is_on_the_grid(numbers, tick, places):
    """And comes out as the very same number, from either side."""
    prices = [number * tick / 10**places for number in numbers]
    grid = tick_of(prices)

    assert grid.units / 10**grid.decimals >= tick / 10**places * (1 - 1e-12)
    for price in prices:
        assert grid.passive(price, "buy") == grid.passive(price, "sell") == price


@given(units, units, decimals, st.floats(1e-3, 1e6))
def test_prices_are_rounded_to_the_passive_side(first, second, places, price):
    """By less than a tick."""
    grid = tick_of([first / 10**places, (first + second) / 10**places])
    tick = Fraction(grid.units, 10**grid.decimals)
    slack = tick / 10**5 + Fraction(price) / 10**12

    assert -slack <= Fraction(price) - Fraction(grid.passive(price, "buy")) < tick + slack
    assert -slack <= Fraction(grid.passive(price, "sell")) - Fraction(price) < tick + slack


@pytest.mark.parametrize("price", [1e17, 1e-13, 123456789.123456789])
def test_extreme_prices_have_a_grid(price):
    """Below its last decimal every price is none."""
    assert tick_of([5e-324, price]).passive(5e-324, "buy") == 0
    assert tick_of([price, 2 * price]).passive(price, "sell") > 0


@pytest.mark.parametrize("symbol", ["AAA", "USDT", "", "XUSDT", "BTC"])
def test_a_symbol_without_a_known_quote_coin_is_no_pair(symbol):
    with pytest.raises(ValueError, match="no pair"):
        split(symbol)


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=2, max_size=8), st.sampled_from(QUOTES))
def test_base_and_quote_make_the_symbol(base, quote):
    """The longest quote coin that fits is meant."""
    found = split(base + quote)

    assert "".join(found) == base + quote
    assert len(found[1]) >= len(quote)
    assert found[1] in QUOTES
