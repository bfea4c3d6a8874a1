"""``lockstep registry`` as a person uses it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from cli.context import Context, Exit, UserError
from cli.registries import registry_of, start_registry
from cli.registry import app
from cli.topics import create_topics
from connectors.postgres.migrate import Migrator
from tests.registry.conftest import config, edited

Run = Callable[..., str]


@pytest.fixture
def home(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation whose settings name 1.0.0."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "LOCKSTEP_HOME": str(tmp_path / "home"), "DATABASE_URL": database_url, "LOCKSTEP_REGISTRY": "1.0.0",
        "LOCKSTEP_SHARDS": "2", "USER": "carla", "LOGNAME": "carla",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def run(*arguments: str, code: int = 0) -> str:
    done = invoke(*arguments)
    assert done.exit_code == code, (done.stdout, done.exception)
    return done.stdout


def refused(*arguments: str) -> UserError:
    error = invoke(*arguments).exception
    assert isinstance(error, UserError), error
    return error


def listed(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


@pytest.mark.req("TK-RG-01", "FS-FR-060", "FS-FR-061", "FS-FR-068")
def test_the_life_of_a_version(home: Path) -> None:
    """Made of a file, compared, put in force, left again, deleted; and all of it is on record."""
    grown = {**yaml.safe_load(Path(_shipped("1.0.0")).read_text()), "version": "2.0.0"}
    file = home / "mine.yaml"
    file.write_text(yaml.safe_dump({**grown, "features": [*grown["features"], config("x", "rsi_14")["features"][0]]}))
    made = home / "home" / "feature_registry" / "2.0.0.yaml"
    assert run("create", str(file), "--by", "anna").strip() == f"2.0.0 is made: {made}"
    assert run("compare", "1.0.0", "2.0.0").splitlines()[:2] == ["nothing breaks", "(not breaking) added: rsi_14"]
    with Context() as context:
        assert len(registry_of(context, "2.0.0").entries) == 30, "datasets and flows find it by its version"

    assert run("activate", "2.0.0", "--reason", "more").startswith("2.0.0 follows 1.0.0, in force from ")
    assert [one["version"] for one in listed("list") if one["is_active"]] == ["2.0.0"]
    assert refused("delete", "2.0.0").message == "feature registry 2.0.0 stays: it is active"
    assert run("rollback", "--reason", "less").startswith("back from 2.0.0 to 1.0.0, in force from ")
    assert listed("show")["version"] == "1.0.0"
    assert listed("usage", "2.0.0")["can_delete"]
    assert run("delete", "2.0.0") == "deleted 2.0.0\n"
    assert not made.exists()

    record = [(one["action"], one["version"], one["changed_by"], one["reason"]) for one in listed("history")]
    assert record[:3] == [
        ("deleted", "2.0.0", "carla", ""), ("rolled back", "1.0.0", "carla", "less"),
        ("activated", "2.0.0", "carla", "more"),
    ]  # fmt: skip
    assert record[-1] == ("created", "2.0.0", "anna", "")


def _shipped(version: str) -> str:
    return next(str(one["file_path"]) for one in listed("list") if one["version"] == version)


@pytest.mark.req("FS-FR-065")
def test_what_breaks_is_told_shortly_and_has_to_be_acknowledged(home: Path) -> None:
    error = refused("activate", "1.2.0")
    assert error.exit_code == Exit.FAILED
    assert "removed: mid_price, spread_abs" in error.message
    assert "--acknowledge" in error.message
    assert "changed: funding_rate" in run("compare", "1.0.0", "1.2.0", code=1)

    assert run("activate", "1.2.0", "--acknowledge").startswith("1.2.0 follows 1.0.0")


@pytest.mark.req("FS-US-5.1", "FS-EC-05", "FS-EC-06")
def test_a_file_is_validated_before_it_becomes_a_version(home: Path) -> None:
    file = home / "leaky.yaml"
    file.write_text(yaml.safe_dump(edited(config("2.0.0"), "vwap_3s", lookahead_forbidden=False)))
    assert "vwap_3s: lookahead_forbidden: must be true" in run("validate", str(file), code=1)
    error = refused("create", str(file))

    assert error.exit_code == Exit.USAGE
    assert "vwap_3s: lookahead_forbidden: must be true" in error.message
    assert "9.9.9 is not known; there are extended-1" in refused("validate", "9.9.9").message
    assert run("validate", "1.0.0").startswith("1.0.0: valid")
    assert "cannot be read" in refused("create", str(home / "nothing.yaml")).message
    (home / "text.yaml").write_text("[")
    assert "not readable as YAML" in refused("create", str(home / "text.yaml")).message


@pytest.mark.req("TK-RG-02", "TK-RG-07", "FS-FR-040")
def test_a_file_that_was_edited_is_synchronised_and_reloaded(home: Path) -> None:
    folder = home / "home" / "feature_registry"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(yaml.safe_dump(config("2.0.0")))
    assert "added              2.0.0" in run("sync").replace("1.0.0, 1.1.0, 1.2.0, ", "").replace(
        "extended-1, full-1, ", ""
    )
    run("activate", "2.0.0", "--acknowledge")
    (folder / "mine.yaml").write_text(yaml.safe_dump(config("2.0.0", "mid_price", "vwap_3s", "vwap_15s")))

    assert listed("sync", "2.0.0")["warnings"] == ["its file differs from what is in force: reload to use it"]
    assert "added: vwap_15s" in run("reload")
    assert "in force already" in run("reload")


def test_every_answer_can_be_read_by_a_program(home: Path) -> None:
    file = home / "mine.yaml"
    file.write_text(yaml.safe_dump({**config("2.0.0"), "features": yaml.safe_load(_text("1.0.0"))["features"]}))

    assert listed("create", str(file))["version"] == "2.0.0"
    done = listed("activate", "2.0.0")
    assert (done["activated"], done["hot_reload"], done["previous"], done["breaking"]) == (True, True, "1.0.0", [])
    assert listed("reload")["warnings"] == ["it is in force already"]
    assert listed("rollback")["rolled_back_to"] == "1.0.0"
    assert listed("validate")["is_valid"]
    assert listed("validate", str(file))["version"] == "2.0.0"
    assert listed("compare", "1.0.0", "1.1.0")["breaking_changes"] == []
    assert listed("sync")["invalid"] == {}


def _text(version: str) -> str:
    return Path(_shipped(version)).read_text()


def test_without_any_there_is_nothing_to_show(home: Path) -> None:
    assert refused("show").message.startswith("no feature registry is active yet")
    assert run("history") == "nothing was changed yet\n"
    assert "no version before the active one" in refused("rollback").message


@pytest.mark.req("TK-RG-03", "TK-RG-04")
def test_an_installation_starts_with_the_file_of_an_older_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FEATURE_REGISTRY_PATH names it; FEATURE_REGISTRY_AUTO_MIGRATE=false leaves it alone."""
    file = home / "feature_registry.yaml"
    file.write_text(yaml.safe_dump(config("0.9.0")))
    monkeypatch.setenv("FEATURE_REGISTRY_PATH", str(file))
    monkeypatch.setenv("FEATURE_REGISTRY_AUTO_MIGRATE", "false")
    assert started() == []
    assert listed("show")["version"] == "1.0.0"
    monkeypatch.setenv("FEATURE_REGISTRY_AUTO_MIGRATE", "true")
    assert started()[0].startswith(f"{file} was taken over as feature registry 0.9.0")
    assert listed("show")["version"] == "0.9.0"


def started() -> list[str]:
    with Context() as context:
        Migrator(context.database_url()).up()
        log = context.open_log()
        create_topics(log, context.settings)
        log.close()
        return start_registry(context)
