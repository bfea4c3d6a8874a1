"""Writing an activation: in every shard, far enough ahead, completed after a kill, one at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from connectors.activations import Superseded, activate, complete, newest
from connectors.activations.standing import searched
from connectors.log import NewRecord
from connectors.log.sqlite import SqliteLog
from dataflows.job import Job
from operators.registry import parse_registry
from schemas.codec import decode_vector, encode
from schemas.market import Tick
from schemas.registry import RegistryActivated, fingerprint
from schemas.topics import TOPICS
from tests.activation.made import FEWER, FIRST, SCALED, activation, market
from tests.streams import SECOND, START

SHARDS = 3


@pytest.fixture
def log(tmp_path) -> SqliteLog:
    log = SqliteLog(tmp_path / "log")
    for topic in TOPICS:
        log.create(topic.name, SHARDS)
    return log


def ticked(log: SqliteLog, *times: int) -> None:
    """Every shard's clock stands at its time."""
    for shard, time in enumerate(times):
        log.append("events", shard, [NewRecord(None, encode(Tick(time)), time)])


def written(log: SqliteLog) -> list[list[RegistryActivated]]:
    return [[place.event for place in searched(log, shard, 0, log.end("events", shard))] for shard in range(SHARDS)]


def test_a_log_that_rests_gets_the_next_second_of_the_furthest_shard(log) -> None:
    ticked(log, START, START + 2 * SECOND + 1, START + SECOND)

    event = activate(log, SHARDS, SCALED, base="short-1", reason="better", by="me")

    assert event.at == START + 3 * SECOND
    assert (event.version, event.previous, event.reason, event.by) == ("short-2", "short-1", "better", "me")
    assert event.sha256 == fingerprint(SCALED)
    assert written(log) == [[event]] * SHARDS, "the same event in every shard"


def test_a_live_log_gets_the_delay_ahead_of_both_clocks(log) -> None:
    ticked(log, START, START + SECOND, START)

    event = activate(log, SHARDS, SCALED, now=lambda: START + 2 * SECOND + 5, delay=5 * SECOND)

    assert event.at == START + 8 * SECOND


def test_a_log_with_a_clock_of_its_own_gets_as_much_of_its_time_as_it_runs_faster(log) -> None:
    ticked(log, START, START, START)
    stopped, time = threading.Event(), START

    def run() -> None:
        nonlocal time
        while not stopped.wait(0.005):
            time += SECOND
            ticked(log, time, time, time)

    running = threading.Thread(target=run)
    running.start()
    try:
        event = activate(log, SHARDS, SCALED, delay=SECOND)
        reached = time
    finally:
        stopped.set()
        running.join()

    assert event.at > reached, "written before any shard came to it"
    assert event.at - event.recv >= 10 * SECOND, "it runs much faster than we do"


def test_an_empty_log_gets_it_from_its_beginning(log) -> None:
    event = activate(log, SHARDS, SCALED)

    assert event.at == SECOND
    assert all(log.offset_at("events", shard, START) == 1 for shard in range(SHARDS))


def test_one_after_the_other_counts_from_later_on(log) -> None:
    ticked(log, START, START, START)
    first, second = activate(log, SHARDS, SCALED), activate(log, SHARDS, FEWER, expected="short-2")

    assert second.at > first.at and second.previous == "short-2"


@pytest.mark.req("TK-RG-06", "FS-FR-066")
def test_what_a_killed_writer_left_in_some_shards_is_completed(log, tmp_path) -> None:
    """At the next activation, or when asked; the shards that have it get no second one."""
    ticked(log, START, START, START)
    left = activation(SCALED, START + 10 * SECOND)
    log.append("events", 0, [NewRecord(None, encode(left), START)])

    assert complete(log, SHARDS) == left
    assert written(log) == [[left]] * SHARDS
    assert complete(log, SHARDS) == left
    assert written(log) == [[left]] * SHARDS

    log.append("events", 0, [NewRecord(None, encode(activation(FEWER, START + 20 * SECOND)), START)])
    event = activate(log, SHARDS, FIRST)

    assert [[each.version for each in events] for events in written(log)] == [
        ["short-2", "short-3", "short-1"]
    ] * SHARDS
    assert event.previous == "short-3" and event.at > START + 20 * SECOND


def test_it_is_completed_too_where_a_flow_has_told_of_it_and_retention_took_it(tmp_path) -> None:
    log = SqliteLog(tmp_path / "log")
    for topic in TOPICS:
        log.create(topic.name, 2)
    messages = market(1, 60, [(10, activation(SCALED, START + 20 * SECOND))])
    log.append("events", 0, [NewRecord(None, value, START + number) for number, (_, value) in enumerate(messages)])
    plain = [value for _, value in messages if b"registry.activated" not in value]
    log.append("events", 1, [NewRecord(None, value, START + number) for number, value in enumerate(plain)])
    from dataflows import features

    flow = Job(features, log, 2, parse_registry(FIRST))
    flow.prepare(tmp_path / "recovery", "test")
    flow.live(tmp_path / "recovery", until_end=True)
    log.trim("events", 0, len(messages) - 10)

    event = complete(log, 2)

    assert event is not None and event.config == SCALED
    place = newest(log, 1)
    assert place is not None and place.event.decision == event.decision
    found = decode_vector(log.reader("features", 0, log.end("features", 0) - 1).poll(1)[0].value)
    assert found.feature_registry_version == "short-2"


@pytest.mark.req("TK-RG-08")
def test_of_two_at_once_one_wins_and_the_other_is_told(log) -> None:
    """Both decided when short-1 was in force: whoever comes second activates nothing."""
    ticked(log, START, START, START)
    lock, together = threading.Lock(), threading.Barrier(2)
    outcomes: list[object] = []

    @contextmanager
    def sole() -> Iterator[None]:
        together.wait()
        with lock:
            yield

    def one(registry: dict) -> None:
        try:
            outcomes.append(activate(log, SHARDS, registry, base="short-1", expected="short-1", sole=sole))
        except Superseded as told:
            outcomes.append(told)

    both = [threading.Thread(target=one, args=(registry,)) for registry in (SCALED, FEWER)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()

    (won,) = [outcome for outcome in outcomes if isinstance(outcome, RegistryActivated)]
    (told,) = [outcome for outcome in outcomes if isinstance(outcome, Superseded)]
    assert won.version in str(told) and "short-1 was expected" in str(told)
    assert written(log) == [[won]] * SHARDS


def test_nothing_is_written_while_somebody_else_activates(log) -> None:
    @contextmanager
    def sole() -> Iterator[None]:
        raise RuntimeError("held by somebody else")
        yield

    with pytest.raises(RuntimeError, match="held by"):
        activate(log, SHARDS, SCALED, sole=sole)
    assert written(log) == [[]] * SHARDS
