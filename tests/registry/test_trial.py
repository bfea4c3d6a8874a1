"""A trial computes what the flow will compute, in bounded time, and says what it could not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.log import Log, NewRecord, open_log
from learning.registries.heard import heard, unavailable
from learning.registries.trial import attempt
from operators.engine import Engine
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from operators.registry import parse_registry
from schemas.codec import decode_vector, encode
from schemas.market import Tick, Trade
from schemas.topics import TOPICS
from tests.registry.conftest import SHARDS, SHIPPED, config, entry
from tests.streams import SECOND, START

FIRST = parse_registry((SHIPPED / "1.0.0.yaml").read_text())


@pytest.fixture
def log(market: Path) -> Iterator[Log]:
    log = open_log(None, market)
    yield log
    log.close()


@pytest.mark.req("FS-FR-060", "FS-FR-066")
def test_a_trial_finds_the_values_that_the_flow_finds(log: Log) -> None:
    """The features that had a value in the newest minute are those of the flow's own vectors."""
    known: set[str] = set()
    for shard in range(SHARDS):
        engine = Engine(shard, lambda cursor: [MarketStage(FeatureSet.compile(FIRST), cursor)])
        outputs = engine.feed((record.offset, record.value) for record in log.reader("events", shard, 0).poll(10**6))
        vectors = [decode_vector(output.value) for output in outputs if output.topic == "features"]
        newest = [vector for vector in vectors if vector.ts >= START + 30 * SECOND]
        known |= {name for vector in newest for name, value in vector.features.items() if value is not None}
    found = attempt(log, SHARDS, FIRST)

    assert found.problem == ""
    assert 100 < found.vectors <= 60 * 4 + 4
    assert set(found.unknown) == {item.name for item in FIRST.entries} - known


def test_a_trial_ends_in_time_and_reads_no_more_than_it_may(log: Log) -> None:
    assert not attempt(log, SHARDS, FIRST, patience=0.0).complete
    short = attempt(log, SHARDS, FIRST, most=100)
    assert short.events <= 100
    assert not short.complete


def test_on_a_log_without_events_nothing_is_known(tmp_path: Path) -> None:
    log = open_log(None, tmp_path / "log")
    for topic in TOPICS:
        log.create(topic.name, SHARDS, topic.cleanup)
    found = attempt(log, SHARDS, FIRST)
    assert (found.events, found.vectors, found.complete, found.problem) == (0, 0, False, "")

    log.append("events", 0, [NewRecord(None, encode(Tick(START)), START)])
    assert attempt(log, SHARDS, FIRST).vectors == 0
    assert unavailable(log, SHARDS, FIRST, ["AAA"]) == [], "nobody collects anything yet"
    log.close()


@pytest.mark.req("FS-FR-066")
def test_a_registry_of_which_nothing_has_a_value_is_a_problem_when_all_was_there(tmp_path: Path) -> None:
    """A quarter of an hour of trades and no book; with one feature of the trades it can be used."""
    log = open_log(None, tmp_path / "log")
    for topic in TOPICS:
        log.create(topic.name, SHARDS, topic.cleanup)
    times = range(START, START + 900 * SECOND, SECOND)
    pairs = [(Tick(now), Trade("AAA", now + 1, now + 1, str(now), "buy", 100.0, 1.0)) for now in times]
    log.append("events", 0, [NewRecord(None, encode(event), event.recv) for pair in pairs for event in pair])

    found = attempt(log, SHARDS, parse_registry(config("1", "mid_price", "spread_abs")))
    assert found.complete
    assert found.problem.startswith("none of its 2 features has a value in any of ")
    assert attempt(log, SHARDS, parse_registry(config("1", "mid_price", "vwap_3s"))).problem == ""
    log.close()


def test_sources_are_those_of_the_newest_minutes(log: Log) -> None:
    """Ticker and funding stand in for each other; what nobody reads is not missed."""
    sources = heard(log, SHARDS)
    assert set(sources) == {"AAA0", "AAA1", "BBB0", "BBB1"}
    assert all({"orderbook", "trades"} <= found for found in sources.values())

    registry = parse_registry({"version": "1", "features": [entry("mid_price"), entry("RSI_14"), entry("ema_9")]})
    assert unavailable(log, SHARDS, registry, ["AAA0", "NEW"]) == [
        f"NEW: nothing of {source} in the last 180 s of the log (shard 1): {names} will have no value"
        for source, names in (("kline", "RSI_14, ema_9"), ("orderbook", "mid_price"))
    ]
    assert unavailable(log, SHARDS, parse_registry(config("1", "time_of_day_sin")), []) == []
