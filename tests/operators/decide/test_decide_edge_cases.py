"""Edge cases of entries, told with a whole chain of stages."""

from itertools import pairwise

import pytest

from operators.decide import DecideStage, Forecast
from operators.market import REMEMBERED
from schemas.codec import decode_vector
from schemas.decision import Decision
from schemas.market import Gap
from schemas.vector import FeatureVector
from tests.operators.decide.chain import (
    MINUTE_AT,
    SECOND,
    START,
    Chain,
    at,
    balance,
    book,
    case,
    configured,
    eager,
    order,
    position,
    seconds_of_market,
    strategy,
    tick,
    trade,
)
from tests.operators.decide.story import Says, activated, buys, ran


@pytest.mark.req("MS-EC-07")
def test_a_confidence_around_the_threshold_does_not_change_the_mode():
    """It hovers between 0.74 and 0.76: signals come and go, the mode stays, and warm-up never steps in."""
    chain = ran(eager(), events=[activated()], predictor=Says(buys(0.74), buys(0.76)), seconds=20)

    assert [decision.reason for decision in chain.modes] == ["begins: model v7"]
    assert {decision.outcome for decision in chain.decisions} == {"signal", "skip"}
    assert {signal.model_version for signal in chain.signals} == {"v7"}


@pytest.mark.req("MS-EC-08")
def test_contradicting_signals_come_one_at_a_time():
    """A buy, and the next second a sell: the sell waits until the order of the buy is over."""
    model = Says(buys(0.8), Forecast("sell", 0.8, {}))
    chain = ran(eager(orders={"skip_if_open": True}), events=[activated()], predictor=model, seconds=6)
    assert len(chain.signals) == 1
    assert {decision.step for decision in chain.decisions[1:]} == {"orders"}
    first = chain.signals[0]

    chain.feed(order(6, "o1", "pending", signal_id=first.signal_id), *seconds_of_market(4, start=6))
    assert len(chain.signals) == 1
    chain.feed(order(10, "o1", "cancelled", signal_id=first.signal_id), *seconds_of_market(2, start=10))
    assert len(chain.signals) == 2


@pytest.mark.req("MS-EC-10", "MS-FR-024")
def test_parameters_without_measure_are_throttled():
    """60 a minute against a limit of 6 and 2 at once: 3, and then one each ten seconds."""
    settings = eager(rate={"per_minute": 6, "burst": 2})
    chain = ran(settings, seconds=61)
    seconds = [round((signal.ts - START) / SECOND) for signal in chain.signals]

    assert len(seconds) == 3 + 6
    assert all(later - earlier == 10 for earlier, later in pairwise(seconds[3:]))
    skipped = [decision for decision in chain.decisions if decision.outcome == "skip"]
    assert {decision.step for decision in skipped} == {"rate"}
    assert all(decision.numbers["tokens"] < 1 for decision in skipped)


@pytest.mark.req("MS-FR-024")
def test_only_what_goes_out_takes_a_token():
    """Skips do not: after a minute without a balance the bucket is full."""
    chain = ran(eager(balance={"check": True}), seconds=30)

    assert {decision.step for decision in chain.decisions} == {"balance"}
    assert chain.decide.memories["s", "BTCUSDT"].bucket.tokens(chain.quotes.clock) == 11


def test_new_limits_apply_at_once_and_keep_the_level():
    """Empty stays empty; the new rate fills it."""
    chain = ran(eager(rate={"per_minute": 0.001, "burst": 0}), seconds=5)
    assert len(chain.signals) == 1
    chain.feed(configured(eager(rate={"per_minute": 12, "burst": 0})), *seconds_of_market(20, start=5))

    assert len(chain.signals) in (4, 5)


@pytest.mark.req("TK-MS-24")
def test_a_market_that_falls_silent_is_told_once():
    """Without vectors no turn can say so; when data are back, decisions are."""
    chain = ran(eager(), seconds=3)
    before = len(chain.decisions)
    chain.feed(*(tick(second) for second in range(4, 200)))
    told = [d for d in chain.decisions[before:] if "no decisions until" in d.reason]

    assert len(told) == 1
    assert (told[0].step, told[0].outcome, told[0].numbers["age"]) == ("data", "skip", 60.5)
    chain.feed(*seconds_of_market(2, start=200))
    assert chain.decisions[-1].outcome == "signal"
    chain.feed(*(tick(second) for second in range(203, 300)))
    assert sum("no decisions until" in d.reason for d in chain.decisions) == 2


def test_a_symbol_that_the_market_stage_forgot_is_forgotten():
    """After a silence longer than any look-back; the state does not grow with every symbol that ever was."""
    chain = ran(eager(), seconds=3)
    assert chain.decide.seen == {"BTCUSDT": False}
    end = REMEMBERED // SECOND + 120
    chain.feed(*(trade(second, symbol="ETHUSDT") for second in range(4, end, 30)), tick(end))

    assert chain.market.symbols.keys() == {"ETHUSDT"}
    assert chain.decide.seen == {"ETHUSDT": False}


def test_unsound_data_are_a_skip_that_names_the_channel():
    lost = Gap("BTCUSDT", at(2.7), at(2.7), "trades", "lost", start=at(2), end=at(2.7))
    chain = Chain()
    chain.feed(configured(eager()), *seconds_of_market(2), trade(2.6), lost, trade(2.8), tick(3), tick(4))

    assert chain.decisions[-1].step == "data"
    assert chain.decisions[-1].reason == "the market data are unsound: trades"


@pytest.mark.req("TK-MS-03")
def test_a_due_profit_is_taken_also_without_an_edge():
    """Before any heuristic is asked to agree."""
    settings = strategy(
        warmup={"frequency": 60, "randomness": 0, "threshold": 1}, exits={"enabled": False}, balance={"check": False}
    )
    chain = Chain()
    chain.feed(configured(settings), *seconds_of_market(2), order(2, "o1", "filled"), position(2, 1.0))
    chain.feed(*seconds_of_market(3, start=2))
    assert {decision.step for decision in chain.decisions} == {"edge"}
    chain.feed(*seconds_of_market(2, mid=110.0, start=5))
    signal = chain.signals[0]

    assert (signal.side, signal.kind, signal.rule, signal.urgent) == ("sell", "exit", "take_profit", True)
    assert (signal.amount, signal.confidence, signal.reason) == (110.0, 1.0, "take_profit_triggered")
    assert signal.details["unrealized_pnl_pct"] == pytest.approx(10.0)
    decision = next(d for d in chain.decisions if d.outcome == "signal")
    assert (decision.kind, decision.side) == ("exit", "sell")


@pytest.mark.req("TK-MS-02")
def test_a_signal_remembers_what_was_asked_for():
    """800 at most 190: 95 % of 200."""
    settings = eager(warmup={"min_amount": 100, "max_amount": 800}, balance={"check": True})
    chain = ran(settings, events=[tick(0), balance(0, available=200.0)])
    adapted = [signal for signal in chain.signals if signal.requested]

    assert adapted
    assert all(190 * (1 - 1e-9) < signal.amount <= 190 < signal.requested for signal in adapted)
    numbers = next(d for d in chain.decisions if d.signal_id == adapted[0].signal_id).numbers
    assert numbers["requested"] == adapted[0].requested


@pytest.mark.req("MS-EC-08")
@pytest.mark.parametrize("restart", [False, True])
def test_the_same_vector_never_makes_the_same_signal_twice(restart):
    """Nor in an engine that was restored in between."""
    chain = ran(eager(), seconds=3)
    vector = decode_vector([output for output in chain.outputs if output.topic == "features"][-1].value)
    if restart:
        chain = chain.restarted()
    out: list = []
    chain.decide.feed(vector, out)

    assert [type(record) for record in out] == [FeatureVector, Decision]
    assert (out[1].step, out[1].outcome) == ("duplicate", "skip")


def test_a_mode_of_exits_makes_no_entries():
    chain = ran(eager(mode="exits"))

    assert not chain.decisions
    assert [decision.reason for decision in chain.modes] == ["begins: exits only"]


def test_turns_are_those_of_the_clock_on_the_wall():
    """Once a minute is at the whole minute, whenever the strategy was configured."""
    chain = ran(eager(warmup={"frequency": 1}), seconds=110)

    assert [round((d.ts - START) / SECOND) for d in chain.decisions] == [MINUTE_AT, MINUTE_AT + 60]


def test_a_gate_that_asks_too_early_is_an_error():
    with pytest.raises(ValueError, match="no gate has proposed anything yet"):
        assert case(strategy()).plan


def test_records_of_no_concern_pass():
    """In order, and untouched."""
    chain = Chain()
    out: list = []
    stage = DecideStage(chain.engine.cursor, chain.quotes, chain.accounts)
    records = [book(0), trade(1), tick(2), balance(3), object()]
    for record in records:
        stage.feed(record, out)

    assert out == records
