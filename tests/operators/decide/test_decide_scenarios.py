"""The acceptance scenarios of entries, told with a whole chain of stages."""

import uuid
from itertools import pairwise

import pytest

from operators.decide import DecideStage, Forecast
from operators.market import REMEMBERED
from schemas.codec import decode_vector
from schemas.decision import Decision
from schemas.market import Gap, Ticker
from schemas.model import ModelActivated
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
    decoded,
    eager,
    order,
    position,
    seconds_of_market,
    strategy,
    tick,
    trade,
)


class Says:
    """A model that always gives the same answer, or one per second from ``answers``."""

    def __init__(self, *answers):
        self.answers = answers
        self.asked = []

    def predict(self, strategy, symbol, version, vector):
        self.asked.append((strategy, symbol, version))
        return self.answers[(vector.ts - START) // SECOND % len(self.answers)]

    def problem(self, strategy, symbol, version):
        return ""


def buys(confidence):
    return Forecast("buy", confidence, {"buy_probability": confidence}, ("mid_price",))


def ran(*settings, events=(), seconds=10, predictor=None, symbols=("BTCUSDT",)):
    """A chain that ran for some seconds of a quiet market, ``events`` first."""
    chain = Chain(predictor)
    chain.feed(*map(configured, settings), *events)
    markets = [seconds_of_market(seconds, symbol=symbol) for symbol in symbols]
    chain.feed(*sorted((event for market in markets for event in market), key=lambda event: event.recv))
    return chain


def activated(version="v7", name="s", symbol=None, second=0):
    return ModelActivated(at(second), name, version, symbol)


# --- user story 1: warm-up ---


@pytest.mark.req("MS-US-1.1", "MS-FR-007", "MS-FR-008")
@pytest.mark.parametrize("randomness", [0.0, 0.5, 1.0])
def test_warm_up_makes_signals_without_a_model(randomness):
    """From heuristics, from chance, or from both: here the price rises by one each second."""
    settings = eager(warmup={"randomness": randomness})
    chain = Chain()
    chain.feed(configured(settings))
    for second in range(100):
        chain.feed(book(second, 100.0 + second, u=second + 1), trade(second + 0.5, 100.0 + second), tick(second + 1))

    assert chain.signals
    assert all(signal.is_warmup and signal.model_version is None for signal in chain.signals)
    if randomness == 0:
        assert {"returns_1m", "volatility_1m"} <= chain.signals[-1].snapshot.indicators.keys()


@pytest.mark.req("MS-US-1.2", "MS-FR-005", "MS-FR-008")
def test_a_warm_up_signal_is_complete():
    """Every field that an order-manager needs, and the decision that it became of."""
    volume = Ticker("BTCUSDT", at(0.1), at(0.1), volume_24h=1234.0)
    chain = ran(eager(), events=[volume])
    signal, decision = chain.signals[0], next(d for d in chain.decisions if d.outcome == "signal")

    assert (signal.strategy, signal.symbol, signal.kind) == ("s", "BTCUSDT", "entry")
    assert signal.side in ("buy", "sell")
    assert 100 <= signal.amount <= 1000
    assert 0 < signal.confidence < 1
    assert START < signal.ts <= at(10)
    assert signal.feature_registry_version == "test"
    assert signal.reason.startswith("warm-up: score ")
    assert {"risk_score", "randomness_level"} <= signal.details.keys()
    market = signal.snapshot
    assert (market.price, market.volume_24h) == (100.0, 1234.0)
    assert market.spread == pytest.approx(0.01)
    assert market.spread_percent == pytest.approx(0.01)
    assert (market.bid_depth, market.ask_depth) == (10.0, 10.0)
    assert signal.signal_id == decision.signal_id == str(signal.origin.uuid("signal"))
    assert uuid.UUID(signal.signal_id).version == 5
    assert signal.trace_id == decision.trace_id == str(decision.origin.uuid("trace"))
    assert decision.numbers["quantity"] == pytest.approx(signal.amount / 100.0)


@pytest.mark.req("MS-US-1.4", "MS-SC-009", "MS-FR-011")
@pytest.mark.parametrize(("frequency", "expected"), [(60, 180), (12, 36), (1, 3), (0.5, 2)])
def test_signals_respect_the_frequency(frequency, expected):
    """Three minutes of vectors; one decision a turn, and never two in one second."""
    settings = eager(warmup={"frequency": frequency}, rate={"per_minute": 1e6, "burst": 10_000})
    chain = ran(settings, seconds=181)

    assert abs(len(chain.decisions) - expected) <= 1
    assert len(chain.signals) == len(chain.decisions)
    assert len({signal.ts for signal in chain.signals}) == len(chain.signals)


@pytest.mark.req("MS-US-1.4", "MS-FR-011")
def test_signals_respect_the_smallest_order():
    """What balance and limits leave must still be the smallest order: 60 usable are not 80, 90 are."""
    settings = eager(warmup={"min_amount": 80, "max_amount": 80}, balance={"check": True, "margin": 1})
    few = ran(settings, events=[book(0), tick(0.1), balance(0.1, available=60.0)])
    enough = ran(settings, events=[book(0), tick(0.1), balance(0.1, available=90.0)])

    assert not few.signals
    assert few.decisions[-1].step == "balance"
    assert enough.signals[0].amount == 80.0


@pytest.mark.req("MS-US-1.5", "MS-FR-013", "MS-FR-010")
def test_each_change_of_mode_is_told_with_time_and_parameters():
    """First sight, model, back to warm-up, other parameters, exits only, off, on again; nothing twice."""
    first = strategy()
    chain = Chain()
    chain.feed(configured(first), *seconds_of_market(3))
    changes = [
        activated("v7", second=3),
        activated("v7", second=3),
        activated(None, second=3),
        configured(strategy(rate={"per_minute": 30})),
        configured(strategy(rate={"per_minute": 30})),
        configured(strategy(rate={"per_minute": 30}, mode="exits")),
        configured(strategy(rate={"per_minute": 30}, enabled=False)),
        configured(first),
        configured(strategy(symbols=("ETHUSDT",))),
    ]
    chain.feed(*changes)
    told = chain.modes

    assert [decision.reason for decision in told] == [
        "begins: warm-up",
        "warm-up -> model v7",
        "model v7 -> warm-up",
        "warm-up, rate.per_minute 60.0 -> 30.0",
        "warm-up -> exits only",
        "exits only -> off",
        "off -> warm-up, rate.per_minute 30.0 -> 60.0",
        "warm-up -> off",
    ]
    assert all((d.kind, d.outcome, d.step, d.symbol) == ("mode", "changed", "mode", "BTCUSDT") for d in told)
    assert told[0].ts == chain.quotes.clock - 3 * SECOND + SECOND // 2  # when its first vector came
    assert told[1].ts == chain.quotes.clock
    assert told[1].model_version == "v7"
    assert told[0].numbers["warmup.frequency"] == 1.0
    assert told[0].numbers["warmup.randomness"] == 0.5
    assert chain.decide.memories == {}


def test_a_strategy_that_begins_disabled_is_told_of_when_it_is_enabled():
    """Nothing happens before."""
    chain = ran(strategy(enabled=False))
    assert not chain.modes and not chain.decisions
    chain.feed(configured(strategy()))

    assert [decision.reason for decision in chain.modes] == ["off -> warm-up"]


@pytest.mark.req("MS-US-1.6", "MS-US-3.6", "MS-US-3.7", "TK-MS-16", "MS-FR-034")
def test_assets_are_chosen_from_balances():
    """Worth 500 in BTC, 2 in ETH, none in SOL: of three configured symbols one trades."""
    symbols = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    held = [tick(0), balance(0, "BTC", 5.0), balance(0, "ETH", 0.02)]
    chain = ran(eager(symbols=symbols, assets={"select": "auto"}), events=held, symbols=symbols, seconds=5)

    assert {signal.symbol for signal in chain.signals} == {"BTCUSDT"}
    skipped = [decision for decision in chain.decisions if decision.symbol == "ETHUSDT"]
    assert {decision.step for decision in skipped} == {"assets"}
    assert skipped[0].reason == "not selected: 0.02 ETH and 0 USDT are worth less than 10 USDT"


@pytest.mark.req("MS-US-3.8", "TK-MS-16")
def test_without_a_selection_the_fallback_trades_and_it_is_told():
    symbols = ("BTCUSDT", "SOLUSDT")
    chain = ran(eager(symbols=symbols, assets={"select": "auto"}), symbols=symbols, seconds=5)

    assert {signal.symbol for signal in chain.signals} == {"BTCUSDT"}
    told = [decision.reason for decision in chain.modes if decision.step == "assets"]
    assert told == [
        "asset selection: fallback, no balance is known: the fallback is BTCUSDT, ETHUSDT",
        "asset selection: not in fallback, no balance is known: the fallback is BTCUSDT, ETHUSDT",
    ]


# --- user story 3: models ---


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


# --- edge cases ---


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
