"""Putting a version in force: checked before, tried, on every shard, recorded, and undone when it cannot be."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.log import Log
from learning.registries import versions
from learning.registries.activation import activate, reload, rollback
from learning.registries.errors import (
    ActivationFailed,
    Invalid,
    NotAcknowledged,
    NoWayBack,
    UnknownVersion,
)
from learning.registries.where import Where
from tests.registry.conftest import SHARDS, Config, config, edited, on_log
from tests.registry.told import actions, active

Put = Callable[..., Path]


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
