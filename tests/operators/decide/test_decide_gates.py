"""Each gate by itself, over a real market and a real account; those that shrink are in ``test_decide_limits``."""

import pytest

from operators.decide.gate.data import data
from operators.decide.gate.duplicate import duplicate
from operators.decide.gate.orders import orders
from operators.decide.gate.profit import profit
from operators.decide.gate.rate import rate
from operators.decide.gate.valid import valid
from operators.decide.plan import Plan
from schemas.market import Gap, Ticker
from tests.operators.decide.asking import ask, plan
from tests.operators.decide.chain import SECOND, at, book, case, order, position, strategy, tick, trade

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


def test_seconds_are_microseconds():
    assert at(1) - at(0) == SECOND
