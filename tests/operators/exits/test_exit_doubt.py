"""Reports that stop, market data that are missing or old, updates that are wrong: what is done, and what is not."""

import msgspec
import pytest

from schemas.account import AccountConfigured, PositionEvent
from schemas.codec import encode
from schemas.market import BookDelta
from tests.operators.exits.exit_desk import (
    FAST,
    Desk,
    answer,
    at,
    configured,
    fill,
    holding,
    position,
    price,
    problems,
    strategy,
    tick,
    ticks,
    trade,
)


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
