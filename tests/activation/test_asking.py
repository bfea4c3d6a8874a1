"""Questions about the past across activations: backtest, explain, models at, datasets, load_features."""

from pathlib import Path

import pytest

import lockstep
from cli import sessions
from connectors.log import NewRecord
from connectors.log.sqlite import SqliteLog
from dataflows import features as recipe
from dataflows import trading
from dataflows.asking import Question, ask
from dataflows.backtest import backtest
from dataflows.digest import records
from dataflows.explain import explain, live
from dataflows.models_at import models_at
from learning.datasets import DatasetError, build
from learning.datasets.reading import read_split
from operators.features.featureset import FeatureSet
from schemas.account import AccountConfigured
from schemas.codec import decode_signal, decode_vector, encode
from schemas.learning import Learning, Online, Target
from schemas.origin import HEADER
from schemas.output import Output
from schemas.strategy import Rate, Strategy, StrategyConfigured, Warmup
from schemas.topics import TOPICS
from tests.activation.made import FEWER, FIRST, SCALED, SYMBOLS, activation, features, market
from tests.learning.datasets.session import REGISTRY, SHARDS, make_log, request
from tests.streams import SECOND, START

SECONDS = 4_200
HAPPENS = [
    (900, activation(SCALED, START + 905 * SECOND)),
    (3_300, activation(FEWER, START + 3_305 * SECOND)),
    (3_800, activation(SCALED, START + 3_805 * SECOND, rollback=True)),
]
LEARNING = Learning(Target(horizon=30, threshold=0.0001), Online(enabled=True, every=10, features=("spread_abs",)))
STRATEGY = Strategy(
    "wild", SYMBOLS, warmup=Warmup(20, randomness=1.0, threshold=0.0), rate=Rate(600.0, 50), learning=LEARNING
)
ACCOUNT = AccountConfigured(1, "paper")


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> SqliteLog:
    """A session with activations, and what a trading flow made of it."""
    made = SqliteLog(tmp_path_factory.mktemp("asked") / "log")
    for topic in TOPICS:
        made.create(topic.name, 1)
    head = [encode(ACCOUNT), encode(StrategyConfigured(1, STRATEGY))]
    values = [*head, *(value for _, value in market(21, SECONDS, HAPPENS))]
    made.append("events", 0, [NewRecord(None, value, recv(value)) for value in values])
    outputs = trading.engine(features(FIRST), 0).feed(enumerate(values))
    for topic in dict.fromkeys(output.topic for output in outputs):
        made.append(topic, 0, [on_log(output) for output in outputs if output.topic == topic])
    return made


def on_log(output: Output) -> NewRecord:
    """As a sink writes it."""
    header = HEADER, output.origin.header()
    return NewRecord(output.key.encode(), output.value, max(output.timestamp, 1_000), (header,))


def recv(value: bytes) -> int:
    """When an event was received; of control events: before everything."""
    if b"activated" in value or b"configured" in value or b'"recv":' not in value:
        return START
    return int(value.rpartition(b'"recv":')[2].split(b",")[0].rstrip(b"}"))


def offset_of(log: SqliteLog, second: int) -> int:
    return log.offset_at("events", 0, START + second * SECOND)


def test_a_backtest_is_the_live_system_also_across_activations(log: SqliteLog, tmp_path: Path) -> None:
    """From the beginning it decides to the byte what was decided live; it names the versions that counted."""
    question = Question(lambda *_: 0, lambda *_: log.end("events", 0), [], frozenset(), tuple, ACCOUNT, "test")
    asked = ask(log, 1, features(FIRST), "", question)
    own = backtest(log, asked, features(FIRST), tmp_path / "run")

    assert asked.registry_version == "short-1, short-2, short-3"
    for topic in ("decisions", "signals", "account"):
        found = [record.value for record in records(own, topic, 0)]
        assert found == [record.value for record in records(log, topic, 0)] and found


def test_a_backtest_from_the_middle_carries_the_versions_of_the_log_or_its_own(log: SqliteLog, tmp_path: Path) -> None:
    """The activation that is in force stands before the warm-up: it is told, not found."""
    first, stop = offset_of(log, 3_200), offset_of(log, 3_500)
    question = Question(lambda *_: first, lambda *_: stop, [STRATEGY], frozenset(), tuple, ACCOUNT, "test")
    asked = ask(log, 1, features(FIRST), "", question)
    assert asked.registry_version == "short-2, short-3" and len(asked.ranges[0].before) == 1
    assert asked.ranges[0].warm > offset_of(log, 905)
    own = backtest(log, asked, features(FIRST), tmp_path / "log")
    versions = [decode_signal(record.value or b"").feature_registry_version for record in records(own, "signals", 0)]
    assert list(dict.fromkeys(versions)) == ["short-2", "short-3"]

    question.own_registry = True
    alone = ask(log, 1, features(FIRST), "", question)
    assert alone.registry_version == "short-1" and not alone.ranges[0].before and alone.id != asked.id
    own = backtest(log, alone, features(FIRST), tmp_path / "alone")
    versions = [decode_signal(record.value or b"").feature_registry_version for record in records(own, "signals", 0)]
    assert set(versions) == {"short-1"}


def test_signals_of_every_version_are_explained(log: SqliteLog) -> None:
    """Rebuilt to the byte, with the registry that was in force when they were made."""
    found = [decode_signal(record.value or b"") for record in records(log, "signals", 0)]
    newest = {signal.feature_registry_version: signal for signal in found}
    assert sorted(newest) == ["short-1", "short-2", "short-3"]
    for signal in newest.values():
        told = explain(live(log, 1, features(FIRST)), features(FIRST), signal.signal_id)
        assert told.identical
        assert told.vector is not None and told.vector.feature_registry_version == signal.feature_registry_version


def test_models_are_asked_again_on_vectors_of_their_time(log: SqliteLog) -> None:
    for second, version in ((880, "short-1"), (3_000, "short-2"), (3_700, "short-3"), (4_100, "short-2")):
        found = models_at(log, 1, features(FIRST), "wild", SYMBOLS[0], START + second * SECOND)
        assert found.vector.feature_registry_version == version and found.identical


def activated(folder: Path) -> SqliteLog:
    """The session of the tests of datasets; while it was collected, another registry was activated in every shard."""
    log = make_log(folder, seconds=1000)
    plain = {shard: list(records(log, "events", shard)) for shard in range(SHARDS)}
    log.close()
    log = SqliteLog(folder.with_name("activated"))
    for topic in TOPICS:
        log.create(topic.name, SHARDS, topic.cleanup)
    for shard, events in plain.items():
        place = len(events) // 2
        at = events[place].timestamp // SECOND * SECOND + 5 * SECOND
        new = [NewRecord(r.key, r.value, r.timestamp, r.headers) for r in events]
        new.insert(place, NewRecord(None, encode(activation(SCALED, at)), events[place].timestamp))
        log.append("events", shard, new)
    return log


@pytest.mark.req("TK-RG-06")
def test_a_dataset_has_one_version_whatever_was_live(tmp_path: Path) -> None:
    """Its own registry, over the whole range: the same rows as if nothing had been activated."""
    with_it, without = activated(tmp_path / "plain"), SqliteLog(tmp_path / "plain")
    made = build(with_it, SHARDS, request(), REGISTRY, tmp_path / "a")
    plain = build(without, SHARDS, request(), REGISTRY, tmp_path / "b")

    assert made.feature_registry_version == plain.feature_registry_version == "few"
    for split in ("train", "validation", "test"):
        found, wanted = read_split(tmp_path / "a", split), read_split(tmp_path / "b", split)
        assert found.num_rows > 20 and found.equals(wanted)


def write_vectors(log: SqliteLog) -> None:
    """What a live features flow makes of the events, its registry until the activation ``few``."""
    for shard in range(SHARDS):
        outputs = recipe.engine(FeatureSet.compile(REGISTRY), shard).feed(
            [(record.offset, record.value) for record in records(log, "events", shard)]
        )
        for topic in ("features", "dead-letters", "registries"):
            log.append(topic, shard, [on_log(output) for output in outputs if output.topic == topic])


def test_vectors_are_read_only_where_they_carry_the_version(tmp_path: Path) -> None:
    """The fast way is refused where the range holds vectors of another version; the other way gives the rows."""
    log = activated(tmp_path / "plain")
    write_vectors(log)
    with pytest.raises(DatasetError, match="short-2"):
        build(log, SHARDS, request(source="features"), REGISTRY, tmp_path / "a")

    made = build(log, SHARDS, request(source="auto"), REGISTRY, tmp_path / "a")
    plain = build(SqliteLog(tmp_path / "plain"), SHARDS, request(), REGISTRY, tmp_path / "b")

    assert any("short-2" in note for note in made.notes) or made.splits == plain.splits
    assert read_split(tmp_path / "a", "test").equals(read_split(tmp_path / "b", "test"))


def test_load_features_says_which_versions_there_are(tmp_path: Path, monkeypatch) -> None:
    """Each by itself is the live values; all of them at once are no table."""
    monkeypatch.setenv("LOCKSTEP_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    folder = sessions.current(tmp_path / "home") / "activated"
    log = activated(folder.with_name("plain"))
    write_vectors(log)
    log.close()
    folder.rename(folder.with_name("log"))
    with pytest.raises(DatasetError, match=r"few.*short-2"):
        lockstep.load_features("AAAA", START, START + 1_000 * SECOND)

    old = lockstep.load_features("AAAA", START, START + 1_000 * SECOND, "few")
    new = lockstep.load_features("AAAA", START, START + 1_000 * SECOND, "short-2")

    assert len(old) > 100 and len(new) > 100 and old.index.max() < new.index.min()
    assert list(new.columns) == ["tainted", *(entry["name"] for entry in SCALED["features"])]


def test_every_vector_of_the_session_is_on_the_log(log: SqliteLog) -> None:
    """The session is what these tests take it for."""
    versions = [decode_vector(record.value or b"").feature_registry_version for record in records(log, "features", 0)]
    changes = [version for before, version in zip(["", *versions], versions, strict=False) if before != version]
    assert changes == ["short-1", "short-2", "short-3", "short-2"]
