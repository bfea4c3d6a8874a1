"""The account is a fold of its events: each execution counts once, whatever is repeated, whenever it is stored."""

from fractions import Fraction
from itertools import count

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from operators.trading.account import Account
from operators.trading.holding import Holding
from schemas.account import OrderEvent
from schemas.origin import Origin
from schemas.signal import MarketSnapshot, TradingSignal

SIDES = st.sampled_from(["buy", "sell"])
SIZES = st.integers(1, 50).map(lambda n: n / 8)
PRICES = st.integers(80, 120).map(float)


def origins():
    numbers = count()
    return lambda: Origin(0, next(numbers), 0)


def order(name: str, side: str, quantity: float, filled: float, average: float, **more) -> OrderEvent:
    status = "filled" if filled == quantity else "partially_filled"
    return OrderEvent("AAA", 1, 1, name, side, "market", quantity, status, filled, None, average, filled, **more)


@given(st.lists(st.tuples(SIDES, SIZES, PRICES), max_size=40))
def test_a_holding_is_what_its_trades_add_up_to(trades):
    """Against exact arithmetic: size is the signed sum; cash paid, size and entry tell the same profit."""
    holding, cash, size, realized = Holding(), Fraction(0), Fraction(0), 0.0
    for at, (side, quantity, price) in enumerate(trades):
        profit, closed = holding.trade(side, quantity, price, at)
        signed = Fraction(quantity) * (1 if side == "buy" else -1)
        cash -= signed * Fraction(price)
        size += signed
        realized += profit

        assert holding.size == float(size)
        assert 0 <= closed <= quantity
        assert (holding.entry == 0) == (size == 0)
        # What was paid, with what is held at its entry price, is what was earned.
        worth = float(cash) + holding.size * holding.entry
        assert abs(worth - realized) < 1e-9 * max(1.0, abs(float(cash)))


@given(st.lists(st.tuples(SIDES, st.lists(SIZES, min_size=1, max_size=4), PRICES), max_size=8), st.data())
def test_repeated_events_and_restarts_change_nothing(orders, data):
    """Cumulative fills, told any number of times, with the account stored and loaded anywhere between."""
    once, again = Account(), Account()
    first, second = origins(), origins()
    for number, (side, parts, price) in enumerate(orders):
        total, filled = sum(parts), 0.0
        for part in parts:
            filled += part
            event = order(f"o{number}", side, total, filled, price, strategy="s")
            executed = once.order(event, 5, first)
            for told in range(data.draw(st.integers(1, 3))):
                if data.draw(st.booleans()):
                    state = msgspec.msgpack.decode(msgspec.msgpack.encode(again.snapshot()))
                    again = Account()
                    again.restore(state)
                repeated = again.order(event, 5, second)
                assert repeated == executed if told == 0 else repeated is None

    assert once.snapshot() == again.snapshot()
    wanted = sum((1 if side == "buy" else -1) * sum(parts) for side, parts, _ in orders)
    assert once.holding("s", "AAA").size == wanted


def test_an_execution_is_joined_with_the_signal_it_serves():
    """The order event says which signal; the signal says strategy, price and moment."""
    account = Account()
    market = MarketSnapshot(100.0, 0.1, 0.1, None, None, None, None, {})
    signal = TradingSignal(
        "id-1", "s", "AAA", 7, "buy", 500.0, 0.8, "entry", True, "full-1", market, "why", "trace", Origin(0, 3, 1)
    )
    account.signalled(signal)
    assert [each.quantity for each in account.open_orders("AAA", 8, 100)] == [5.0]
    executed = account.order(order("o1", "buy", 5.0, 2.0, 101.0, signal_id="id-1"), 9, origins())

    assert executed is not None
    joined = (executed.strategy, executed.signal_price, executed.signal_ts, executed.is_warmup, executed.trace_id)
    assert joined == ("s", 100.0, 7, True, "trace")
    assert (executed.size, executed.price, executed.fee) == (2.0, 101.0, 2.0)
    assert not account.waiting
    again = Account()
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(account.snapshot())))
    assert again.active == account.active
    assert [each.order_id for each in account.open_orders("AAA", 9, 100)] == ["o1"]


def test_an_order_that_nobody_hears_of_is_given_up():
    account = Account()
    account.order(order("o1", "buy", 5.0, 2.0, 101.0), 9, origins())

    assert len(account.open_orders("AAA", 108, 100)) == 1
    assert account.open_orders("AAA", 109, 100) == []


def test_a_later_part_is_priced_by_what_it_adds():
    """Two parts at 100 and 110 are told as averages of all so far."""
    account, origin = Account(), origins()
    account.order(order("o1", "buy", 2.0, 1.0, 100.0), 1, origin)
    second = account.order(order("o1", "buy", 2.0, 2.0, 105.0), 2, origin)

    assert second is not None
    assert (second.size, second.price, second.fee) == (1.0, 110.0, 1.0)
