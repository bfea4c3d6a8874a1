"""What is closed when strategies' holdings and the account's reports differ, are late, or are missing."""

import pytest

from tests.operators.exits.exit_desk import (
    FAST,
    Desk,
    answer,
    at,
    fill,
    holding,
    position,
    price,
    problems,
    strategy,
    tick,
    ticks,
)


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
