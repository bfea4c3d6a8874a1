"""An engine that wakes from a checkpoint is the one that never slept."""

from functools import cache
from pathlib import Path
from random import Random

import pytest
import yaml

from connectors.log import NewRecord
from connectors.log.sqlite import SqliteLog
from dataflows import trading
from dataflows.checkpoints import checkpoint_before
from operators.checkpoint import digest
from operators.engine import Beginning, Engine
from operators.features.featureset import FeatureSet
from operators.registry import parse_registry
from schemas.account import AccountConfigured
from schemas.codec import decode_checkpoint, encode
from schemas.learning import Learning, Online, Target
from schemas.market import Tick
from schemas.model import ONLINE, ModelActivated
from schemas.output import Output
from schemas.strategy import Exits, Rate, StopLoss, Strategy, StrategyConfigured, TakeProfit, Warmup
from tests.streams import raw, stream

REGISTRY = Path(__file__).resolve().parents[2] / "config" / "feature_registry" / "1.0.0.yaml"


def short_memory() -> FeatureSet:
    """A registry without funding, whose estimates live for hours: so that a session holds many look-backs."""
    registry = yaml.safe_load(REGISTRY.read_text())
    registry["features"] = [entry for entry in registry["features"] if "funding" not in entry["name"]]
    return FeatureSet.compile(parse_registry(yaml.safe_dump(registry), where="short"))


FEATURES = short_memory()
SYMBOLS = ("AAAUSDT", "BBBUSDT")
SECONDS = 2_700
TARGET = Target(horizon=30, threshold=0.0001)


@cache
def session(seed: int) -> tuple[list, list[Output]]:
    """Messages of a shard on which two busy strategies trade on paper and learn, and all that comes of them."""
    often = Exits(cooldown=3, per_minute=30, take_profit=TakeProfit(percent=0.02), stop_loss=StopLoss(percent=-0.02))
    wild = Strategy(
        "wild",
        SYMBOLS,
        warmup=Warmup(30, randomness=1.0, threshold=0.0),
        rate=Rate(600.0, 50),
        exits=often,
        learning=Learning(TARGET, Online(enabled=True, model="hoeffding_adaptive_tree", every=10)),
    )
    learning = Learning(TARGET, Online(enabled=True, window=50))
    calm = Strategy("calm", SYMBOLS, warmup=Warmup(6, threshold=0.0), exits=often, learning=learning)
    control = [
        AccountConfigured(1, "paper"),
        StrategyConfigured(1, wild),
        StrategyConfigured(1, calm),
        ModelActivated(1, "calm", ONLINE),
        ModelActivated(1, "wild", "v1", sha256="gone"),
    ]
    messages = raw([*control, *stream(seed, SECONDS, SYMBOLS)])
    return messages, trading.engine(FEATURES, 0).feed(messages)


def beginnings(seed: int) -> list[tuple[int, Beginning]]:
    """(offset to feed from, how to begin there) of each checkpoint that lies a look-back behind the start."""
    messages, outputs = session(seed)
    ticks = [(offset, value) for offset, value in messages if b'"tick"' in value[:20]]
    times = {offset: int(value.split(b"recv")[1].strip(b'":}')) for offset, value in ticks}
    found = []
    for output in outputs:
        if output.topic == "checkpoints":
            checkpoint = decode_checkpoint(output.value)
            earliest = times[output.origin.offset] - trading.lookback(FEATURES)
            before = [offset for offset, time in times.items() if time >= earliest]
            if earliest > min(times.values()):
                found.append((before[0], Beginning(output.origin.offset, checkpoint.state)))
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_waking_from_any_checkpoint_gives_the_same_bytes(seed: int) -> None:
    """Also when it is stored and loaded while it sleeps, and whatever it is fed at a time."""
    messages, outputs = session(seed)
    random, tried = Random(seed), 0
    for first, beginning in beginnings(seed):
        engine, later = trading.engine(FEATURES, 0), []
        engine.beginning = beginning
        rest = messages[first:]
        while rest:
            size = random.randint(1, 3_000)
            later += engine.feed(rest[:size])
            rest = rest[size:]
            engine = reloaded(engine)

        wanted = [output for output in outputs if output.origin.offset > beginning.asleep]
        assert {"features", "predictions", "decisions", "signals", "account"} <= {output.topic for output in wanted}
        assert later == wanted
        tried += 1
    assert tried >= 2


def reloaded(engine: Engine) -> Engine:
    other = trading.engine(FEATURES, 0)
    other.restore(engine.snapshot())
    return other


def test_outputs_that_are_not_wanted_are_left_out_and_nothing_else_changes() -> None:
    messages, outputs = session(1)
    quiet = len(messages) // 2
    engine = trading.engine(FEATURES, 0)
    engine.beginning = Beginning(quiet=quiet)
    found = [output for message in messages for output in engine.feed([message])]

    assert found == [output for output in outputs if output.origin.offset >= quiet]


def test_checkpoints_come_every_five_minutes_of_log_time_and_tell_their_own_damage() -> None:
    _, outputs = session(1)
    found = [decode_checkpoint(output.value) for output in outputs if output.topic == "checkpoints"]

    assert len(found) == SECONDS // 300
    assert all(digest(checkpoint.state) == checkpoint.digest for checkpoint in found)
    assert {checkpoint.ts // 300_000_000 for checkpoint in found} == set(
        range(found[0].ts // 300_000_000, found[0].ts // 300_000_000 + len(found))
    )


def test_a_tick_is_recognised() -> None:
    """What this file relies on to find its way in the messages."""
    assert encode(Tick(17)) == b'{"type":"tick","recv":17}'


def test_a_state_larger_than_a_record_is_found_again_in_one_piece(tmp_path, monkeypatch) -> None:
    """Written in parts; one whose last part is missing does not count, the one before it does."""
    messages, whole = session(1)
    monkeypatch.setattr("operators.checkpoint.PART", 20_000)
    outputs = [output for output in trading.engine(FEATURES, 0).feed(messages) if output.topic == "checkpoints"]
    states = {o.origin.offset: decode_checkpoint(o.value).state for o in whole if o.topic == "checkpoints"}
    log = SqliteLog(tmp_path / "log")
    log.create("checkpoints", 1)
    log.append("checkpoints", 0, [NewRecord(o.key.encode(), o.value, o.timestamp) for o in outputs[:-1]])
    *before, newest, torn = sorted(states)

    assert len(outputs) > 2 * len(states)
    found = checkpoint_before(log, "checkpoints", 0, len(messages), trading.layouts(FEATURES)[1])
    assert (found.origin.offset, found.state) == (newest, states[newest])
    earlier = checkpoint_before(log, "checkpoints", 0, newest, trading.layouts(FEATURES)[1])
    assert (earlier.origin.offset, earlier.state) == (before[-1], states[before[-1]])
    log.append("checkpoints", 0, [NewRecord(o.key.encode(), o.value, o.timestamp) for o in outputs[-1:]])
    assert checkpoint_before(log, "checkpoints", 0, torn + 1, trading.layouts(FEATURES)[1]).state == states[torn]
    log.close()
