"""Putting a version in force: checked before, tried, on every shard, recorded, and undone when it cannot be."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
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
from learning.registries import activation, versions
from learning.registries.activation import activate, reload, rollback
from learning.registries.errors import (
    ActivationFailed,
    Busy,
    Invalid,
    NotAcknowledged,
    NoWayBack,
    UnknownVersion,
)
from learning.registries.where import LEASE, Where
from schemas.codec import encode
from tests.registry.conftest import SHARDS, Config, config, edited, on_log

Put = Callable[..., Path]


def actions(where: Where, version: str | None = None) -> list[tuple[Any, ...]]:
    """The record of changes, the oldest first."""
    rows = versions.history(where, version)[::-1]
    return [(row["action"], row["version"], row["previous_version"], row["changed_by"], row["reason"]) for row in rows]


def active(where: Where) -> list[str]:
    """The versions that the table says are active."""
    with where.database() as connection:
        return [row["version"] for row in table.versions(connection) if row["is_active"]]


@pytest.mark.req("FS-FR-060", "TK-RG-06", "FS-FR-068")
def test_an_activation_stands_on_every_shard_and_in_the_table(where: Where, log: Log) -> None:
    """Who, when and why are recorded, with what it changed."""
    done = activate(where, "1.1.0", "anna", "needs candles")

    events = on_log(log)
    assert {(event.version, event.previous, event.by, event.reason) for event in events if event} == {
        ("1.1.0", "1.0.0", "anna", "needs candles")
    }
    assert len({event.decision for event in events if event}) == 1
    assert (done.version, done.previous, done.begins) == ("1.1.0", "1.0.0", events[0].at if events[0] else None)
    assert done.breaking == []
    assert "added: RSI_14" in done.warnings
    assert done.migrated
    assert active(where) == ["1.1.0"]
    row = versions.active(where)
    assert (row["activated_by"], row["activation_reason"], row["previous_version"]) == (
        "anna",
        "needs candles",
        "1.0.0",
    )
    assert row["loaded_at"] and row["validated_at"]
    assert row["config"] == where.files.read("1.1.0").config
    change = versions.history(where)[0]
    assert (change["action"], change["version"], change["changed_by"]) == ("activated", "1.1.0", "anna")
    assert change["detail"]["trial"]["vectors"] > 0
    assert change["begins"] is not None


@pytest.mark.req("FS-FR-065")
def test_breaking_changes_have_to_be_acknowledged(where: Where, log: Log) -> None:
    with pytest.raises(NotAcknowledged) as caught:
        activate(where, "1.2.0", "anna")

    assert "removed: mid_price" in caught.value.breaking
    assert any(line.startswith("changed: funding_rate: formula") for line in caught.value.breaking)
    assert on_log(log) == [None] * SHARDS
    assert active(where) == ["1.0.0"]
    assert versions.version(where, "1.2.0")["breaking_changes"] == caught.value.breaking

    done = activate(where, "1.2.0", "anna", acknowledge=True)
    assert done.breaking == caught.value.breaking
    assert active(where) == ["1.2.0"]


@pytest.mark.req("FS-US-5.1", "FS-FR-022", "FS-EC-05", "FS-EC-06")
def test_us_5_1_a_new_version_is_checked_for_time_limits_and_leakage_before_it_counts(
    where: Where, log: Log, put: Put
) -> None:
    """Every problem is named, and the version before stays in force."""
    leaky = edited(config("2.0.0", "mid_price", "vwap_15s"), "mid_price", lookahead_forbidden=False)
    put(edited(leaky, "vwap_15s", lookback_window="3d", max_lookback_days=1), "2.0.0.yaml")
    before = versions.active(where)["version"] if active(where) else "1.0.0"
    with pytest.raises(Invalid) as caught:
        activate(where, "2.0.0", "anna", acknowledge=True)

    assert len(caught.value.problems) == 2
    assert "lookahead_forbidden: must be true" in caught.value.problems[0]
    assert "longer than max_lookback_days (1) allows" in caught.value.problems[1]
    assert versions.version(where, "2.0.0")["validation_errors"] == caught.value.problems
    assert on_log(log) == [None] * SHARDS
    assert active(where) == [before]


@pytest.mark.req("FS-FR-060", "FS-FR-066", "TK-RG-06")
def test_a_version_whose_first_computation_fails_leaves_the_one_before_in_force(
    where: Where, log: Log, put: Put, failing: str
) -> None:
    good = where.files.read("1.1.0").config
    put({**good, "version": "2.0.0", "features": [*good["features"], _entry(failing)]}, "2.0.0.yaml")
    activate(where, "1.1.0", "anna")
    with pytest.raises(ActivationFailed, match=r"1\.1\.0 stays in force: its trial computation failed") as caught:
        activate(where, "2.0.0", "bert", "try it")

    back = caught.value.rollback
    assert (back.rolled_back_from, back.rolled_back_to) == ("2.0.0", "1.1.0")
    assert "failing cannot be computed: IndexError: no such bucket" in back.reason
    assert {event.version for event in on_log(log) if event} == {"1.1.0"}
    assert active(where) == ["1.1.0"]
    assert actions(where, "2.0.0")[-1][:4] == ("failed", "2.0.0", "1.1.0", "bert")


def _entry(name: str) -> Config:
    return config("x", name)["features"][0]


@pytest.mark.req("FS-FR-064", "FS-FR-066")
@pytest.mark.parametrize("script", ["rename vwap_3s to nothing", "update orders set price = 0"])
def test_a_version_whose_migration_fails_leaves_the_one_before_in_force(where: Where, log: Log, script: str) -> None:
    """Also where another program wrote the script into the table: nothing of it is executed."""
    versions.create(where, "2.0.0", config("2.0.0", "vwap_15s"), "anna")
    with where.database() as connection:
        connection.execute(
            "update feature_registry_versions set migration_script = %(script)s where version = '2.0.0'",
            {"script": script},
        )
    with pytest.raises(ActivationFailed, match="its migration failed") as caught:
        activate(where, "2.0.0", "anna", acknowledge=True)

    assert caught.value.rollback.rolled_back_to == "1.0.0"
    assert on_log(log) == [None] * SHARDS
    assert active(where) == ["1.0.0"]


@pytest.mark.req("FS-FR-064")
def test_a_script_adapts_the_stored_schema_and_says_which_feature_goes_on_under_which_name(where: Where) -> None:
    activate(where, "1.1.0", "anna")
    made = [{**one, "name": "strength", "formula": "rsi", "params": {"n": 7}} if one["name"] == "RSI_14" else one
            for one in where.files.read("1.1.0").config["features"]]  # fmt: skip
    script = "rename RSI_14 to strength"
    versions.create(where, "2.0.0", {"version": "2.0.0", "features": made}, "anna", script=script)
    schema = versions.version(where, "1.1.0")["schema_version"]
    done = activate(where, "2.0.0", "anna", acknowledge=True)

    assert done.migrated
    assert done.breaking[0] == "renamed: RSI_14 -> strength"
    assert versions.history(where)[0]["detail"]["renamed"] == {"RSI_14": "strength"}
    assert versions.active(where)["schema_version"] not in (None, schema)


@pytest.mark.req("FS-FR-061", "FS-FR-068")
def test_a_rollback_returns_to_the_version_before_and_says_why(where: Where, log: Log) -> None:
    activate(where, "1.1.0", "anna")
    back, done = rollback(where, "bert", "worse")

    assert (back.rolled_back_from, back.rolled_back_to, back.reason) == ("1.1.0", "1.0.0", "worse")
    assert all(event and event.rollback and event.version == "1.0.0" for event in on_log(log))
    assert active(where) == ["1.0.0"]
    row = versions.active(where)
    assert (row["rollback_from"], row["activation_reason"], row["activated_by"]) == ("1.1.0", "worse", "bert")
    assert actions(where)[-1] == ("rolled back", "1.0.0", "1.1.0", "bert", "worse")
    assert done.breaking, "a return needs no acknowledgement"


def test_two_rollbacks_go_two_versions_back_and_then_there_is_no_more(where: Where) -> None:
    """What was left does not come back by going back."""
    activate(where, "1.1.0", "anna")
    activate(where, "1.2.0", "anna", acknowledge=True)

    assert [rollback(where, "anna")[0].rolled_back_to for _ in range(2)] == ["1.1.0", "1.0.0"]
    with pytest.raises(NoWayBack, match="no version before the active one"):
        rollback(where, "anna")


def test_a_rollback_finds_a_version_whose_file_is_gone(where: Where) -> None:
    """Its row has the copy that was in force; the file is written again."""
    made = versions.create(where, "2.0.0", {**where.files.read("1.1.0").config, "version": "2.0.0"}, "anna")
    activate(where, "2.0.0", "anna")
    activate(where, "1.1.0", "anna")
    Path(made["file_path"]).unlink()

    assert rollback(where, "anna")[0].rolled_back_to == "2.0.0"
    assert where.files.read("2.0.0").config == made["config"]


def test_what_is_in_force_is_not_activated_again(where: Where, log: Log) -> None:
    activate(where, "1.1.0", "anna")
    first = on_log(log)
    done = activate(where, "1.1.0", "bert")

    assert on_log(log) == first
    assert (done.begins, done.previous, done.warnings) == (None, "1.0.0", ["it is in force already"])
    with pytest.raises(UnknownVersion, match=r"7\.0\.0 is not known"):
        activate(where, "7.0.0", "anna")


@pytest.mark.req("FS-FR-040", "FS-US-5.2")
def test_a_file_edited_by_hand_counts_when_it_is_reloaded(where: Where, log: Log, put: Put) -> None:
    """An invalid one is refused with its problems, and what was in force stays so."""
    grown = {**where.files.read("1.1.0").config, "version": "2.0.0"}
    path = put(grown, "2.0.0.yaml")
    activate(where, "2.0.0", "anna")
    first = on_log(log)[0]
    path.write_text("version: 2.0.0\nfeatures: []")
    with pytest.raises(Invalid, match="must be a list with at least one feature"):
        reload(where, "anna")
    assert on_log(log)[0] == first
    assert versions.active(where)["config"] == grown

    put({**grown, "features": [*grown["features"], _entry("price_zscore_20")]}, "2.0.0.yaml")
    done = reload(where, "anna")
    second = on_log(log)[0]
    assert second and first and second.at > first.at and second.sha256 != first.sha256
    assert (done.version, done.warnings[0]) == ("2.0.0", "added: price_zscore_20")
    assert versions.active(where)["previous_version"] == "1.0.0"
    assert reload(where, "anna").begins is None


def test_a_reload_that_breaks_readers_has_to_be_acknowledged(where: Where, put: Put) -> None:
    grown = {**where.files.read("1.1.0").config, "version": "2.0.0"}
    put(grown, "2.0.0.yaml")
    activate(where, "2.0.0", "anna")
    put({**grown, "features": grown["features"][1:]}, "2.0.0.yaml")
    with pytest.raises(NotAcknowledged, match="removed: mid_price"):
        reload(where, "anna")

    assert reload(where, "anna", acknowledge=True).breaking == ["removed: mid_price"]


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


def test_on_an_empty_log_there_is_nothing_to_try_it_on_and_it_begins_with_the_first_second(on_empty_log: Where) -> None:
    done = activate(on_empty_log, "1.1.0", "anna")

    assert done.begins == 1_000_000
    assert "the log has no vectors to try it on" in done.warnings


def test_models_that_look_at_what_is_gone_are_named(where: Where) -> None:
    with where.database() as connection:
        connection.execute(
            "insert into model_versions (version, file_path, model_type, strategy_id, training_config, is_active)"
            " values ('v1', '/models/v1/model.ubj', 'xgboost', 'momentum',"
            """ '{"features": ["mid_price", "rsi_14"]}', true)"""
        )
    done = activate(where, "1.2.0", "anna", acknowledge=True)

    assert "model v1 of momentum looks at mid_price" in done.warnings


def test_sources_that_nobody_collects_are_warned_of(where: Where, put: Put) -> None:
    """The recorded market has no ticker but now and then; nothing at all is known of a symbol that is not on it."""
    watching = replace(where, symbols=("AAA0", "ZZZ9"))
    done = activate(watching, "1.1.0", "anna")

    told = [line for line in done.warnings if line.startswith("ZZZ9: nothing of ")]
    assert [line.split()[3] for line in told] == ["kline", "orderbook", "ticker,", "trades"] or len(told) >= 4
    assert not [line for line in done.warnings if line.startswith("AAA0: nothing of orderbook")]
