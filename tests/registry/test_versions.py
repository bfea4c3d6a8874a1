"""Versions: made, checked, listed with who uses them, alike in file and table, and let go when nobody needs them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from connectors.log import Log, NewRecord
from learning.registries import versions
from learning.registries.activation import activate, in_force
from learning.registries.computations import Computations
from learning.registries.errors import InUse, Invalid, NoneActive, UnknownVersion, VersionExists
from learning.registries.where import Where
from operators.spans import DAY, SECOND
from schemas.codec import encode
from schemas.origin import HEADER, Origin
from schemas.vector import FeatureVector
from tests.registry.conftest import config, edited
from tests.streams import START

Put = Callable[..., Path]


def carry(log: Log, version: str, times: list[int], shard: int = 0) -> None:
    """Vectors of a version at those times, on the log."""
    for number, ts in enumerate(times):
        origin = Origin(shard, log.end("features", shard), number)
        vector = FeatureVector("AAA0", ts, ts, ["1s"], {"mid_price": 1.0}, version, False, [], origin)
        log.append("features", shard, [NewRecord(b"AAA0", encode(vector), ts, [(HEADER, origin.header())])])


def dataset(where: Where, version: str, status: str) -> str:
    """A dataset that is being, or was, made with a version."""
    name = str(uuid4())
    with where.database() as connection:
        connection.execute(
            "insert into datasets (id, symbol, status, split_strategy, target_config, feature_registry_version)"
            " values (%s, 'BTCUSDT', %s, 'time_based', '{}', %s)",
            [name, status, version],
        )
    return name


@pytest.mark.req("FS-US-5.3", "FS-FR-039", "FS-FR-059")
def test_us_5_3_a_registry_in_use_tells_its_version_and_what_its_features_are(where: Where) -> None:
    with pytest.raises(NoneActive, match="no feature registry is active yet"):
        versions.active(where)
    in_force(where, "start")

    row = versions.active(where)
    assert (row["version"], row["is_active"]) == ("1.0.0", True)
    features = {one["name"]: one for one in row["config"]["features"]}
    assert features["vwap_3s"]["lookback_window"] == "3s"
    assert features["vwap_3s"]["data_sources"] == [{"source": "trades", "timestamp_required": True}]
    assert versions.version(where, "1.1.0")["config"]["version"] == "1.1.0"
    with pytest.raises(UnknownVersion, match=r"8\.0\.0 is not known; there are 1\.0\.0"):
        versions.version(where, "8.0.0")


@pytest.mark.req("FS-FR-058", "TK-RG-01")
def test_every_version_is_listed_the_newest_first_with_how_often_it_is_used(where: Where, log: Log) -> None:
    versions.versions(where)
    versions.create(where, "2.0.0", config("2.0.0"), "anna")
    activate(where, "1.1.0", "anna")
    dataset(where, "1.0.0", "ready")
    dataset(where, "1.0.0", "failed")
    carry(log, "1.1.0", [START, START + SECOND])
    listed = versions.versions(where)

    assert listed[0]["version"] == "2.0.0"
    assert {row["version"]: row["usage_count"] for row in listed} == {"1.0.0": 1, "1.1.0": 2, "1.2.0": 0, "2.0.0": 0}
    assert [row["version"] for row in listed if row["is_active"]] == ["1.1.0"]


@pytest.mark.req("TK-RG-05")
def test_what_is_made_is_a_file_and_a_row_or_nothing(where: Where) -> None:
    made = versions.create(where, "2.0.0", config("2.0.0"), "anna", "for fun")
    assert Path(made["file_path"]) == where.files.own / "2.0.0.yaml"
    assert (made["is_active"], made["created_by"], made["validation_errors"]) == (False, "anna", None)
    with pytest.raises(VersionExists):
        versions.create(where, "2.0.0", config("2.0.0"), "bert")
    with pytest.raises(Invalid, match="the only statement is 'rename OLD to NEW'"):
        versions.create(where, "2.1.0", config("2.1.0"), "anna", script="drop table orders")

    with where.database() as connection:
        connection.execute("alter table feature_registry_changes rename to elsewhere")
    with pytest.raises(psycopg.errors.UndefinedTable):
        versions.create(where, "2.2.0", config("2.2.0"), "anna")
    assert sorted(path.name for path in where.files.own.iterdir()) == ["2.0.0.yaml"]


@pytest.mark.req("FS-FR-062", "FS-FR-063", "FS-FR-067")
def test_a_version_that_is_needed_is_not_deleted(where: Where, log: Log) -> None:
    versions.create(where, "2.0.0", config("2.0.0"), "anna")
    built, building = dataset(where, "2.0.0", "ready"), dataset(where, "2.0.0", "building")
    carry(log, "2.0.0", [START], shard=1)
    used = versions.usage(where, "2.0.0")

    assert {one["dataset_id"] for one in used.datasets} == {built, building}
    assert (used.active, used.vectors) == (False, 1)
    with pytest.raises(InUse, match="2 datasets are made with it; vectors of the last 24 hours carry it: 1"):
        versions.delete(where, "2.0.0", "anna")
    in_force(where, "start")
    with pytest.raises(InUse, match="it is active; it comes with the program"):
        versions.delete(where, "1.0.0", "anna")
    with pytest.raises(UnknownVersion):
        versions.usage(where, "8.0.0")


@pytest.mark.req("FS-FR-063", "FS-FR-067")
def test_a_version_that_nobody_needs_goes_with_its_file_and_may_be_asked_for_no_more(where: Where) -> None:
    path = Path(versions.create(where, "2.0.0", config("2.0.0"), "anna")["file_path"])
    versions.delete(where, "2.0.0", "bert", "was a try")

    assert not path.exists()
    with pytest.raises(UnknownVersion):
        versions.version(where, "2.0.0")
    assert [(row["action"], row["changed_by"], row["reason"]) for row in versions.history(where, "2.0.0")] == [
        ("deleted", "bert", "was a try"),
        ("created", "anna", ""),
    ]


@pytest.mark.req("FS-FR-062")
def test_only_vectors_of_the_last_day_of_the_log_count_and_each_is_read_once(where: Where, log: Log) -> None:
    """The day ends with the newest vector: a recording is as old as it is."""
    counting = Computations()
    carry(log, "1.0.0", [START, START + DAY // 2])
    assert counting.count(log) == {"1.0.0": 2}
    carry(log, "1.1.0", [START + DAY + 3600 * SECOND], shard=1)
    assert counting.count(log) == {"1.0.0": 1, "1.1.0": 1}
    assert Computations().count(log) == counting.count(log)


@pytest.mark.req("TK-RG-07", "FS-FR-041")
def test_a_file_that_a_person_edited_is_checked_again_when_asked(where: Where, put: Put) -> None:
    path = Path(versions.create(where, "2.0.0", config("2.0.0"), "anna")["file_path"])
    good = versions.version(where, "2.0.0")["config"]
    put(edited(config("2.0.0"), "vwap_3s", lookback_window="1s"), path.name)
    found = versions.sync_file(where, "2.0.0", "bert")

    assert found.problems == ["vwap_3s: lookback_window: is 1s, but the formula needs 3s"]
    row = versions.version(where, "2.0.0")
    assert (row["validation_errors"], row["config"]) == (found.problems, good)
    assert versions.validate(where, "2.0.0").problems == found.problems

    put(edited(config("2.0.0"), "vwap_3s", lookback_window="5s"), path.name)
    assert versions.sync_file(where, "2.0.0", "bert").problems == []
    row = versions.version(where, "2.0.0")
    assert row["validation_errors"] is None
    assert row["config"]["features"][1]["lookback_window"] == "5s"
    with pytest.raises(UnknownVersion):
        versions.sync_file(where, "8.0.0", "bert")


def test_what_is_in_force_stays_so_until_it_is_reloaded(where: Where, put: Put) -> None:
    path = put({**where.files.read("1.1.0").config, "version": "2.0.0"}, "2.0.0.yaml")
    activate(where, "2.0.0", "anna")
    before = versions.active(where)["config"]
    put({**before, "description": "edited"}, path.name)

    assert versions.sync_file(where, "2.0.0", "anna").warnings[-1].startswith("its file differs from what is in force")
    assert versions.active(where)["config"] == before


@pytest.mark.req("TK-RG-02", "TK-RG-01")
def test_files_and_table_are_made_alike_both_ways(where: Where, put: Put) -> None:
    gone = Path(versions.create(where, "4.0.0", config("4.0.0"), "anna")["file_path"])
    gone.unlink()
    put(config("2.0.0"), "by-hand.yaml")
    put("version: 3.0.0\nfeatures: []", "broken.yaml")
    done = versions.synchronise(where, "bert")

    assert done.added == ["2.0.0", "3.0.0"]
    assert done.restored == ["4.0.0"]
    assert list(done.invalid) == ["3.0.0"]
    assert where.files.read("4.0.0").config == config("4.0.0")
    again = versions.synchronise(where, "bert")
    assert (again.added, again.updated, again.restored) == ([], [], [])

    put(config("2.0.0", "vwap_3s"), "by-hand.yaml")
    assert versions.synchronise(where, "bert").updated == ["2.0.0"]


@pytest.mark.req("FS-FR-041", "FS-FR-045")
def test_the_active_version_is_checked_against_what_the_log_has_of_its_sources(where: Where) -> None:
    in_force(where, "start")
    found = versions.validate(where)

    assert (found.version, found.problems) == ("1.0.0", [])
    assert not any("orderbook" in warning for warning in found.warnings), "its books are on the log"


def test_a_row_that_another_program_wrote_does_not_stop_anybody(where: Where) -> None:
    """A version without a file whose row holds nothing that could be one."""
    with where.database() as connection:
        connection.execute("insert into feature_registry_versions (version, config) values ('0.9 beta/1', '[]')")
    done = versions.synchronise(where, "anna")
    listed: list[Any] = [row["version"] for row in versions.versions(where)]

    assert "0.9 beta/1" in listed
    assert "0.9 beta/1" in done.invalid
