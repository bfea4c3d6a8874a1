"""The promises of the stage over random markets and accounts: exact replays, isolation, turns and limits."""

import re
from collections import Counter
from dataclasses import dataclass
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.decide import Forecast
from operators.decide.gates import GATES
from operators.decide.turn import is_turn
from schemas.codec import decode_vector
from schemas.model import ModelActivated
from schemas.strategy import StrategyConfigured
from tests.operators.decide.chain import SECOND, START, SYMBOLS, Chain, at, decoded, random_shard, strategy
from tests.streams import raw

UUID = re.compile("[0-9a-f]{8}-[0-9a-f-]{27}")
IMPATIENT = {"orders": {"patience": 2}}
LOOSE = {"position": {"max_ratio": 1.0}, "data": {"max_age": 600}, **IMPATIENT}
SLOW = {"rate": {"per_minute": 3, "burst": 1}, **IMPATIENT}


def five(symbols=SYMBOLS):
    """Five strategies with settings as different as can be."""
    often = {"frequency": 60}
    return [
        strategy("a", symbols, warmup=often | {"randomness": 1, "threshold": 0}, **LOOSE),
        strategy("b", symbols, warmup={"frequency": 30}, orders={"opposite_only": True}, exits={"enabled": False}),
        strategy("c", symbols[:1], warmup=often | {"randomness": 0.3, "min_amount": 20}, **SLOW),
        strategy("d", symbols, mode="auto", warmup={"frequency": 20}, balance={"check": False}, confidence=0.5),
        strategy("e", symbols, warmup=often, assets={"select": "auto"}, position={"sides": "long"}, **IMPATIENT),
    ]


@dataclass
class Hashed:
    """A model whose word is a pure function of the vector; sometimes it has none."""

    def predict(self, strategy, symbol, version, vector):
        random = Random(f"{strategy} {version} {vector.origin}")
        if random.random() < 0.2:
            return None
        return Forecast(random.choice(["buy", "sell", None]), random.random(), {"buy_probability": random.random()})

    def problem(self, strategy, symbol, version):
        return ""


def shard(seed, seconds=150, strategies=None):
    """A random shard in which, now and then, a model is activated and a strategy's settings change."""
    events = random_shard(seed, seconds, five() if strategies is None else strategies)
    middle = len(events) // 2
    events[middle:middle] = [ModelActivated(at(seconds / 2), "d", "v7")]
    changed = strategy("c", SYMBOLS, warmup={"frequency": 45}, rate={"per_minute": 30, "burst": 4})
    if strategies is None or any(each.strategy == "c" for each in strategies):
        events[middle + 50 : middle + 50] = [StrategyConfigured(at(seconds / 2), changed)]
    return raw(events)


def run(messages, cuts=(), predictor=None):
    """All outputs; at each cut the engine gives way to one that takes over its snapshot."""
    chain, outputs, begin = Chain(predictor), [], 0
    for cut in [*sorted(cuts), len(messages)]:
        outputs += chain.engine.feed(messages[begin:cut])
        begin = cut
        chain = chain.restarted()
    return outputs


@pytest.mark.req("MS-SC-010")
def test_the_streams_reach_every_gate_and_every_outcome():
    """Else the properties below would show little."""
    steps = Counter()
    for seed in range(8):
        for decision in decoded(run(shard(seed), predictor=Hashed()), "decisions"):
            steps[decision.step] += 1
            if decision.step == "signal":
                steps[f"{decision.kind} {decision.model_version}"] += 1

    assert steps.keys() >= {"data", "assets", "edge", "rate", "orders", "position", "balance", "signal", "mode"}
    assert steps["entry v7"] and steps["entry None"] and steps["exit None"]


@given(st.integers(0, 10_000), st.data())
@settings(max_examples=12, deadline=None)
def test_snapshots_and_splits_change_nothing(seed, data):
    """Byte for byte, wherever the engine is stopped and goes on from its snapshot."""
    messages = shard(seed, seconds=90)
    cuts = data.draw(st.lists(st.integers(0, len(messages)), max_size=6))

    assert run(messages, cuts, Hashed()) == run(messages, (), Hashed())


def test_a_restart_after_every_single_event_changes_nothing():
    """The hardest split of all."""
    messages = shard(3, seconds=50)

    assert run(messages, range(len(messages)), Hashed()) == run(messages, (), Hashed())


def anonymous(decisions):
    """Without what says how many records came before: the place among an event's outputs, and what follows from it."""
    return [
        msgspec.structs.replace(
            decision,
            trace_id="",
            signal_id=None,
            reason=UUID.sub("", decision.reason),
            origin=decision.origin._replace(index=0),
        )
        for decision in decisions
    ]


@pytest.mark.req("MS-SC-010", "MS-FR-018")
@pytest.mark.parametrize("seed", range(5))
def test_five_strategies_do_not_interfere(seed):
    """What each decides, and every number that it decides on, is what it decides when it is alone."""
    everything = shard(seed)
    together = decoded(run(everything, predictor=Hashed()), "decisions")
    for each in five():
        name = each.strategy
        others = {other.strategy for other in five()} - {name}
        own = [(offset, value) for offset, value in everything if not configures(value, others)]
        alone = decoded(run(own, predictor=Hashed()), "decisions")

        assert alone
        assert anonymous(alone) == anonymous(decision for decision in together if decision.strategy == name)


def configures(value, names):
    return any(b'"strategy.configured"' in value and f'"strategy":"{name}"'.encode() in value for name in names)


@given(st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_each_turn_has_exactly_one_decision_and_each_signal_its_own(seed):
    """Turns are counted on the vectors by themselves; ids are unique, traces shared, and every number is finite."""
    strategies = [each for each in five() if each.strategy != "c"]
    outputs = run(shard(seed, strategies=strategies), predictor=Hashed())
    decisions = decoded(outputs, "decisions")
    signals = {signal.signal_id: signal for signal in decoded(outputs, "signals")}
    vectors = [decode_vector(output.value) for output in outputs if output.topic == "features"]
    told_silent = [d for d in decisions if "no decisions until" in d.reason]
    turns = Counter(
        (each.strategy, vector.symbol)
        for vector in vectors
        for each in strategies
        if is_turn(vector.ts, each.warmup.frequency)
    )
    entries = [d for d in decisions if d.kind != "mode" and d not in told_silent]

    assert Counter((d.strategy, d.symbol) for d in entries) == turns
    assert [d.signal_id for d in decisions if d.outcome == "signal"] == list(signals)
    assert len({output.origin for output in outputs}) == len(outputs)
    for decision in entries:
        names = [name for name, _ in GATES] + ["signal"]
        assert [gate["gate"] for gate in decision.gates] == names[: names.index(decision.step)]
        assert decision.reason and (decision.outcome == "signal") == (decision.step == "signal")
        if decision.signal_id:
            signal = signals[decision.signal_id]
            assert signal.trace_id == decision.trace_id
            assert signal.origin == decision.origin._replace(index=decision.origin.index + 1)
    for output in outputs:
        # msgspec writes null for what is no number: nothing that must have one may have lost it.
        if output.topic in ("decisions", "signals"):
            assert b"Infinity" not in output.value and b"NaN" not in output.value


@given(st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_every_signal_respects_every_limit(seed):
    """Amounts, confidence, rate and balance of each signal, from the records alone."""
    outputs = run(shard(seed), predictor=Hashed())
    limits = {each.strategy: each for each in five()}
    for signal in decoded(outputs, "signals"):
        own = limits[signal.strategy]
        assert own.amount.minimum <= signal.amount <= own.amount.maximum
        assert 0 <= signal.confidence <= 1
        if signal.kind == "entry":
            least = min(own.warmup.min_amount, 100.0)  # of c before and after its settings change
            assert least <= signal.amount <= own.warmup.max_amount
        assert signal.requested is None or signal.requested > signal.amount
        assert signal.is_warmup == (signal.model_version is None)
    for name, symbol in {(s.strategy, s.symbol) for s in decoded(outputs, "signals")}:
        times = [s.ts for s in decoded(outputs, "signals") if (s.strategy, s.symbol) == (name, symbol)]
        for first, last in ((i, j) for i in range(len(times)) for j in range(i, len(times))):
            per_minute, burst = (30, 4) if name == "c" else (60, 10)
            assert last - first + 1 <= 1 + burst + (times[last] - times[first]) / SECOND * per_minute / 60 + 1e-9


def test_the_state_is_bounded():
    """It does not grow with the length of the log."""
    lengths = []
    for seconds in (200, 800):
        chain = Chain(Hashed())
        chain.engine.feed(raw(random_shard(1, seconds, five())))
        lengths.append(len(msgspec.msgpack.encode(chain.decide.snapshot())))

    assert lengths[1] < lengths[0] * 1.05


def test_time_begins_where_the_tests_say():
    assert at(0) == START
