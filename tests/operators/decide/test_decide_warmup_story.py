"""Acceptance scenarios of warm-up, told with a whole chain of stages."""

import uuid

import pytest

from schemas.market import Ticker
from tests.operators.decide.chain import (
    SECOND,
    START,
    Chain,
    at,
    balance,
    book,
    configured,
    eager,
    seconds_of_market,
    strategy,
    tick,
    trade,
)
from tests.operators.decide.story import activated, ran


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
