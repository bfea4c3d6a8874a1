"""Activations among others: two at once, one that was killed, shards that refuse, and who follows the log."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.activations import newest
from connectors.log import Log, NewRecord
from connectors.postgres import registry_versions as table
from connectors.postgres.lease import Lease
from connectors.postgres.registry_rows import registry_rows
from connectors.postgres.stored import Stored
from dataflows.persist import Persist
from learning.registries import activation
from learning.registries.activation import activate, rollback
from learning.registries.errors import ActivationFailed, Busy
from learning.registries.where import LEASE, Where
from schemas.codec import encode
from tests.registry.conftest import SHARDS, on_log
from tests.registry.told import actions, active


@pytest.mark.req("TK-RG-08", "FS-FR-060")
def test_of_two_activations_at_once_one_wins_and_the_other_is_told(
    where: Where, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have seen the same version in force; six try, and as many decisions are on the log as were told so."""
    barrier = threading.Barrier(6)
    real = table.newest_activation

    def seen_together(connection: Any) -> str | None:
        found = real(connection)
        if threading.current_thread().name.startswith("first look"):
            threading.current_thread().name = "second look"
            barrier.wait()
        return found

    monkeypatch.setattr(table, "newest_activation", seen_together)
    told: list[str] = []
    lost: list[Busy] = []

    def attempt(version: str) -> None:
        try:
            told.append(activate(where, version, f"for {version}", acknowledge=True).version)
        except Busy as error:
            lost.append(error)

    threads = [
        threading.Thread(target=attempt, args=(version,), name=f"first look {number}")
        for number, version in enumerate(["1.1.0", "1.2.0"] * 3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(told), len(lost)) == (1, 5)
    assert {event.version for event in on_log(log) if event} == set(told)
    assert active(where) == told
    assert len([one for one in actions(where) if one[0] == "activated"]) == 1


@pytest.mark.req("TK-RG-08")
def test_who_decided_before_another_activation_ended_is_told(where: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the other one came and went between the look and the turn."""
    real = table.newest_activation

    def overtaken(connection: Any) -> str | None:
        found = real(connection)
        monkeypatch.setattr(table, "newest_activation", real)
        activate(where, "1.1.0", "bert")
        return found

    monkeypatch.setattr(table, "newest_activation", overtaken)
    with pytest.raises(Busy, match="another version was activated meanwhile"):
        activate(where, "1.2.0", "anna", acknowledge=True)

    assert active(where) == ["1.1.0"]


def test_who_comes_while_another_is_at_work_is_told_who_that_is(where: Where) -> None:
    with Lease(where.url, "registry bert") as lease:
        lease.take(where.prefix + LEASE, 0)
        with pytest.raises(Busy, match=r"another activation.*registry bert pid"):
            activate(where, "1.1.0", "anna")

    assert activate(where, "1.1.0", "anna").version == "1.1.0"


DIES = """
import os, signal, sys
from pathlib import Path
from connectors.activations import activate as write
from connectors.log import open_log
from learning.registries import activation
from learning.registries.files import RegistryFiles
from learning.registries.where import Where
shipped, own, url, log, after = sys.argv[1:]
from importlib import import_module
writing = import_module("connectors.activations.activate")
count, append = 0, writing._write
def counted(*arguments):
    global count
    append(*arguments)
    count += 1
    if count == int(after):
        os.kill(os.getpid(), signal.SIGKILL)
writing._write = counted
where = Where(RegistryFiles(Path(shipped), Path(own)), url, lambda: open_log(None, Path(log)), lambda: "1.0.0")
activation.activate(where, "1.1.0", "anna", "then died")
"""


@pytest.mark.req("TK-RG-02", "FS-FR-066")
@pytest.mark.parametrize("after", [1, SHARDS])
def test_killed_between_event_and_row_the_table_follows_the_log(
    where: Where, log: Log, folder_of_log: Path, after: int
) -> None:
    """Whoever comes next finds it on the log, completes it where it stands in some shards only, and records it."""
    arguments = [where.files.shipped, where.files.own, where.url, folder_of_log, after]
    died = subprocess.run([sys.executable, "-c", DIES, *map(str, arguments)], timeout=120)
    assert died.returncode == -9
    assert sum(event is not None for event in on_log(log)) == after
    assert active(where) == ["1.0.0"], "the row was not written"

    assert activation.in_force(where, "bert").version == "1.1.0"
    events = on_log(log)
    assert [event and event.decision for event in events] == [events[0] and events[0].decision] * SHARDS
    assert active(where) == ["1.1.0"]
    assert actions(where)[-1] == ("activated", "1.1.0", "1.0.0", "anna", "then died")
    once = actions(where)
    activation.in_force(where, "bert")
    assert actions(where) == once


def persisted(where: Where) -> None:
    """Store what the log says, to its end."""
    Persist(where.open_log(), SHARDS, Stored(where.url, "log"), until_end=True, keep_days=0).run()


@pytest.mark.req("TK-RG-02")
def test_persist_tells_the_table_what_the_log_says(where: Where, log: Log) -> None:
    """Also a database that never heard of it; and what the table knows already is not done again."""
    activate(where, "1.1.0", "anna")
    rollback(where, "bert", "worse")
    known = actions(where)
    persisted(where)
    assert (active(where), actions(where)) == (["1.0.0"], known)

    with where.database() as connection:
        connection.execute("truncate feature_registry_versions, feature_registry_changes, read_positions")
    persisted(where)
    assert active(where) == ["1.0.0"]
    assert actions(where) == known[1:], "all but that the settings named 1.0.0 before"


@pytest.mark.req("TK-RG-02")
def test_who_reads_an_older_activation_late_changes_nothing(where: Where, log: Log) -> None:
    """The table knows it, and what followed it."""
    activate(where, "1.1.0", "anna")
    older = on_log(log)[0]
    assert older
    activate(where, "1.2.0", "anna", acknowledge=True)
    known = actions(where)
    with where.database() as connection, connection.transaction():
        assert not table.activated(connection, registry_rows(older))

    assert (active(where), actions(where)) == (["1.2.0"], known)


@pytest.fixture
def flow(where: Where) -> Iterator[None]:
    """Somebody holds the right to write vectors: a flow runs."""
    with Lease(where.url, "features/0") as lease:
        for shard in range(SHARDS):
            lease.take("features", shard)
        yield


def answer(where: Where, log: Log, problem: str, stop: threading.Event) -> None:
    """Says of each activation what the shards of a flow would say of it."""
    from schemas.origin import Origin
    from schemas.registry import RegistryChange

    done: set[str] = set()
    while not stop.wait(0.05):
        for shard, place in enumerate(newest(log, number) for number in range(SHARDS)):
            if place is None or f"{shard}{place.event.decision}" in done:
                continue
            event = place.event
            done.add(f"{shard}{event.decision}")
            bad = shard == 1 and not event.rollback and bool(problem)
            change = RegistryChange(
                event.version, event.recv, event.at, event.previous, Origin(shard, place.offset, 0), event.config,
                event.sha256, usable=not bad, problem=problem if bad else "", decision=event.decision,
            )  # fmt: skip
            log.append("registries", shard, [NewRecord(b"x", encode(change), event.recv)])


@pytest.mark.req("FS-FR-060", "FS-FR-066")
@pytest.mark.parametrize("problem", ["", "no formula is called so here"])
def test_a_shard_that_refuses_a_version_makes_all_return_to_the_one_before(
    where: Where, log: Log, flow: None, problem: str
) -> None:
    """A flow of older code, say. Where all can use it, the answer says so."""
    stop = threading.Event()
    thread = threading.Thread(target=answer, args=(where, where.open_log(), problem, stop))
    thread.start()
    try:
        if not problem:
            assert activate(where, "1.1.0", "anna").confirmed
            return
        with pytest.raises(ActivationFailed, match="a shard refused it: no formula is called so here") as caught:
            activate(where, "1.1.0", "anna")
    finally:
        stop.set()
        thread.join()

    assert caught.value.rollback.rolled_back_to == "1.0.0"
    assert all(event and event.rollback and event.version == "1.0.0" for event in on_log(log))
    assert active(where) == ["1.0.0"]
    assert [one[:3] for one in actions(where)[1:]] == [
        ("activated", "1.1.0", "1.0.0"), ("rolled back", "1.0.0", "1.1.0"), ("failed", "1.1.0", "1.0.0"),
    ]  # fmt: skip
