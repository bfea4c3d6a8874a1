"""What is closed when strategies' holdings and the account's reports differ, are late, or are missing."""

import msgspec
import pytest

from schemas.account import AccountConfigured, PositionEvent
from schemas.codec import encode
from schemas.market import BookDelta
from tests.operators.exits.exit_desk import (
    Desk,
    answer,
    at,
    configured,
    fill,
    holding,
    position,
    price,
    strategy,
    tick,
    ticks,
    trade,
)

FAST = {"debounce": 0.0}


def problems(desk: Desk) -> list[str]:
    return [record.problem for record in desk.quality]


# --- nothing is sent for what is not confirmed open ---


@pytest.mark.req("MS-FR-029")
def test_without_any_report_the_position_is_unknown_and_nothing_is_sent():
    """One decision says so in each cooldown, however many prices come."""
    desk = Desk(strategy())
    desk.feed(tick(0), price(0, 97.0), fill(0, "buy", 1.0, 100.0))
    desk.feed(*(event for s in range(1, 121) for event in (tick(s), price(s + 0.5, 97.0 - s % 2))))

    assert desk.signals == []
    assert [(d.step, d.outcome, d.ts) for d in desk.decisions] == [
        ("position_unknown", "skip", at(0)), ("position_unknown", "skip", at(60)), ("position_unknown", "skip", at(120))
    ]  # fmt: skip
    assert "position unknown" in desk.decisions[0].reason


def test_a_fill_after_the_last_report_waits_for_the_next():
    """The account said flat, then our order was filled: only the report of it makes it certain."""
    desk = Desk(strategy())
    desk.feed(tick(0), price(0, 97.0), position(0, 0.0), fill(0.5, "buy", 1.0, 100.0))
    assert (desk.signals, desk.steps) == ([], ["position_unconfirmed"])

    desk.feed(tick(1), position(1, 1.0))
    assert [s.amount for s in desk.signals] == [97.0]


def test_a_report_that_comes_before_its_fill_is_not_counted_twice():
    """The position first, then the order's event: whose it is is known then, and it is closed at once."""
    desk = Desk(strategy())
    desk.feed(tick(0), price(0, 97.0), position(0, 0.0))
    desk.feed(fill(0, "buy", 0.0, 100.0, order="o", status="pending", of=1.0), tick(1), position(1, 1.0), *ticks(2, 5))
    assert (desk.decisions, desk.quality) == ([], [])

    desk.feed(fill(5, "buy", 1.0, 100.0, order="o"))
    assert [s.amount for s in desk.signals] == [97.0]


@pytest.mark.req("MS-FR-032")
def test_a_position_closed_elsewhere_is_written_off_with_one_decision():
    """No exit is sent, also when a stop would have triggered; a new position is protected as any other."""
    desk = holding(strategy())
    desk.feed(tick(5), position(5, 0.0), price(6, 90.0), *ticks(7, 200))

    assert desk.signals == []
    (decision,) = desk.decisions
    assert (decision.step, decision.kind, decision.outcome, decision.ts) == ("closed_elsewhere", "exit", "skip", at(5))
    assert (decision.numbers["size"], decision.numbers["reported"]) == (1.0, 0.0)
    assert desk.accounts.account.holding("s", "BTCUSDT").size == 0

    desk.feed(price(201, 80.0), fill(201, "buy", 2.0, 80.0), position(201, 2.0), price(203, 78.0))
    assert [s.amount for s in desk.signals] == [156.0]


def test_a_report_that_is_ahead_of_our_own_exit_is_not_closed_elsewhere():
    """Our exit was executed: the position event came first, its order's event later."""
    desk = holding(strategy())
    desk.feed(price(2, 97.0), tick(3), position(3, 0.0), tick(4))
    assert desk.steps == ["stop_loss", "cooldown"]

    desk.feed(answer(4, desk.signals[0]), tick(5))
    assert (desk.steps, desk.quality, desk.stake()) == (["stop_loss", "cooldown"], [], None)
    assert desk.accounts.account.holding("s", "BTCUSDT").realized == pytest.approx(-3.0)


def test_an_exit_that_is_reported_before_its_fill_leaves_the_others_free():
    """a sells its 2 of 3: the account says 1, then comes the fill. b may sell its 1 at once, also without a report."""
    desk = Desk(strategy("a", **FAST), strategy("b", **FAST, stop_loss={"percent": -5.0}))
    desk.feed(tick(0), price(0, 100.0), fill(0, "buy", 2.0, 100.0, "a"), fill(0, "buy", 1.0, 100.0, "b"))
    desk.feed(position(0, 3.0), tick(20), price(20, 97.0))
    desk.feed(tick(21), position(21, 1.0), answer(21, desk.signals[0]))
    assert [s.strategy for s in desk.signals] == ["a"]

    desk.feed(price(22, 94.0))
    assert [(s.strategy, s.amount) for s in desk.signals] == [("a", 194.0), ("b", 94.0)]
    assert desk.quality == []


@pytest.mark.req("MS-FR-031")
def test_a_position_that_is_turned_over_is_a_new_one():
    """Entry, peak and the exit in part begin anew; so they do for one that was closed and opened again."""
    desk = holding(strategy(**FAST, take_profit={"percent": 50.0}))
    desk.feed(price(2, 105.0), tick(3), fill(3, "sell", 3.0, 104.0), position(3, -2.0))
    stake = desk.stake()
    assert (stake.size, stake.entry, stake.opened, stake.peak, stake.highest) == (-2.0, 104.0, at(3), 105.0, -2.0)

    desk.feed(price(4, 103.0), tick(5), fill(5, "buy", 2.0, 103.0), fill(5, "sell", 1.0, 103.0), price(6, 104.0))
    stake = desk.stake()
    assert (stake.size, stake.entry, stake.opened, stake.peak) == (-1.0, 103.0, at(5), 103.0)


def test_a_price_that_is_old_to_the_symbol_is_new_to_a_position():
    """106 was seen before the position was closed and another opened at 100: back at 106 that is its peak."""
    desk = holding(strategy(**FAST, take_profit={"percent": 50.0}))
    desk.feed(price(2, 106.0), tick(3), fill(3, "sell", 1.0, 106.0), position(3, 0.0), price(4.25, 100.0))
    desk.feed(fill(4.3, "buy", 1.0, 100.0), position(4.3, 1.0), price(4.5, 106.0))

    assert desk.stake().peak == 106.0


def test_adding_to_a_position_keeps_its_peak():
    """The entry price moves, the best price so far does not."""
    desk = holding(strategy(**FAST, take_profit={"percent": 50.0}))
    desk.feed(price(2, 110.0), tick(3), price(3, 104.0), fill(3, "buy", 1.0, 104.0), position(3, 2.0))

    assert (desk.stake().entry, desk.stake().peak, desk.stake().opened) == (102.0, 110.0, at(0))


def test_an_exit_that_was_rejected_explains_nothing():
    """While it was open the smaller report could have been its doing; then somebody else closed 1 of 2."""
    desk = holding(strategy(**FAST), size=2.0)
    desk.feed(price(2, 97.0), tick(3), position(3, 1.0))
    assert desk.quality == []

    desk.feed(answer(4, desk.signals[0], "rejected"))
    assert [r.detail for r in desk.quality] == [{"reported": 1.0, "held": 2.0}]


def test_a_smaller_position_is_closed_as_far_as_it_goes_and_reported_once():
    """Held 3, reported 2: at most 2 are sold, by all strategies together."""
    desk = Desk(strategy("a", **FAST), strategy("b", **FAST))
    desk.feed(tick(0), price(0, 100.0), fill(0, "buy", 1.5, 100.0, "a"), fill(0, "buy", 1.5, 100.0, "b"))
    desk.feed(tick(11), position(11, 2.0), tick(12), tick(13), tick(14), position(14, 2.0))
    assert [(r.problem, r.detail) for r in desk.quality] == [("position.mismatch", {"reported": 2.0, "held": 3.0})]

    desk.feed(price(15, 97.0))
    assert [(s.strategy, s.amount) for s in desk.signals] == [("a", 1.5 * 97), ("b", 0.5 * 97)]
    assert len(desk.quality) == 1


def test_what_exits_of_others_take_is_not_closed_again_when_they_have_filled():
    """Held 2 + 2, reported 2: a sells 2. Until the account reports anew b may sell nothing."""
    desk = Desk(strategy("a", **FAST), strategy("b", **FAST))
    desk.feed(tick(0), price(0, 100.0), fill(0, "buy", 2.0, 100.0, "a"), fill(0, "buy", 2.0, 100.0, "b"))
    desk.feed(tick(1), position(1, 2.0), price(2, 97.0))
    assert [s.strategy for s in desk.signals] == ["a"]
    assert desk.steps[-1] == "position_claimed"

    desk.feed(answer(3, desk.signals[0]), price(4, 96.0), *ticks(5, 70))
    assert [s.strategy for s in desk.signals] == ["a"]
    assert "position_unconfirmed" in desk.steps

    desk.feed(position(70, 0.0))
    assert desk.steps[-1] == "closed_elsewhere"
    assert desk.exits.watches["BTCUSDT"].stakes == {}


def test_a_change_of_the_mismatch_is_reported_again():
    """Once per change, with both numbers; agreement ends it."""
    desk = holding(strategy(**FAST), size=3.0)
    for second, size in ((2, 2.0), (4, 2.0), (6, 1.0), (8, 5.0), (10, 3.0), (12, 2.0)):
        desk.feed(tick(second), position(second, size))

    assert [r.detail["reported"] for r in desk.quality] == [2.0, 1.0, 5.0, 2.0]


def test_a_position_of_the_opposite_side_is_never_increased():
    """Held 1 long, the account says 1 short: selling would make it 2 short."""
    desk = holding(strategy(**FAST))
    desk.feed(tick(2), position(2, -1.0), price(3, 97.0))

    assert desk.signals == []
    assert (desk.steps, problems(desk)) == (["position_opposite"], ["position.mismatch"])


def test_strategies_that_offset_each_other_are_closed_by_that():
    """One bought 1, another sold 1: the account is flat, there is nothing to close."""
    desk = Desk(strategy("a", **FAST), strategy("b", **FAST))
    desk.feed(tick(0), price(0, 100.0), fill(0, "buy", 1.0, 100.0, "a"), fill(0, "sell", 1.0, 100.0, "b"))
    desk.feed(tick(1), position(1, 0.0), price(2, 90.0), price(3, 110.0))

    assert [(d.strategy, d.step) for d in desk.decisions] == [("a", "closed_elsewhere"), ("b", "closed_elsewhere")]
    assert (desk.signals, desk.quality) == ([], [])


# --- what nobody holds ---


def test_a_position_that_no_strategy_holds_is_adopted_by_the_first_with_exits():
    """By name, of those that are enabled, have exits and list the symbol; at the reported entry price."""
    desk = Desk(
        strategy("a", enabled=False), strategy("b", symbols=("ETHUSDT",)), strategy("d"), strategy("c"),
    )  # fmt: skip
    desk.feed(tick(0), price(0, 100.0), position(0, -2.0, entry=101.0))

    (decision,) = desk.decisions
    assert (decision.strategy, decision.step, decision.outcome) == ("c", "adopted", "changed")
    assert (decision.numbers["entry"], decision.numbers["entry_from"]) == (101.0, "report")

    desk.feed(price(1, 104.0))
    assert [(s.strategy, s.side, s.amount) for s in desk.signals] == [("c", "buy", 208.0)]

    desk.feed(answer(2, desk.signals[0]), tick(3), position(3, 0.0), tick(4))
    assert desk.accounts.account.holding("c", "BTCUSDT").size == 0
    assert desk.accounts.account.holding("c", "BTCUSDT").realized == pytest.approx(2 * (101 - 104))


def test_without_a_reported_entry_the_price_at_adoption_counts():
    """Without a price either, it waits for one."""
    desk = Desk(strategy())
    desk.feed(tick(0), position(0, 2.0), tick(1))
    assert desk.decisions == []

    desk.feed(price(2, 50.0), tick(3), price(4, 48.0))
    assert [(d.step, d.numbers["entry"], d.numbers["entry_from"]) for d in desk.decisions] == [
        ("adopted", 50.0, "price"), ("stop_loss", 50.0, "price")
    ]  # fmt: skip


def test_nothing_is_adopted_while_an_order_of_ours_may_explain_it():
    """A resting buy may have been filled. When it is given up after its patience, the position is adopted."""
    desk = Desk(strategy(orders={"patience": 30.0}))
    desk.feed(tick(0), price(0, 100.0), fill(0, "buy", 0.0, 100.0, order="o", status="pending", of=1.0))
    desk.feed(tick(1), position(1, 1.0), *ticks(2, 29))
    assert desk.decisions == []

    desk.feed(tick(30))
    assert desk.steps == ["adopted"]


def test_what_is_left_of_a_mismatch_is_not_adopted():
    """position-manager counts some fills twice: closing what is not there would open the opposite."""
    desk = holding(strategy())
    desk.feed(tick(5), position(5, 1.5), price(6, 97.0))
    desk.feed(answer(7, desk.signals[0]), tick(8), position(8, 0.5), *ticks(9, 400))

    assert [s.amount for s in desk.signals] == [97.0]
    assert [tuple(r.detail.values()) for r in desk.quality] == [(1.5, 1.0), (0.5, 0.0)]

    desk.feed(position(400, 0.0), tick(401), position(401, 0.5, entry=97.0))
    assert "adopted" in desk.steps


# --- reports that stop ---


@pytest.mark.req("MS-FR-033", "MS-EC-14")
def test_when_reports_stop_rules_go_on_with_the_last_known_position():
    """After 120 s a quality record says so, once; the stop still works; the next report ends it."""
    desk = holding(strategy())
    seconds = [event for s in range(2, 300) for event in (tick(s), price(s + 0.5, 100.0 + s % 2))]
    desk.feed(*seconds)
    assert [(r.problem, r.ts) for r in desk.quality] == [("position.silent", at(120))]
    assert desk.quality[0].detail == {"seconds": 120.0, "held": 1.0, "reported": 1.0}

    desk.feed(price(300, 97.0))
    assert [s.rule for s in desk.signals] == ["stop_loss"]

    desk.feed(position(301, 1.0))
    assert problems(desk) == ["position.silent", "position.heard"]


def test_the_silence_is_that_of_the_most_anxious_strategy_that_holds_something():
    """An account without positions has nothing to report."""
    desk = Desk(strategy("a", silence=40.0), strategy("b", silence=10.0), strategy("c", silence=1.0))
    desk.feed(tick(0), price(0, 100.0), position(0, 0.0), *ticks(1, 50))
    assert desk.quality == []

    desk.feed(fill(50, "buy", 1.0, 100.0, "a"), fill(50, "buy", 1.0, 100.0, "b"), position(50, 2.0), *ticks(51, 90))
    assert [(r.problem, r.ts) for r in desk.quality] == [("position.silent", at(60))]


# --- market data that are missing or old ---


@pytest.mark.req("MS-EC-11")
def test_old_market_data_close_nothing_and_say_what_is_due():
    """Above all a time-based exit must not wait in silence."""
    desk = holding(strategy(time={"enabled": True, "max_hours": 0.02}))
    desk.feed(*ticks(2, 130))

    assert desk.signals == []
    assert [(d.step, d.ts) for d in desk.decisions] == [
        ("stale_data", at(61)), ("stale_data", at(72))
    ]  # fmt: skip
    assert "held back" not in desk.decisions[0].reason
    assert "held back at the last price: time_based" in desk.decisions[1].reason
    assert desk.decisions[1].numbers["triggered"] == "time_based"

    desk.feed(price(131, 100.0))
    assert [s.rule for s in desk.signals] == ["time_based"]


@pytest.mark.req("MS-EC-11")
def test_without_any_price_nothing_is_closed():
    """A holding whose symbol has never been quoted."""
    desk = Desk(strategy(time={"enabled": True, "max_hours": 0.001}))
    desk.feed(tick(0), fill(0, "buy", 1.0, 100.0), position(0, 1.0), *ticks(1, 5))

    assert [d.step for d in desk.decisions] == ["no_price", "no_price"]
    assert "held back at the entry price: time_based" in desk.decisions[1].reason


@pytest.mark.req("MS-EC-11")
def test_the_loss_of_the_book_does_not_bring_an_old_trade_back():
    """The last trade, at 90, is 100 s old when a delta leaves a hole: it is no price to stop at."""
    desk = Desk(strategy())
    desk.feed(tick(0), trade(0, 90.0), price(1, 100.0), fill(1, "buy", 1.0, 100.0), position(1, 1.0))
    desk.feed(*(event for s in range(2, 101) for event in (tick(s), price(s + 0.5, 100.0))))
    desk.feed(BookDelta("BTCUSDT", at(101), at(101), 9_000_000, 8_999_990, [], []), tick(102))
    assert desk.signals == []
    assert desk.steps == ["stale_data"]

    desk.feed(trade(103, 97.0))
    assert [s.rule for s in desk.signals] == ["stop_loss"]
    assert desk.stake().peak == 100.0


@pytest.mark.req("MS-EC-11")
def test_partial_executions_are_followed_as_they_come():
    """Entry price and size are those of what was filled; an exit that fills in part leaves the rest held."""
    desk = Desk(strategy(**FAST))
    desk.feed(tick(0), price(0, 100.0))
    desk.feed(fill(0, "buy", 1.0, 100.0, order="o", status="partially_filled", of=4.0), position(0, 1.0))
    desk.feed(tick(1), fill(1, "buy", 4.0, 101.5, order="o", of=4.0), position(1, 4.0))
    assert (desk.stake().size, desk.stake().entry) == (4.0, pytest.approx(101.5))

    desk.feed(price(2, 99.0))
    desk.feed(answer(3, desk.signals[0], "partially_filled", 0.25), position(3, 3.0))
    desk.feed(answer(3, desk.signals[0], "cancelled", 0.25), *ticks(4, 62))
    assert desk.stake().size == pytest.approx(3.0)
    assert [s.amount for s in desk.signals] == [4 * 99.0, 3 * 99.0]


# --- updates that are wrong ---


@pytest.mark.req("MS-EC-12", "MS-FR-032")
def test_an_incomplete_position_update_is_a_dead_letter_and_changes_nothing():
    """Without a size, or with one that is no number; what follows is evaluated."""
    desk = holding(strategy())
    before = desk.engine.snapshot()
    complete = msgspec.json.decode(encode(position(2, 1.0)))
    for broken in ({"size": "much"}, {"size": None}, {"symbol": 7}):
        found = desk.feed(msgspec.json.encode(complete | broken))
        assert [output.topic for output in found] == ["dead-letters"]
    del complete["size"]
    assert [output.topic for output in desk.feed(msgspec.json.encode(complete))] == ["dead-letters"]

    assert desk.engine.snapshot() == before
    desk.feed(price(3, 97.0))
    assert len(desk.signals) == 1


@pytest.mark.req("MS-EC-12")
def test_the_position_of_a_symbol_that_nobody_trades_changes_nothing():
    """There is no price and no strategy for it."""
    desk = Desk(strategy())
    desk.feed(tick(0), position(0, 5.0, symbol="DOGEUSDT"), *ticks(1, 9))

    assert desk.outputs == []


def test_another_kind_of_account_has_nothing_to_close():
    """What was held on paper must not be closed for real."""
    desk = Desk(strategy())
    desk.feed(AccountConfigured(at(0), "paper"), tick(0), price(0, 100.0), fill(0, "buy", 1.0, 100.0), position(0, 1.0))
    desk.feed(AccountConfigured(at(1), "live"), price(2, 97.0), *ticks(3, 9))
    assert (desk.decisions, desk.quality, desk.exits.watches) == ([], [], {})

    desk.feed(fill(9, "buy", 2.0, 100.0), position(10, 2.0))
    assert [s.amount for s in desk.signals] == [194.0]


def test_a_holding_of_a_strategy_without_settings_says_so():
    """Its settings are not on the log: no rule of anybody else's is applied to it."""
    desk = Desk()
    desk.feed(tick(0), price(0, 50.0), fill(0, "buy", 1.0, 100.0, "gone"), position(0, 1.0))
    assert (desk.signals, desk.steps) == ([], ["settings"])

    desk.feed(configured(strategy("gone"), 1), tick(2))
    assert [s.rule for s in desk.signals] == ["stop_loss"]


def test_positions_that_the_paper_exchange_reports_need_no_confirmation_and_are_never_silent():
    """They come with the execution itself: all reports of one event are known when the first is seen."""
    desk = Desk(strategy())
    desk.feed(tick(0), price(0, 100.0))
    cursor, out = desk.engine.cursor, []
    bought = msgspec.structs.replace(fill(0, "buy", 1.0, 100.0), origin=cursor.next(), source="paper")
    told = PositionEvent("BTCUSDT", at(0), at(0), 1.0, 100.0, origin=cursor.next(), source="paper")
    records = [bought, told]
    for stage in desk.engine.stages:
        out, records = [], out or records
        for record in records:
            stage.feed(record, out)
    desk.feed(*(event for s in range(1, 200) for event in (tick(s), price(s + 0.5, 100.0 + s % 2))))
    assert (desk.quality, desk.decisions) == ([], [])

    desk.feed(price(200, 97.0))
    assert [s.rule for s in desk.signals] == ["stop_loss"]
