"""The last known price: what counts, from when, and for how long."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.labels import Prices
from operators.spans import MINUTE, SECOND
from schemas.market import Kline, Trade
from tests.operators.labels.recorded_market import PHASES, session
from tests.streams import START

NOW = START // MINUTE * MINUTE


def trade(at: int, price: float, backfilled: bool = False) -> Trade:
    return Trade("X", at, at, str(at), "buy", price, 1.0, backfilled)


def candle(start: int, recv: int, close: float, closed: bool = True, backfilled: bool = False) -> Kline:
    return Kline("X", recv, recv, start, close, close, close, close, 1.0, closed=closed, backfilled=backfilled)


def price(t: int, *events: Trade | Kline) -> float | None:
    prices = Prices()
    for event in events:
        prices.feed(event)
    return prices.at("X", t)


@pytest.mark.parametrize(("age", "known"), [(0, 7.0), (MINUTE, 7.0), (MINUTE + 1, None), (-1, None)])
def test_a_trade_is_known_from_its_receipt_on_for_a_minute(age, known):
    """And never before it."""
    assert price(NOW + age, trade(NOW, 7.0)) == known


def test_a_candle_is_known_at_its_end_and_not_at_its_start():
    """A close that counted from the start of its minute on would look a minute ahead."""
    closed = candle(NOW, NOW + MINUTE + SECOND, 8.0)

    assert price(NOW + 2 * MINUTE, closed) == 8.0
    assert price(NOW + 2 * MINUTE + 1, closed) is None
    assert price(NOW + MINUTE - 1, closed) is None


def test_the_newer_of_trade_and_candle_counts_and_the_trade_where_they_are_equal():
    """A late candle does not hide a trade after its end."""
    closed = candle(NOW - MINUTE, NOW + SECOND, 8.0)

    assert price(NOW + SECOND, trade(NOW - 1, 7.0), closed) == 8.0
    assert price(NOW + SECOND, trade(NOW, 7.0), closed) == 7.0
    assert price(NOW + SECOND, trade(NOW + 1, 7.0), closed) == 7.0


def test_a_candle_of_a_clock_ahead_of_ours_counts_from_its_receipt():
    """It did close; but one more than a minute ahead is wrong."""
    assert price(NOW, candle(NOW - MINUTE + 60 * SECOND, NOW, 8.0)) == 8.0
    assert price(NOW, candle(NOW + MINUTE, NOW, 8.0)) is None


def test_running_candles_odd_starts_and_backfilled_trades_do_not_count():
    """A backfilled candle tells the price of the minute after it."""
    assert price(NOW, candle(NOW - MINUTE, NOW, 8.0, closed=False)) is None
    assert price(NOW, candle(NOW - MINUTE - 1, NOW, 8.0)) is None
    assert price(NOW, trade(NOW, 7.0, backfilled=True)) is None
    assert price(NOW, candle(NOW - MINUTE, NOW, 8.0, backfilled=True)) == 8.0
    assert price(NOW, candle(NOW - 3 * MINUTE, NOW, 8.0, backfilled=True)) is None


def test_a_price_from_after_a_vector_is_forgotten():
    """The first event of a log may be dated wrongly, until the first tick."""
    prices = Prices()
    prices.feed(trade(NOW + 100 * MINUTE, 7.0))
    prices.forget_after("X", NOW)
    prices.feed(trade(NOW, 8.0))

    assert prices.at("X", NOW) == 8.0


def brute_force(events: list[Trade | Kline], symbol: str, t: int) -> float | None:
    """Every candidate, by the time at which it was known; at equal times trades over candles, then the later one."""
    known = []
    for place, event in enumerate(events):
        if isinstance(event, Trade) and event.symbol == symbol and not event.backfilled:
            known.append((event.recv, 1, place, event.price))
        if isinstance(event, Kline) and event.symbol == symbol and event.closed:
            known.append((min(event.start + MINUTE, event.recv), 0, place, event.close))
    at, _, _, newest = max((one for one in known if one[0] <= t), default=(0, 0, 0, 0.0))
    return newest if t - at <= MINUTE else None


@settings(deadline=None, max_examples=25, phases=PHASES)
@given(st.integers(0, 10**6), st.integers(1, 400))
def test_the_price_equals_brute_force(seed, seconds):
    """At each vector of a random session, across snapshots, and from a minute before it on."""
    prices, events = Prices(), []
    for record in session(seed, seconds):
        if isinstance(record, Trade | Kline):
            prices.feed(record)
            events.append(record)
        elif hasattr(record, "features"):
            state, prices = prices.snapshot(), Prices()
            prices.restore(state)
            recent = Prices()
            for event in events:
                if event.recv > record.ts - 3 * MINUTE:
                    recent.feed(event)

            expected = brute_force(events, record.symbol, record.ts)
            assert prices.at(record.symbol, record.ts) == expected
            assert recent.at(record.symbol, record.ts) == expected
