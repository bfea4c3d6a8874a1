"""Each gate by itself, over a real market and a real account."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from operators.decide.case import worth
from operators.decide.gate.data import data
from operators.decide.gate.duplicate import duplicate
from operators.decide.gate.funds import balance as balance_gate
from operators.decide.gate.orders import orders
from operators.decide.gate.position import position as position_gate
from operators.decide.gate.profit import profit
from operators.decide.gate.rate import rate
from operators.decide.gate.valid import valid
from operators.decide.plan import Plan
from schemas.market import Gap, Ticker
from tests.operators.decide.chain import SECOND, at, balance, book, case, order, position, strategy, tick, trade


def plan(side="buy", amount=500.0, confidence=0.7, **more):
    return Plan(side, amount, confidence, "because", True, **more)


def ask(gate, settings_, *events, proposed=None, **more):
    """The verdict of a gate on a plan, by default to buy for 500."""
    asked = case(settings_, *events, **more)
    asked.proposed = proposed or plan()
    return gate(asked)


# --- data ---


@pytest.mark.req("TK-MS-24")
@pytest.mark.parametrize(("age", "skips", "warns"), [(0, False, False), (29, False, False), (30, False, True)])
def test_market_data_grow_old(age, skips, warns):
    """From 30 s on the decision warns; beyond 60 s it is none (see the scenario of a silent market)."""
    verdict = ask(data, strategy(), tick(age), second=age)

    assert (verdict.skip is not None, verdict.numbers["warn"]) == (skips, warns)
    assert verdict.numbers["age"] == age


@pytest.mark.req("TK-MS-24")
def test_market_data_are_too_old_beyond_the_limit():
    """At the limit they still count."""
    limits = strategy(data={"max_age": 20, "warn_age": 5})

    assert ask(data, limits, tick(20), second=20).skip is None
    verdict = ask(data, limits, tick(20.000001), second=20)
    assert verdict.skip == "no fresh market data: 20.0 s old, more than 20 s"


def test_an_old_vector_is_old_data_however_fresh_the_market():
    """After an outage the vectors in between come all at once."""
    verdict = ask(data, strategy(data={"max_age": 20, "warn_age": 5}), tick(40), trade(40.5), second=10)

    assert verdict.numbers["age"] == 30.5
    assert verdict.skip is not None


def test_unsound_data_stop_and_name_their_channels():
    lost = Gap("BTCUSDT", at(5), at(5), "trades", "lost", start=at(4), end=at(5))

    assert ask(data, strategy(), lost).skip == "the market data are unsound: trades"
    assert ask(data, strategy(), tainted=True).skip == "the market data are unsound: unknown"


def test_no_price_is_no_data():
    verdict = ask(data, strategy(), symbol="ETHUSDT", second=0)
    assert verdict.skip is None
    asked = case(strategy())
    asked.quotes.market.symbols.clear()
    asked.quotes.last.clear()
    assert data(asked).skip == "no market data: BTCUSDT has no price yet"


# --- rate ---


def test_an_empty_bucket_stops_and_says_when_it_will_not():
    asked = case(strategy(rate={"per_minute": 6, "burst": 0}))
    assert rate(asked).skip is None
    asked.memory.bucket.take(asked.clock)

    verdict = rate(asked)
    assert verdict.skip == "rate limit of 6 signals a minute and 0 at once: the next may go in 10 s"
    assert verdict.numbers == {"tokens": 0.0, "per_minute": 6.0, "burst": 0, "wait": 10.0}


# --- orders ---


@pytest.mark.req("TK-MS-01", "MS-FR-002")
@pytest.mark.parametrize("status", ["pending", "partially_filled"])
def test_an_open_order_of_the_strategy_stops(status):
    verdict = ask(orders, strategy(), order(1, "o1", status))

    assert verdict.skip == f"order o1 (buy, {status}) may still trade"
    assert verdict.numbers["open"] == 1


@pytest.mark.req("TK-MS-01")
@pytest.mark.parametrize("status", ["filled", "cancelled", "rejected", "dry_run"])
def test_an_order_that_is_over_does_not(status):
    assert ask(orders, strategy(), order(1, "o1", "pending"), order(2, "o1", status)).skip is None


@pytest.mark.req("TK-MS-01")
def test_only_orders_of_the_same_strategy_and_symbol_count():
    """And those of which nobody knows whose they are."""
    assert ask(orders, strategy(), order(1, "o1", strategy="other")).skip is None
    assert ask(orders, strategy(), order(1, "o1", symbol="ETHUSDT")).skip is None
    assert ask(orders, strategy(), order(1, "o1", strategy=None)).skip is not None


@pytest.mark.req("TK-MS-01")
def test_the_opposite_side_only():
    """A buy waits for a sell, not for another buy."""
    careful = strategy(orders={"opposite_only": True})

    assert ask(orders, careful, order(1, "o1", side="buy")).skip is None
    verdict = ask(orders, careful, order(1, "o1", side="buy"), order(1, "o2", side="sell"))
    assert verdict.skip == "order o2 (sell, pending) may still trade"


def test_an_order_that_nobody_hears_of_is_given_up():
    patient = strategy(orders={"patience": 5})

    assert ask(orders, patient, order(1, "o1"), tick(5.9), second=5.9).skip is not None
    assert ask(orders, patient, order(1, "o1"), tick(6), second=6).skip is None


def test_the_check_can_be_turned_off():
    assert ask(orders, strategy(orders={"skip_if_open": False}), order(1, "o1")).skip is None


# --- profit ---

BOUGHT = order(1, "o1", "filled", quantity=2.0, filled=2.0)
SOLD = order(1, "o1", "filled", "sell", quantity=2.0, filled=2.0)
OWN_CLOSE = {"exits": {"enabled": False}}
RISEN = [position(2, 2.0, 100.0), book(5, 104.0, u=9)]
FALLEN = [position(2, -2.0, 100.0), book(5, 95.0, u=9)]


@pytest.mark.req("TK-MS-03")
@pytest.mark.parametrize("off", [{"enabled": False}, {"take_profit": {"enabled": False}}])
def test_a_profit_is_taken_where_no_exit_rule_does_it(off):
    """The entry becomes the close: the whole holding, in quote currency at the present price."""
    verdict = ask(profit, strategy(exits=off), BOUGHT, *RISEN)

    close = verdict.plan
    assert (close.side, close.kind, close.rule, close.confidence) == ("sell", "exit", "take_profit", 1.0)
    assert close.amount == pytest.approx(208.0)
    assert close.reason == "take_profit_triggered"
    assert close.details == pytest.approx(
        {"unrealized_pnl_pct": 4.0, "take_profit_threshold": 3.0, "position_size": 2.0}
    )


@pytest.mark.req("TK-MS-03")
def test_the_profit_of_a_short_is_bought_back():
    close = ask(profit, strategy(**OWN_CLOSE), SOLD, *FALLEN, proposed=plan("sell")).plan

    assert (close.side, close.amount) == ("buy", pytest.approx(190.0))
    assert close.details["unrealized_pnl_pct"] == pytest.approx(5.0)


@pytest.mark.req("TK-MS-03")
def test_the_threshold_itself_is_not_above_it():
    settings_ = strategy(exits={"enabled": False, "take_profit": {"percent": 50.0}})

    assert ask(profit, settings_, BOUGHT, position(2, 2.0), book(5, 150.0, u=9)).plan is None
    assert ask(profit, settings_, BOUGHT, position(2, 2.0), book(5, 150.01, u=9)).plan is not None


@pytest.mark.req("TK-MS-03")
def test_exit_rules_that_take_profits_leave_nothing_to_do_but_not_to_add():
    adds = ask(profit, strategy(), BOUGHT, *RISEN)
    reduces = ask(profit, strategy(), BOUGHT, *RISEN, proposed=plan("sell"))

    assert adds.skip == "the holding is 4.00 % in profit, above 3 %: exit rules close it, nothing is added"
    assert (reduces.skip, reduces.plan) == (None, None)


def test_no_more_is_closed_than_the_account_has():
    """Somebody else may have closed a part, or all."""
    part = ask(profit, strategy(**OWN_CLOSE), BOUGHT, position(2, 0.5), book(5, 104.0, u=9))
    none = ask(profit, strategy(**OWN_CLOSE), BOUGHT, position(2, -1.0), book(5, 104.0, u=9))

    assert part.plan.amount == pytest.approx(52.0)
    assert none.plan is None


def test_a_close_that_is_on_the_way_is_not_repeated():
    """One close too many would open the opposite position: 1.5 of 2 are on sale already, or all."""
    careless = strategy(orders={"skip_if_open": False}, **OWN_CLOSE)
    part = ask(profit, careless, BOUGHT, *RISEN, order(6, "o2", side="sell", quantity=1.5))
    all_ = ask(profit, careless, BOUGHT, *RISEN, order(6, "o2", side="sell", quantity=2.0))

    assert part.plan.amount == pytest.approx(52.0)
    assert all_.plan is None
    assert all_.skip.endswith("its close is on the way, nothing is added")


def test_a_close_beyond_the_largest_amount_is_cut():
    """It closes the rest later."""
    close = ask(profit, strategy(amount={"maximum": 150}, **OWN_CLOSE), BOUGHT, *RISEN).plan

    assert (close.amount, close.requested) == (150.0, pytest.approx(208.0))


def test_without_a_holding_there_is_no_profit():
    verdict = ask(profit, strategy(**OWN_CLOSE), position(2, 5.0, 50.0))

    assert (verdict.plan, verdict.skip) == (None, None)
    assert verdict.numbers["unrealized_pnl_pct"] is None


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


# --- valid, duplicate ---


@pytest.mark.req("MS-FR-016")
@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"amount": 9.99}, "amount 9.99 is not between 10 and 100000"), ({"amount": 100_001.0}, "amount 100001.00"),
     ({"amount": float("nan")}, "amount nan"), ({"confidence": 1.01}, "confidence 1.01 is not between 0 and 1"),
     ({"confidence": float("nan")}, "confidence nan"), ({"side": "hold"}, "side hold is neither")],
)  # fmt: skip
def test_what_an_order_manager_would_refuse_stops(wrong, said):
    assert said in ask(valid, strategy(), proposed=plan(**wrong)).skip


def test_less_than_a_cent_or_without_a_reason_nothing_leaves():
    """However small the settings allow an amount to be."""
    tiny = strategy(amount={"minimum": 0.001})

    assert "amount 0.01 is not between" in ask(valid, tiny, proposed=plan(amount=0.009)).skip
    assert ask(valid, tiny, proposed=plan(amount=0.01)).skip is None
    assert ask(valid, tiny, proposed=Plan("buy", 500.0, 0.7, "", True)).skip == "not valid: no reason"


@pytest.mark.parametrize("amount", [10.0, 100_000.0])
def test_the_limits_themselves_are_valid(amount):
    assert ask(valid, strategy(), proposed=plan(amount=amount)).skip is None


def test_a_snapshot_with_a_negative_number_stops():
    asked = case(strategy(), Ticker("BTCUSDT", at(1), at(1), volume_24h=5.0), features={"volatility_1m": -0.1})
    asked.proposed = plan()

    assert valid(asked).skip == "not valid: volatility -0.1 of the market snapshot is below 0"


def test_the_same_side_in_the_same_turn_is_a_duplicate():
    """Another side, or another turn, is not."""
    asked = case(strategy(), second=40)
    asked.proposed = plan()
    assert duplicate(asked).skip is None
    asked.memory.signalled(at(45), "buy", asked.clock)
    assert duplicate(asked).skip.startswith("duplicate: a buy was already signalled")
    asked.proposed = plan("sell")
    assert duplicate(asked).skip is None
    asked.proposed = plan()
    asked.memory.signalled(at(39), "buy", asked.clock)
    assert duplicate(asked).skip is None


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


def test_seconds_are_microseconds():
    assert at(1) - at(0) == SECOND
