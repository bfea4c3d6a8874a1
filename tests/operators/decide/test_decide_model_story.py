"""Acceptance scenarios of models, told with a whole chain of stages."""

import pytest

from operators.decide import Forecast
from tests.operators.decide.chain import (
    SECOND,
    START,
    balance,
    decoded,
    eager,
    position,
    seconds_of_market,
    tick,
)
from tests.operators.decide.story import Says, activated, buys, ran


@pytest.mark.req("MS-US-3.1", "MS-FR-002", "MS-FR-005")
def test_a_model_makes_signals_with_its_confidence():
    """With an account in order; its word counts, not the heuristics'."""
    model = Says(buys(0.8))
    known = [activated(), tick(0), balance(0), position(0, 0.0)]
    chain = ran(eager(balance={"check": True}), events=known, predictor=model)
    signal = chain.signals[0]

    assert (signal.side, signal.confidence, signal.model_version, signal.is_warmup) == ("buy", 0.8, "v7", False)
    assert signal.amount == pytest.approx(495.0)
    assert signal.reason == "model v7: buy with 80.0% confidence"
    assert signal.details["prediction_result"] == {"prediction": "buy", "buy_probability": 0.8}
    assert signal.snapshot.indicators == {"mid_price": 100.0}
    assert model.asked[0] == ("s", "BTCUSDT", "v7")
    assert {decision.model_version for decision in chain.decisions} == {"v7"}


@pytest.mark.req("MS-US-3.2")
def test_a_model_below_its_threshold_makes_none():
    chain = ran(eager(), events=[activated()], predictor=Says(buys(0.74)))

    assert not chain.signals
    assert {decision.step for decision in chain.decisions} == {"edge"}
    assert "below 75.0%" in chain.decisions[0].reason


@pytest.mark.req("MS-US-3.3", "MS-FR-010")
def test_a_model_takes_over_when_it_is_activated():
    """And hands back when it is withdrawn."""
    chain = ran(eager(), predictor=Says(buys(0.8)), seconds=5)
    chain.feed(activated(second=5), *seconds_of_market(5, start=5))
    chain.feed(activated(None, second=10), *seconds_of_market(5, start=10))
    by_phase = {phase: {s.model_version for s in chain.signals if (s.ts - START - 1) // (5 * SECOND) == phase}
                for phase in range(3)}  # fmt: skip

    assert by_phase == {0: {None}, 1: {"v7"}, 2: {None}}


@pytest.mark.parametrize("predictor", [None, Says(None)])
def test_an_active_model_without_a_prediction_falls_back_and_says_so(predictor):
    """In the reason, the numbers and the details; the signal is one of warm-up."""
    chain = ran(eager(), events=[activated()], predictor=predictor)
    signal = chain.signals[0]

    assert signal.is_warmup and signal.model_version is None
    assert signal.reason.startswith("no prediction of model v7, so warm-up: ")
    assert signal.details["fallback"] == "no prediction of model v7"
    edge = next(gate for gate in chain.decisions[0].gates if gate["gate"] == "edge")
    assert edge["fallback"] == "no prediction of model v7"


def test_warm_up_mode_never_asks_a_model():
    model = Says(buys(0.9))
    chain = ran(eager(mode="warmup"), events=[activated()], predictor=model)

    assert chain.signals and all(signal.is_warmup for signal in chain.signals)
    assert not model.asked


def test_a_symbols_own_model_comes_first():
    """``symbol`` None is for all; a version for one symbol wins there."""
    model = Says(buys(0.9))
    events = [activated("v1"), activated("v2", symbol="ETHUSDT")]
    ran(eager(symbols=("BTCUSDT", "ETHUSDT")), events=events, predictor=model, symbols=("BTCUSDT", "ETHUSDT"))

    assert set(model.asked) == {("s", "BTCUSDT", "v1"), ("s", "ETHUSDT", "v2")}


@pytest.mark.req("MS-US-3.4", "MS-FR-018", "MS-SC-010")
def test_signals_of_several_strategies_carry_their_names():
    """Five at once, in the order of their names, each with decisions and signals of its own."""
    names = ["e5", "a1", "d4", "b2", "c3"]
    chain = ran(*(eager(name) for name in names), seconds=2)
    at_once = [signal.strategy for signal in chain.signals if signal.ts == chain.signals[0].ts]

    assert at_once == sorted(names)
    assert len({signal.signal_id for signal in chain.signals}) == len(chain.signals)


@pytest.mark.req("MS-SC-010")
def test_the_trouble_of_one_strategy_does_not_touch_another():
    """Its model says nonsense: it is reported each time, and the other trades on as if alone."""
    healthy, sick = eager("healthy"), eager("sick")
    nonsense = Says(Forecast("buy", 7.0, {}))
    chain = ran(healthy, sick, events=[activated(name="sick")], predictor=nonsense)
    alone = ran(healthy)
    reports = [record for record in decoded(chain.outputs, "quality") if record.problem == "strategy.failed"]

    assert {signal.strategy for signal in chain.signals} == {"healthy"}
    assert [s.amount for s in chain.signals] != []
    assert len(chain.signals) == len(alone.signals)
    assert len(reports) == len([d for d in chain.decisions if d.strategy == "healthy"])
    assert reports[0].detail == {
        "strategy": "sick",
        "error": "ValueError: model v7 has a confidence of 7.0, which is not between 0 and 1",
    }


def test_a_number_that_cannot_be_written_down_is_trouble():
    """Infinite numbers never reach the log as null."""
    chain = ran(eager(), events=[activated()], predictor=Says(Forecast("buy", 0.9, {"odds": float("inf")})))
    reports = decoded(chain.outputs, "quality")

    assert not chain.decisions
    assert reports[0].detail["error"] == "ValueError: edge: odds is inf"
