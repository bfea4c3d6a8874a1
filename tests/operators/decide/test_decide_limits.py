"""The gates that shrink an order to what fits: the largest position, and the balance."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from operators.decide.case import worth
from operators.decide.gate.funds import balance as balance_gate
from operators.decide.gate.position import position as position_gate
from tests.operators.decide.asking import ask, plan
from tests.operators.decide.chain import balance, order, position, strategy, tick

# --- position ---


@pytest.mark.req("TK-MS-05")
@pytest.mark.parametrize(
    ("held", "side", "amount", "left"),
    [
        (0.0, "buy", 150.0, 150.0),  # 1.5 of 2.0
        (0.0, "buy", 500.0, 200.0),
        (1.25, "buy", 500.0, 75.0),
        (2.0, "buy", 500.0, None),
        (3.0, "buy", 500.0, None),
        (1.9995, "buy", 500.0, None),  # less than 0.001
        (1.25, "sell", 500.0, 325.0),  # through flat to -2
        (-1.5, "sell", 500.0, 50.0),
        (-3.0, "buy", 500.0, 500.0),  # from -3 to +2
        (-3.0, "buy", 501.0, 500.0),
        (-3.0, "sell", 500.0, None),
    ],
)
def test_position_and_order_stay_within_the_largest_size(held, side, amount, left):
    """Base units at a price of 100: what does not fit is cut off, or stops the order."""
    limits = strategy(warmup={"min_amount": 1.0}, amount={"minimum": 1.0}, position={"max_ratio": 1.0})
    verdict = ask(position_gate, limits, position(1, held), proposed=plan(side, amount))

    if left is None:
        assert verdict.skip.startswith("position limit: ")
    else:
        shrunk = verdict.plan or plan(side, amount)
        assert shrunk.amount == pytest.approx(left)
        assert shrunk.requested == (None if left == amount else amount)


@given(st.floats(-5, 5), st.sampled_from(["buy", "sell"]), st.floats(10, 2000), st.floats(1, 1000))
@settings(max_examples=60, deadline=None)
def test_no_order_passes_that_would_grow_the_position_beyond_its_limit(held, side, amount, mid):
    """Whatever the position before; what reduces one that is too large may pass."""
    limits = strategy(position={"max_ratio": 1.0})
    proposed = plan(side, amount)
    verdict = ask(position_gate, limits, position(1, held), proposed=proposed, mid=mid)
    if verdict.skip is not None:
        return
    passed = verdict.plan or proposed

    assert passed.amount <= amount
    price = verdict.numbers["wanted"] and amount / verdict.numbers["wanted"]
    after = held + passed.sign * passed.amount / price
    assert abs(after) <= max(2.0, abs(held)) + 1e-9


@pytest.mark.req("TK-MS-04")
@pytest.mark.parametrize(("available", "skips"), [(30.0, False), (24.9, True), (25.0, False)])
def test_nothing_is_added_to_a_position_that_is_most_of_the_funds(available, skips):
    """1 at 100 beside 25 is a ratio of 0.8."""
    verdict = ask(position_gate, strategy(amount={"minimum": 1}), position(1, 1.0), balance(1, available=available),
                  proposed=plan(amount=50.0))  # fmt: skip

    assert (verdict.skip is not None) == skips
    assert verdict.numbers["ratio"] == pytest.approx(100 / (100 + available))
    selling = ask(position_gate, strategy(), position(1, 1.0), balance(1, available=1.0), proposed=plan("sell", 50.0))
    assert selling.skip is None


@pytest.mark.parametrize(
    ("sides", "held", "side", "left"),
    [("long", 0.0, "sell", None), ("long", 0.5, "sell", 50.0), ("long", 0.0, "buy", 80.0),
     ("short", 0.0, "buy", None), ("short", -0.5, "buy", 50.0), ("short", 0.0, "sell", 80.0)],
)  # fmt: skip
def test_a_side_can_be_forbidden(sides, held, side, left):
    """Such an order only closes the other one."""
    limits = strategy(warmup={"min_amount": 10.0}, position={"sides": sides})
    verdict = ask(position_gate, limits, position(1, held), proposed=plan(side, 80.0))

    if left is None:
        assert verdict.skip is not None
    else:
        assert (verdict.plan or plan(side, 80.0)).amount == pytest.approx(left)


def test_too_little_room_for_the_smallest_order_stops():
    """An adapted order still respects the strategy's own minimum."""
    verdict = ask(position_gate, strategy(), position(1, 1.5), proposed=plan(amount=300.0))

    assert verdict.skip == "position limit: +1.5 leaves room to buy 50.00 within 2 (both), less than 100"


def test_a_position_with_next_to_no_room_is_full():
    """At 100000 a room of 0.0009 is worth 90, and still no order."""
    small = strategy(warmup={"min_amount": 10.0})
    tight = ask(position_gate, small, position(1, 1.9991), proposed=plan(amount=300.0), mid=100_000.0)
    wider = ask(position_gate, small, position(1, 1.9989), proposed=plan(amount=300.0), mid=100_000.0)

    assert tight.skip == "position limit: +1.9991 leaves no room to buy within 2 (both)"
    assert wider.plan.amount == pytest.approx(110.0)


def test_where_the_position_is_from_is_said():
    """The account's word, else our own executions, else flat."""
    assert ask(position_gate, strategy()).numbers["position_from"] == "assumed flat"
    executed = ask(position_gate, strategy(), order(1, "o", "filled", strategy="other"))
    assert (executed.numbers["position"], executed.numbers["position_from"]) == (1.0, "executions")
    told = ask(position_gate, strategy(), order(1, "o", "filled"), position(2, 0.25))
    assert (told.numbers["position"], told.numbers["position_from"]) == (0.25, "account")


def test_what_is_on_the_way_counts():
    """An own buy of 1 that is half filled will add another half."""
    waiting = order(1, "o", "partially_filled", filled=0.5, average_price=100.0)
    verdict = ask(position_gate, strategy(), waiting, position(2, 0.5), proposed=plan(amount=150.0))

    assert (verdict.numbers["coming"], verdict.numbers["room"]) == (0.5, 1.0)
    assert verdict.plan.amount == pytest.approx(100.0)


# --- balance ---


@pytest.mark.req("TK-MS-02")
@pytest.mark.parametrize(
    ("available", "left"), [(1000.0, 500.0), (526.4, 500.0), (526.0, 499.7), (200.0, 190.0), (105.0, None), (0.0, None)]
)
def test_a_buy_is_cut_down_to_95_percent_of_what_is_available(available, left):
    """And stops where less than the smallest order is left."""
    verdict = ask(balance_gate, strategy(), balance(9.5, available=available))

    if left is None:
        assert verdict.skip.startswith("balance too small: ")
    else:
        shrunk = verdict.plan or plan()
        assert shrunk.amount == pytest.approx(left)
        assert shrunk.requested == (None if left == 500.0 else 500.0)


@pytest.mark.req("TK-MS-23")
def test_a_stale_or_unknown_balance_stops():
    """60 s is not too old, any more is."""
    assert ask(balance_gate, strategy()).skip == "the balance of USDT is unknown"
    assert ask(balance_gate, strategy(), balance(1), tick(61), second=61).skip is None
    verdict = ask(balance_gate, strategy(), balance(1), tick(61.5), second=61.5)
    assert verdict.skip == "the balance of USDT is 60.5 s old, more than 60 s"
    assert verdict.numbers["available"] is None


@pytest.mark.parametrize(
    ("held", "amount", "left"), [(1.0, 100.0, 100.0), (1.0, 150.0, 147.5), (1.0, 140.0, 140.0), (-1.0, 140.0, None)]
)
def test_linear_a_sell_of_what_is_held_needs_no_margin(held, amount, left):
    """With 50 available, 47.5 more than what is held can be sold; a short needs margin for all of it."""
    verdict = ask(
        balance_gate, strategy(), position(1, held), balance(1, available=50.0), proposed=plan("sell", amount)
    )

    if left is None:
        assert verdict.skip is not None
    else:
        assert (verdict.plan or plan("sell", amount)).amount == pytest.approx(left)


def test_linear_a_close_needs_no_balance_at_all():
    assert ask(balance_gate, strategy(), position(1, 1.0), proposed=plan("sell", 100.0)).skip is None


def test_spot_a_sell_needs_the_coin_itself():
    """95 % of 4 coins at 100; whatever the position says."""
    spot = strategy(balance={"market": "spot"})
    asked = [balance(1, "BTC", 4.0), balance(1, "USDT", 0.0), position(1, 9.0)]

    assert ask(balance_gate, spot, *asked, proposed=plan("sell", 500.0)).plan.amount == pytest.approx(380.0)
    assert (
        ask(balance_gate, spot, balance(1, "USDT", 1e6), proposed=plan("sell")).skip == "the balance of BTC is unknown"
    )


def test_a_close_may_use_all_that_it_sells():
    """Spot: all 4 coins, where an entry may sell 3.8. Linear: a short is bought back without margin."""
    spot = strategy(balance={"market": "spot"})
    close = plan("sell", 400.0, kind="exit")
    cover = plan("buy", 200.0, kind="exit")

    assert ask(balance_gate, spot, balance(1, "BTC", 4.0), position(1, 4.0), proposed=close).plan is None
    assert ask(balance_gate, spot, balance(1, "BTC", 4.0), proposed=plan("sell", 400.0)).plan.amount == 380.0
    assert ask(balance_gate, strategy(), position(1, -2.0), proposed=cover).skip is None
    assert ask(balance_gate, strategy(), position(1, -2.0), proposed=plan("buy", 200.0)).skip is not None


def test_an_unknown_quote_coin_stops():
    verdict = ask(balance_gate, strategy(symbols=("BTCXYZ",)), balance(1), symbol="BTCXYZ")

    assert verdict.skip == "BTCXYZ ends in no known quote coin: nobody knows what pays for it"


def test_a_balance_of_the_symbols_own_account_comes_first():
    verdict = ask(balance_gate, strategy(), balance(1, available=200.0, symbol="BTCUSDT"), balance(1, available=9e9))

    assert verdict.plan.amount == pytest.approx(190.0)


def test_what_the_balance_cannot_know_of_yet_is_reserved():
    """An own order of 1 at 100 after the balance was reported takes 100 of it; one before is in it."""
    after = ask(balance_gate, strategy(), balance(1, available=400.0), order(2, "o"))
    before = ask(balance_gate, strategy(), tick(1), order(1, "o"), tick(2), balance(2, available=400.0))

    assert after.plan.amount == pytest.approx(280.0)
    assert before.plan.amount == pytest.approx(380.0)


def test_the_check_of_the_balance_can_be_turned_off():
    assert ask(balance_gate, strategy(balance={"check": False})).skip is None


@given(st.floats(0, 5000), st.floats(-3, 3), st.floats(100, 3000), st.sampled_from(["buy", "sell"]),
       st.sampled_from(["linear", "spot"]), st.floats(0.1, 1))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_no_order_passes_that_the_account_cannot_pay(available, held, amount, side, market, margin):
    """Quote for what opens and for buys, the coin for a spot sell: never more than the usable share."""
    settings_ = strategy(balance={"market": market, "margin": margin})
    events = [balance(1, "USDT", available), balance(1, "BTC", available / 100), position(1, held)]
    proposed = plan(side, amount)
    verdict = ask(balance_gate, settings_, *events, proposed=proposed)
    if verdict.skip is not None:
        return
    passed = verdict.plan or proposed

    free = max(0.0, held) * 100 if (side, market) == ("sell", "linear") else 0.0
    assert passed.amount - free <= available * margin * (1 + 1e-9)
    assert passed.amount <= amount
    assert verdict.plan is None or (passed.requested == amount and passed.amount >= 100.0)


@given(st.floats(0, 1e6), st.floats(1e-9, 1e9))
@example(2.2e-311, 0.3)  # where a rounding step of the last place is nothing
def test_what_is_worth_a_size_never_buys_more(size, price):
    """Whatever the rounding, and it is no less than it has to be."""
    amount = worth(size, price)

    assert amount / price <= size
    assert amount >= size * price * (1 - 1e-12) - 1e-300


def test_what_is_shrunk_twice_remembers_what_was_asked_for_first():
    """By the position's limit, and then by the balance."""
    assert (plan(amount=500.0).shrunk(300.0).shrunk(200.0).requested) == 500.0
