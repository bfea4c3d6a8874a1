"""What is in force at a start, and the file of an older installation."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from connectors.activations import newest
from learning.registries import versions
from learning.registries.activation import activate
from learning.registries.errors import Invalid
from learning.registries.start import start
from learning.registries.where import Where
from tests.registry.conftest import config, edited

Put = Callable[..., Path]


def version_on(where: Where) -> str | None:
    """What the newest activation of the log says."""
    log = where.open_log()
    place = newest(log, 0)
    log.close()
    return place.event.version if place else None


@pytest.mark.req("TK-RG-04")
def test_at_first_the_registry_of_the_settings_is_in_force(where: Where) -> None:
    """And its row says so, without an event: nothing was decided."""
    assert start(where).version == "1.0.0"
    assert versions.active(where)["version"] == "1.0.0"
    assert version_on(where) is None
    moved = replace(where, initial=lambda: "1.1.0")
    assert start(moved).version == "1.1.0"
    assert (versions.active(where)["version"], versions.active(where)["previous_version"]) == ("1.1.0", "1.0.0")


@pytest.mark.req("TK-RG-04")
def test_a_file_of_the_settings_that_changed_between_two_starts_is_what_is_in_force(where: Where, put: Put) -> None:
    path = put(config("mine", "mid_price"), "mine.yaml")
    mine = replace(where, initial=lambda: "mine")
    start(mine)
    put(config("mine", "mid_price", "vwap_3s"), path.name)
    start(mine)

    assert len(versions.active(where)["config"]["features"]) == 2
    put("version: mine\nfeatures: []", path.name)
    with pytest.raises(Invalid, match="must be a list with at least one feature"):
        start(mine)


@pytest.mark.req("TK-RG-04")
def test_a_new_log_begins_with_the_version_that_was_active(where: Where, on_empty_log: Where) -> None:
    activate(where, "1.1.0", "anna", "better")
    begun = start(on_empty_log)

    assert begun.version == version_on(on_empty_log) == "1.1.0"
    assert begun.warnings[0].startswith("feature registry 1.1.0 is active (by anna: better), so 1.0.0 of the settings")
    assert start(on_empty_log).warnings == []


@pytest.mark.req("TK-RG-04")
def test_a_new_log_begins_with_the_settings_where_the_table_does_not_count(where: Where, on_empty_log: Where) -> None:
    activate(where, "1.1.0", "anna")

    assert start(on_empty_log, from_table=False).version == "1.0.0"
    assert version_on(on_empty_log) is None
    assert versions.active(where)["version"] == "1.0.0"


@pytest.mark.req("TK-RG-04", "TK-RG-02")
def test_a_version_whose_file_is_gone_is_started_from_its_row(where: Where, on_empty_log: Where) -> None:
    made = versions.create(where, "2.0.0", {**where.files.read("1.1.0").config, "version": "2.0.0"}, "anna")
    activate(where, "2.0.0", "anna")
    Path(made["file_path"]).unlink()

    assert start(on_empty_log).version == "2.0.0"
    assert Path(made["file_path"]).is_file()


@pytest.mark.req("TK-RG-04", "FS-EC-06")
def test_a_version_whose_file_was_spoilt_gives_way_to_the_settings_with_a_warning(
    where: Where, on_empty_log: Where, put: Put
) -> None:
    versions.create(where, "2.0.0", {**where.files.read("1.1.0").config, "version": "2.0.0"}, "anna")
    activate(where, "2.0.0", "anna")
    put(
        edited(
            where.files.read("1.1.0").config,
            "vwap_3s",
            lookback_window="1s",
        )
        | {"version": "2.0.0"},
        "2.0.0.yaml",
    )
    begun = start(on_empty_log)

    assert begun.version == versions.active(where)["version"] == "1.0.0"
    assert "vwap_3s: lookback_window: is 1s, but the formula needs 3s" in begun.warnings[1] + begun.warnings[0]
    assert any("The registry of the settings is in force instead of 2.0.0" in line for line in begun.warnings)


@pytest.mark.req("TK-RG-04")
def test_a_file_that_says_it_is_another_version_is_warned_of(where: Where, on_empty_log: Where, put: Put) -> None:
    path = put({**where.files.read("1.1.0").config, "version": "2.0.0"}, "2.0.0.yaml")
    activate(where, "2.0.0", "anna")
    put({**where.files.read("1.1.0").config, "version": "2.0.1"}, path.name)
    begun = start(on_empty_log)

    assert any(f"{path} says it is 2.0.1, where version 2.0.0 is active" in line for line in begun.warnings)


@pytest.fixture
def legacy(tmp_path: Path) -> Path:
    path = tmp_path / "feature_registry.yaml"
    path.write_text(yaml.safe_dump(config("0.9.0", "mid_price", "vwap_3s")))
    return path


@pytest.mark.req("TK-RG-03")
def test_the_file_of_an_older_installation_becomes_the_first_active_version_once(
    on_empty_log: Where, legacy: Path
) -> None:
    begun = start(on_empty_log, legacy)

    assert begun.version == version_on(on_empty_log) == "0.9.0"
    assert begun.warnings[0].startswith(f"{legacy} was taken over as feature registry 0.9.0")
    assert versions.version(on_empty_log, "0.9.0")["created_by"] == "migration"
    assert [row["action"] for row in versions.history(on_empty_log, "0.9.0")] == ["activated", "migrated"]
    before = versions.history(on_empty_log)
    assert start(on_empty_log, legacy).warnings == []
    assert versions.history(on_empty_log) == before


@pytest.mark.req("TK-RG-03")
def test_one_that_has_the_number_of_another_of_ours_is_taken_over_beside_it(
    on_empty_log: Where, tmp_path: Path
) -> None:
    """The same registry under the same number is ours already."""
    path = tmp_path / "feature_registry.yaml"
    path.write_text(yaml.safe_dump(on_empty_log.files.read("1.0.0").config))
    assert start(on_empty_log, path).version == "1.0.0"
    assert not on_empty_log.files.own.exists()

    path.write_text(yaml.safe_dump(config("1.0.0", "mid_price")))
    start(on_empty_log, path)
    assert on_empty_log.files.registry("1.0.0-legacy").version == "1.0.0-legacy"
    assert len(on_empty_log.files.registry("1.0.0").entries) == 29


@pytest.mark.req("TK-RG-03", "FS-EC-06")
@pytest.mark.parametrize(
    ("text", "says"), [(None, "cannot be read"), ("version: 0.9.0\nfeatures: 7", "must be a list with at least one")]
)
def test_one_that_cannot_be_used_is_a_warning_and_no_more(
    on_empty_log: Where, tmp_path: Path, text: str | None, says: str
) -> None:
    path = tmp_path / "feature_registry.yaml"
    if text:
        path.write_text(text)
    begun = start(on_empty_log, path)

    assert begun.version == "1.0.0"
    assert says in begun.warnings[0]
