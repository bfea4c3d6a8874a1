"""An engine that begins in the middle of a log carries the registry that is in force there."""

import tempfile
from pathlib import Path
from random import Random

import pytest

from cli.settings import Settings
from cli.topics import create_topics
from connectors.activations import standing
from connectors.log import NewRecord
from connectors.log.sqlite import SqliteLog
from dataflows import features as recipe
from dataflows import trading
from dataflows.digest import records
from dataflows.job import Job
from dataflows.rebuild import Memory, begin_at, cold
from dataflows.registries import registries_of, registry_at, registry_named
from operators.registry import parse_registry
from schemas.account import AccountConfigured
from schemas.codec import decode_vector, encode
from schemas.output import Output
from schemas.strategy import Rate, Strategy, StrategyConfigured, Warmup
from schemas.topics import TOPICS
from tests.activation.made import EVERY, FEWER, FIRST, LONGER, SCALED, SYMBOLS, Message, activation, features, market
from tests.streams import SECOND, START

SECONDS = 5_400
"""The look-back of the shortest registry is about 36 minutes."""
HAPPENS = [
    (600, activation(SCALED, START + 605 * SECOND)),
    (3_000, activation(FEWER, START + 3_005 * SECOND)),
    (3_900, activation(LONGER, START + 4_500 * SECOND)),
    (4_200, activation(SCALED, START + 4_205 * SECOND, rollback=True)),
    (4_800, activation(FEWER, START + 4_700 * SECOND)),
]
MEMORY = Memory(features(FIRST), recipe.lookback, "")


def filled(folder: Path, messages: list[Message]) -> SqliteLog:
    log = SqliteLog(folder / "log")
    for topic in TOPICS:
        log.create(topic.name, 1)
    times = START
    new = []
    for _, value in messages:
        if b'"recv":' in value and b"activated" not in value and b"configured" not in value:
            times = max(times, int(value.rpartition(b'"recv":')[2].split(b",")[0].rstrip(b"}")))
        new.append(NewRecord(None, value, times))
    log.append("events", 0, new)
    return log


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> tuple[SqliteLog, list[Message], list[Output]]:
    """A log of events, and what an engine makes of it that was there from the beginning."""
    messages = market(11, SECONDS, HAPPENS)
    return (
        filled(tmp_path_factory.mktemp("session"), messages),
        messages,
        recipe.engine(features(FIRST), 0).feed(messages),
    )


@pytest.fixture(scope="module")
def run_over(tmp_path_factory, session) -> SqliteLog:
    """The same log with the outputs of a flow on it, up to its end."""
    log = filled(tmp_path_factory.mktemp("run"), session[1])
    follow(log, tmp_path_factory.mktemp("recovery"))
    return log


def job(log: SqliteLog) -> Job:
    return Job(recipe, log, 1, parse_registry(FIRST))


def follow(log: SqliteLog, recovery: Path) -> None:
    """Run the flow to the present end of the log."""
    flow = job(log)
    flow.prepare(recovery, "test")
    flow.live(recovery, until_end=True)


def later(outputs: list[Output], offset: int) -> list[Output]:
    return [output for output in outputs if output.origin.offset >= offset]


@pytest.mark.req("FS-US-5.2", "FS-FR-004")
def test_beginning_anywhere_gives_the_same_bytes(session) -> None:
    """Of a log without outputs (the activations are found by reading it), at any offset with a look-back before it."""
    log, messages, whole = session
    random = Random(3)
    for _ in range(6):
        offset = random.randrange(len(messages) * 7 // 10, len(messages) - 100)
        start = begin_at(log, 0, offset, MEMORY, offset + 100)
        engine = recipe.engine(features(FIRST), 0)
        engine.beginning = start.beginning

        made = engine.feed(messages[start.offset : offset + 100])

        assert start.offset > 0
        assert later(made, offset) == [output for output in later(whole, offset) if output.origin.offset < offset + 100]


def test_what_a_flow_told_is_as_good_as_reading_the_log(session, run_over) -> None:
    """Records on `registries` name the activations up to where the flow has come; behind that the log is searched."""
    bare, end = session[0], session[0].end("events", 0)
    for stop in (0, end // 3, end // 2, end):
        read, told = standing(bare, 0, stop), standing(run_over, 0, stop)
        assert [place.offset for place in read] == [place.offset for place in told]
        assert [place.event.config for place in read] == [place.event.config for place in told]
    assert len(standing(run_over, 0, end)) == len(HAPPENS)


@pytest.mark.req("FS-US-5.2", "FS-AS-03")
def test_a_lost_recovery_directory_changes_nothing(session, tmp_path) -> None:
    """Killed after some output, state gone: the flow goes on with the registry that was in force."""
    _, messages, whole = session
    for share in (0.5, 0.86):
        log = filled(tmp_path / str(share), messages[: int(len(messages) * share)])
        follow(log, tmp_path / f"{share}-first")
        append(log, messages[int(len(messages) * share) :])

        follow(log, tmp_path / f"{share}-second")

        for topic in ("features", "registries"):
            wanted = [output.value for output in whole if output.topic == topic]
            assert [record.value for record in records(log, topic, 0)] == wanted


def append(log: SqliteLog, messages: list[Message]) -> None:
    newest = START + (SECONDS + 10) * SECOND
    log.append("events", 0, [NewRecord(None, value, newest) for _, value in messages])


@pytest.mark.req("FS-US-5.2", "FS-SC-002")
def test_parity_over_activations_and_a_rollback_is_in_lockstep(run_over) -> None:
    """The whole log, and ranges that begin in the middle of it."""
    end = run_over.end("events", 0)
    for share in (0.0, 0.55, 0.8):
        first = int(end * share)
        found = job(run_over).parity(lambda log, topic, shard, at=first: at, lambda log, topic, shard: end)
        assert found.identical and found.topics["features"].matches > 500
        if share == 0.0:
            assert found.topics["registries"].matches == len(HAPPENS)


def test_parity_notices_when_an_activation_is_missing(run_over) -> None:
    """That it looks at versions at all: with another registry from the start, everything before the first differs."""
    other = Job(recipe, run_over, 1, parse_registry(SCALED))
    end = run_over.end("events", 0)
    found = other.parity(lambda log, topic, shard: 0, lambda log, topic, shard: end)
    assert found.topics["features"].mismatches > 500 and found.topics["features"].matches > 500


@pytest.mark.req("FS-US-5.2")
def test_a_replay_from_an_offset_carries_the_version_in_force_there(run_over) -> None:
    end = run_over.end("events", 0)
    first = int(end * 0.7)
    job(run_over).replay(lambda log, topic, shard: first, lambda log, topic, shard: first + 400, "again.")

    replayed = {vector.ts: vector for vector in map(decode, records(run_over, "again.features", 0))}
    live = {vector.ts: vector.feature_registry_version for vector in map(decode, records(run_over, "features", 0))}
    assert len(replayed) > 20
    assert {ts: vector.feature_registry_version for ts, vector in replayed.items()} == {ts: live[ts] for ts in replayed}


def decode(record):
    return decode_vector(record.value)


@pytest.mark.req("TK-RG-04")
def test_the_registry_outlives_its_activation(session, tmp_path) -> None:
    """Retention took the activation from `events`; the record on `registries` says what is in force."""
    log = filled(tmp_path, session[1][: len(session[1]) // 2])
    follow(log, tmp_path / "recovery")
    end = log.end("events", 0)
    log.trim("events", 0, end - 2_000)

    start = cold(log, 0, end - 2_000, MEMORY)

    assert start.beginning is not None and len(start.beginning.before) == 1
    engine = recipe.engine(features(FIRST), 0)
    engine.beginning = start.beginning
    made = engine.feed(session[1][end - 2_000 : end])
    versions = {decode_vector(output.value).feature_registry_version for output in made if output.topic == "features"}
    assert versions == {"short-2"}


def test_the_longest_look_back_that_counts_decides(session) -> None:
    """Not that of versions of the past, but also that of those to come within the range."""
    log, end = session[0], session[0].end("events", 0)
    lookback = {version: recipe.lookback(features(registry)) for version, registry in EVERY.items()}
    assert lookback["long-1"] > lookback["short-1"]
    place = {event.at: offset for offset, event in standing(log, 0, end)}
    pending = place[START + 4_500 * SECOND]
    registries = registries_of(log, 0, features(FIRST), end)
    time = START + 3_905 * SECOND

    assert registries.versions(0, START) == ("short-1", "short-2", "short-3", "long-1", "short-2")[:4]
    assert "long-1" in registries.versions(pending + 1, time)
    assert registries.lookback(recipe.lookback, pending + 1, time) == lookback["long-1"]
    assert registries.versions(end, START + SECONDS * SECOND) == ("short-3",)


def test_trainings_find_the_registry_by_time_and_by_name(session) -> None:
    log, first = session[0], parse_registry(FIRST)
    assert registry_at(log, first, START + 100 * SECOND).version == "short-1"
    assert registry_at(log, first, START + 700 * SECOND).version == "short-2"
    assert registry_at(log, first, START + SECONDS * SECOND).version == "short-3"
    assert registry_named(log, first, "long-1").version == "long-1"
    assert registry_named(log, first, "short-1") is first
    assert registry_named(log, first, "never") is None


@pytest.mark.req("FS-US-5.2", "FS-AS-03")
def test_the_trading_flow_wakes_from_a_checkpoint_with_the_registry_in_force() -> None:
    """From every checkpoint of a session with activations: what stands too far back is told, not found."""
    strategy = Strategy("wild", SYMBOLS, warmup=Warmup(30, randomness=1.0, threshold=0.0), rate=Rate(600.0, 50))
    head = [AccountConfigured(1, "paper"), StrategyConfigured(1, strategy)]
    values = [encode(event) for event in head] + [value for _, value in market(7, SECONDS, HAPPENS)]
    messages = list(enumerate(values))
    whole = trading.engine(features(FIRST), 0).feed(messages)
    memory = Memory(features(FIRST), trading.lookback, trading.layouts(features(FIRST))[1])
    with tempfile.TemporaryDirectory() as folder:
        log = filled(Path(folder), messages)
        log.append("checkpoints", 0, [NewRecord(None, o.value, o.timestamp) for o in whole if o.topic == "checkpoints"])
        tried = 0
        for share in (0.7, 0.85, 0.97):
            offset = int(len(messages) * share)
            start = begin_at(log, 0, offset, memory, offset + 300)
            engine = trading.engine(features(FIRST), 0)
            engine.beginning = start.beginning
            made = engine.feed(messages[start.offset : offset + 300])
            wanted = [output for output in later(whole, offset) if output.origin.offset < offset + 300]
            assert later(made, offset) == wanted and wanted
            tried += start.offset > 0 and bool(start.beginning.before)
        assert tried >= 2


@pytest.mark.req("TK-RG-04")
def test_what_says_which_registry_is_in_force_is_kept_for_ever(tmp_path: Path) -> None:
    """Whatever retention the settings ask for, also for the topics of a shadow run."""
    log = SqliteLog(tmp_path / "log")
    create_topics(log, Settings(LOCKSTEP_RETENTION_DAYS=1), "shadow.")

    kept = {info.name: info.retention_ms for info in log.topics()}
    assert kept["registries"] is None and kept["shadow.registries"] is None
    assert kept["features"] == kept["events"] == kept["shadow.features"] == 86_400_000
