"""Exits as the acceptance scenarios of user story 5 tell them, with numbers worked out by hand."""

import pytest

from operators.exits.rules import RULES
from schemas.model import ModelActivated
from schemas.quality import QualityRecord
from tests.operators.exits.exit_desk import (
    START,
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

QUIET = {"take_profit": {"enabled": False}, "stop_loss": {"enabled": False}}
"""Rules off that a test is not about."""


@pytest.mark.req("MS-US-5.1", "MS-FR-027", "MS-FR-029", "TK-MS-03", "TK-MS-14", "MS-SC-013")
def test_a_position_update_with_enough_profit_sells_the_whole_position():
    """Bought 2 at 100, the mid is 103.5: 3.5 % > 3 %. The amount is quote currency, 2 * 103.5 = 207."""
    desk = Desk(strategy())
    desk.feed(tick(0), price(0, 103.5), fill(0.5, "buy", 2.0, 100.0))
    assert desk.signals == []

    found = desk.feed(position(1, 2.0))

    (signal,) = desk.signals
    assert (signal.side, signal.amount, signal.kind, signal.rule) == ("sell", 207.0, "exit", "take_profit")
    assert (signal.confidence, signal.urgent, signal.is_warmup, signal.model_version) == (1.0, True, True, None)
    assert signal.snapshot.price == 103.5
    assert signal.feature_registry_version == "9.9.9"
    assert signal.details["reasoning"] == "take_profit_triggered"
    assert signal.details["rule_triggered"] == "take_profit"
    assert signal.details["exit_strategy"] is True
    assert signal.details["exit_decision_metadata"] == {
        "triggered": "take_profit",
        "entry_price": 100.0,
        "current_price": 103.5,
        "unrealized_pnl_pct": pytest.approx(3.5),
        "peak_price": 103.5,
        "highest_unrealized_pnl": 7.0,
        "held_seconds": 0.0,
        "position_size": 2.0,
        "closing_size": 2.0,
        "partial": False,
    }
    assert [output.topic for output in found] == ["decisions", "signals"]
    assert {output.origin.offset for output in found} == {desk.offset - 1}


def test_decision_and_signal_share_a_trace_and_name_each_other():
    """The decision stands first; ids follow from the origins."""
    desk = holding(strategy())
    desk.feed(price(2, 97.5))

    decision, signal = desk.decisions[-1], desk.signals[-1]
    assert decision.origin < signal.origin
    assert decision.trace_id == signal.trace_id == str(decision.origin.uuid("trace"))
    assert decision.signal_id == signal.signal_id == str(signal.origin.uuid("signal"))
    assert (decision.kind, decision.outcome, decision.step, decision.side) == ("exit", "signal", "stop_loss", "sell")
    assert [gate["gate"] for gate in decision.gates] == ["cooldown", "rate", "pending", "position", "amount"]
    assert decision.numbers["stop_loss.limit"] == -2.0
    assert decision.numbers["profit_percent"] == pytest.approx(-2.5)


@pytest.mark.req("MS-US-5.2", "MS-FR-028", "MS-FR-029")
def test_a_position_update_with_too_great_a_loss_sells():
    """Bought 4 at 100, the mid is 97.5: -2.5 % is below -2 %; 4 * 97.5 = 390."""
    desk = Desk(strategy())
    desk.feed(tick(0), price(0, 97.5), fill(0.5, "buy", 4.0, 100.0), position(1, 4.0))

    (signal,) = desk.signals
    assert (signal.side, signal.amount, signal.rule, signal.confidence) == ("sell", 390.0, "stop_loss", 1.0)


@pytest.mark.req("MS-FR-028", "MS-FR-029")
def test_shorts_are_closed_with_a_buy():
    """Sold 3 at 100: a rise to 102.5 is a loss of 2.5 %, a fall to 96.5 a profit of 3.5 %."""
    for mid, rule in ((102.5, "stop_loss"), (96.5, "take_profit")):
        desk = holding(strategy(), size=-3.0)
        desk.feed(price(2, mid))

        (signal,) = desk.signals
        assert (signal.side, signal.amount, signal.rule) == ("buy", 3 * mid, rule)


@pytest.mark.req("MS-FR-028")
@pytest.mark.parametrize("mid, closes", [(103.0, False), (103.25, True), (98.0, False), (97.75, True)])
def test_thresholds_are_strict(mid, closes):
    """Exactly 3 % and exactly -2 % do not trigger."""
    desk = holding(strategy())
    desk.feed(price(2, mid))

    assert bool(desk.signals) is closes


@pytest.mark.req("MS-US-5.3", "MS-US-5.8", "MS-FR-031")
def test_an_armed_trailing_stop_sells_when_the_price_reverses_by_the_distance():
    """Activation 2 %, distance 1 %: the peak of 105 arms it; 104 is 0.95 % away, 103.95 exactly 1 %."""
    desk = holding(strategy(**QUIET, trailing={"enabled": True}))
    desk.feed(price(2, 101.75), price(3, 100.5))
    assert desk.signals == []

    desk.feed(price(4, 105.0), price(5, 104.0), price(6, 104.5))
    assert desk.signals == []
    assert (desk.stake().peak, desk.stake().highest) == (105.0, 5.0)

    desk.feed(price(7, 103.95))
    assert [(s.rule, s.side, s.ts, s.confidence) for s in desk.signals] == [("trailing_stop", "sell", at(7), 1.0)]


@pytest.mark.req("MS-US-5.3")
def test_a_trailing_stop_follows_a_short_down():
    """The trough of 90 is 10 % profit; 90.9 is exactly 1 % above it."""
    desk = holding(strategy(**QUIET, trailing={"enabled": True}), size=-1.0)
    desk.feed(price(2, 90.0), price(3, 90.75))
    assert desk.signals == []

    desk.feed(price(4, 91.0))
    assert [(s.rule, s.side) for s in desk.signals] == [("trailing_stop", "buy")]


def test_a_locked_in_profit_is_not_given_back():
    """Distance 5 % would let 103 fall to 97.85; 1 % locked in closes at 101."""
    desk = holding(strategy(**QUIET, trailing={"enabled": True, "distance": 5.0, "lock_in": 1.0}))
    desk.feed(price(2, 103.0), price(3, 101.25))
    assert desk.signals == []

    desk.feed(price(4, 101.0))
    assert [s.rule for s in desk.signals] == ["trailing_stop"]


@pytest.mark.req("MS-US-5.4", "TK-MS-15")
def test_a_position_is_sold_when_its_time_is_over():
    """Two hours at a price that does not move. The fill took effect at the clock of second 0."""
    desk = holding(strategy(**QUIET, time={"enabled": True, "max_hours": 2.0}))
    minutes = [event for minute in range(1, 120) for event in (price(minute * 60, 100.0), tick(minute * 60))]
    desk.feed(*minutes, price(7198, 100.0), tick(7199))
    assert desk.signals == []

    desk.feed(tick(7200), tick(7201))
    (signal,) = desk.signals
    assert (signal.rule, signal.ts, signal.confidence) == ("time_based", at(7200), 0.9)
    assert signal.details["exit_decision_metadata"]["held_seconds"] == 7200.0


@pytest.mark.req("MS-US-5.4", "TK-MS-15")
@pytest.mark.parametrize(
    "second, mid, closes",
    [
        (3599, 101.0, False),  # the target counts after an hour only
        (3600, 100.75, True),  # 0.75 % = 1 % * (1 - 1 h / 4 h), the entry was at second 0
        (3600, 100.5, False),
        (7200, 100.5, True),  # half of it after half of the time
        (7200, 100.25, False),
        (14399, 100.25, True),  # never less than a tenth: 0.1 %
        (14399, 100.05, False),
    ],
)
def test_the_profit_target_of_a_time_based_exit_decays(second, mid, closes):
    """Target 1 %, at most 4 hours."""
    desk = Desk(strategy(**QUIET, time={"enabled": True, "max_hours": 4.0}))
    desk.feed(tick(0), price(0, 100.0), fill(0, "buy", 1.0, 100.0), position(0, 1.0))
    desk.feed(tick(second), price(second, mid))

    assert [s.rule for s in desk.signals] == ["time_based"] * closes


@pytest.mark.req("MS-US-5.5")
def test_all_rules_are_asked_and_the_highest_priority_wins():
    """A loss of 5 % after a peak of 4 %, a day late: three rules trigger, the stop loss sells."""
    everything = strategy(
        take_profit={"enabled": False}, trailing={"enabled": True, "distance": 4.0}, time={"enabled": True}
    )
    desk = holding(everything)
    desk.feed(price(2, 104.0), tick(86_500))
    assert desk.signals == []

    desk.feed(price(86_500, 95.0))
    (signal,) = desk.signals
    assert signal.rule == "stop_loss"
    assert desk.decisions[-1].numbers["triggered"] == "stop_loss, trailing_stop, time_based"
    assert desk.decisions[-1].numbers["time_based.max_hours"] == 24.0


@pytest.mark.req("MS-US-5.6", "MS-FR-030", "MS-SC-015")
def test_after_an_exit_signal_the_cooldown_is_respected():
    """The order was rejected: the next signal leaves 60 s later, and one skip says why there is none before."""
    desk = holding(strategy())
    desk.feed(price(2, 97.5))
    desk.feed(answer(2.5, desk.signals[0], "rejected"))
    assert len(desk.signals) == 1

    desk.feed(*(event for s in range(3, 62) for event in (tick(s), price(s + 0.5, 97.5 - s % 2))))
    assert len(desk.signals) == 1
    assert desk.steps == ["stop_loss", "cooldown"]

    desk.feed(tick(62))
    assert [s.ts for s in desk.signals] == [at(2), at(62)]


class Broken:
    """A rule with a defect that one strategy meets."""

    name = "broken"
    priority = 99

    def evaluate(self, settings, state, price, clock):
        if state.strategy == "bad":
            raise ZeroDivisionError("no such number")


class Mad:
    """A rule whose answer nobody can use."""

    name = "mad"
    priority = 1

    def evaluate(self, settings, state, price, clock):
        raise KeyError("missing")


@pytest.mark.req("MS-US-5.7")
def test_an_error_in_one_evaluation_is_reported_and_the_others_go_on():
    """Also the strategy's own stop loss goes on: rules are asked one by one."""
    desk = Desk(strategy("bad"), strategy("good"), rules=(*RULES, Broken()))
    desk.feed(tick(0), price(0, 100.0), fill(0.5, "buy", 1.0, 100.0, "bad"), fill(0.6, "buy", 1.0, 100.0, "good"))
    desk.feed(position(1, 2.0), price(2, 97.0), price(3, 96.5), tick(4))

    assert [(s.strategy, s.rule) for s in desk.signals] == [("bad", "stop_loss"), ("good", "stop_loss")]
    (failed,) = desk.quality
    assert isinstance(failed, QualityRecord)
    assert (failed.symbol, failed.problem) == ("BTCUSDT", "strategy.failed")
    assert failed.detail == {
        "strategy": "bad", "stage": "exits", "rule": "broken", "error": "ZeroDivisionError: no such number"
    }  # fmt: skip


def test_a_failing_rule_is_reported_once_per_cooldown():
    """It fails at every price, for every strategy."""
    desk = Desk(strategy("a"), strategy("b", cooldown=30.0), rules=(Mad(),))
    desk.feed(tick(0), price(0, 100.0), fill(0, "buy", 1.0, 100.0, "a"), fill(0, "buy", 1.0, 100.0, "b"))
    desk.feed(position(0, 2.0), *(price(s / 2, 100.0 + s % 2) for s in range(1, 90)))

    assert [(r.detail["strategy"], r.ts) for r in desk.quality] == [("a", at(0)), ("b", at(0)), ("b", at(30))]


@pytest.mark.req("MS-US-5.9", "MS-FR-029")
def test_a_partial_exit_sells_half_first_and_the_rest_after_the_cooldown():
    """Half of 2 at 103.5 is 103.5; what is left follows 60 s later, at 104: 1 * 104."""
    desk = holding(strategy(take_profit={"partial": 50.0}), size=2.0)
    desk.feed(price(2, 103.5))
    first = desk.signals[0]
    assert (first.amount, first.details["exit_decision_metadata"]["partial"]) == (103.5, True)

    desk.feed(answer(2.5, first), position(2.6, 1.0), price(3, 104.0), *ticks(4, 61))
    assert len(desk.signals) == 1

    desk.feed(tick(62))
    second = desk.signals[1]
    assert (second.ts, second.amount, second.details["exit_decision_metadata"]["partial"]) == (at(62), 104.0, False)

    desk.feed(answer(62.5, second), position(62.6, 0.0))
    assert desk.stake() is None


@pytest.mark.req("MS-US-5.9")
def test_a_partial_exit_that_was_rejected_is_partial_again():
    """Nothing was closed, so the second is still the first."""
    desk = holding(strategy(take_profit={"partial": 25.0}), size=4.0)
    desk.feed(price(2, 104.0))
    desk.feed(answer(2.5, desk.signals[0], "rejected"), *ticks(3, 62))

    assert [s.amount for s in desk.signals] == [104.0, 104.0]


@pytest.mark.req("MS-US-5.10", "MS-EC-13", "TK-MS-14")
def test_rapid_position_updates_are_debounced():
    """The first is evaluated at once. Two more within 2 s are not, nor are prices until then; one tick then is."""
    desk = holding(strategy())
    desk.feed(tick(10), position(10, 0.5), position(10.5, 1.0), price(10.75, 97.0), tick(11), price(11.75, 96.5))
    assert desk.signals == []

    desk.feed(tick(12))
    assert [(s.ts, s.amount) for s in desk.signals] == [(at(12), 96.5)]


@pytest.mark.req("MS-US-5.10")
def test_a_storm_of_updates_cannot_put_an_exit_off_for_longer_than_the_window():
    """An update every 100 ms for 10 s; the price breaks the stop at 3.05 s: the window ends at 4 s."""
    desk = Desk(strategy())
    desk.feed(tick(0), price(0, 100.0), fill(0, "buy", 8.0, 100.0))
    for tenth in range(100):
        desk.feed(trade(tenth / 10, 100.0), position(tenth / 10, 7.0 + tenth % 2))
        if tenth == 30:
            desk.feed(price(3.05, 97.0))

    assert [s.ts for s in desk.signals] == [at(4)]


@pytest.mark.req("MS-US-5.10")
def test_a_single_update_delays_no_price():
    """Only rapid updates make anything wait."""
    desk = holding(strategy())
    desk.feed(tick(10), position(10, 1.0), position(10.1, 1.0), price(10.2, 97.0))

    assert [s.ts for s in desk.signals] == [at(10.2)]


@pytest.mark.req("MS-SC-013", "MS-SC-014", "MS-FR-027")
@pytest.mark.parametrize("kind", ["price", "trade", "position", "execution", "tick"])
def test_the_signal_has_the_origin_of_the_event_that_caused_it(kind):
    """No batch, no timer in between: the same call of feed answers."""
    timed = strategy(time={"enabled": True, "max_hours": 1.0})
    if kind in ("position", "execution"):
        desk = Desk(strategy(debounce=0.0))
        desk.feed(tick(0), price(0, 97.0), fill(0, "buy", 0.0, 100.0, order="o", status="pending", of=1.0))
        cause = [fill(1, "buy", 1.0, 100.0, order="o"), position(1, 1.0)]
        found = desk.feed(*(cause if kind == "position" else reversed(cause)))
    elif kind == "trade":
        desk = Desk(strategy())
        desk.feed(tick(0), trade(0, 100.0), fill(0.5, "buy", 1.0, 100.0), position(1, 1.0))
        found = desk.feed(trade(2, 97.0))
    elif kind == "price":
        desk = holding(strategy())
        found = desk.feed(price(2, 97.0))
    else:
        desk = holding(timed)
        desk.feed(tick(3598), price(3598, 100.0))
        found = desk.feed(tick(3600))

    signal = next(output for output in found if output.topic == "signals")
    assert signal.origin.offset == desk.offset - 1


@pytest.mark.req("MS-FR-028")
def test_a_disabled_strategy_still_closes_what_it_holds():
    """And so does one that no longer trades the symbol."""
    for change in ({"enabled": False}, {"symbols": ("ETHUSDT",)}):
        desk = holding(strategy())
        desk.feed(configured(strategy(**change), 2), price(3, 97.0))

        assert [s.rule for s in desk.signals] == ["stop_loss"]


def test_exits_that_are_switched_off_close_nothing():
    """The peak is followed all the same, for when they are switched on again."""
    desk = holding(strategy(enabled=True), size=1.0)
    off = strategy()
    off = type(off)(strategy="s", symbols=("BTCUSDT",), exits=type(off.exits)(enabled=False))
    desk.feed(configured(off, 2), price(3, 110.0), price(4, 90.0), *ticks(5, 9))
    assert desk.decisions == []

    desk.feed(configured(strategy(), 10), tick(11))
    assert [s.rule for s in desk.signals] == ["stop_loss"]
    assert desk.signals[0].details["exit_decision_metadata"]["peak_price"] == 110.0


def test_with_an_active_model_an_exit_is_no_warmup_signal():
    """It names the model; a strategy in warm-up mode never does."""
    for mode, expected in (("auto", (False, "v7")), ("warmup", (True, None))):
        desk = holding(strategy(mode=mode))
        desk.feed(ModelActivated(at(2), "s", "v7"), price(3, 97.0))

        assert [(s.is_warmup, s.model_version) for s in desk.signals] == [expected]


def test_the_clock_is_the_shards():
    """Nothing else would be the same in a replay."""
    desk = holding(strategy())
    desk.feed(price(2, 97.0))

    assert desk.decisions[0].ts == desk.signals[0].ts == START + 2_000_000
