"""Positions that no strategy holds: who closes them, and when not."""

import pytest

from tests.operators.exits.exit_desk import (
    Desk,
    answer,
    fill,
    holding,
    position,
    price,
    strategy,
    tick,
    ticks,
)


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
