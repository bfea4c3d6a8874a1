"""Old files go, rows stay, and what is or was just now at work is never touched."""

import tarfile
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from cli.context import UserError
from cli.main import build
from connectors.postgres.model_rows import activation_rows, change_rows
from learning.registry.retention import KEEP, archive, old_versions, restore, retain
from learning.registry.versions import record_version, version_record
from schemas.model import ModelActivated, ModelChange
from schemas.origin import Origin
from tests.learning.registry.made import TRAINED, content, record, stored_file

Connection = psycopg.Connection[Any]
SECOND = 1_000_000


def history(connection: Connection, count: int, strategy: str = "alpha", first: int = 1) -> list[str]:
    """So many versions, the oldest first."""
    versions = [f"v{number}" for number in range(first, first + count)]
    for number, version in enumerate(versions):
        made = record(
            version, strategy=strategy, trained_at=TRAINED + number * SECOND, metrics={"test": {"accuracy": 0.6}}
        )
        record_version(connection, made)
    return versions


def told(connection: Connection, *changes: tuple[str, str | None, str | None]) -> None:
    """What the log said: (role, before, after), one after the other."""
    for number, (role, before, after) in enumerate(changes):
        activated = ModelActivated(number + 1, "alpha", after)
        rows = activation_rows(activated) if role == "champion" else []
        change = ModelChange("alpha", number + 1, role, before, after, Origin(0, number, 0))  # type: ignore[arg-type]
        for statement, params in [*rows, *change_rows(change)]:
            connection.execute(statement, params)


@pytest.mark.req("MS-SC-006", "MS-US-4.2", "TK-MS-38")
def test_at_least_a_hundred_versions_of_each_strategy_are_kept_with_complete_metadata(
    connection: Connection, tmp_path: Path
) -> None:
    """Of 130 the 30 oldest go into archives; rows, records and metrics stay; the other strategy keeps its five."""
    versions = history(connection, 130)
    others = history(connection, 5, "beta", first=1000)
    for version in [*versions, *others]:
        stored_file(tmp_path, version)
    done = retain(connection, tmp_path)

    assert sorted(done.archived) == sorted(versions[:30])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*versions[30:], *others, "archive"])
    assert connection.execute("select count(*) from model_versions").fetchone() == (135,)
    assert connection.execute("select count(*) from model_quality_metrics").fetchone() == (135,)
    for number, version in enumerate(versions):
        kept = version_record(connection, version)
        assert kept is not None and kept.trained_at == TRAINED + number * SECOND
    assert retain(connection, tmp_path) == ([], [])


def test_models_at_work_and_the_one_before_keep_their_files(connection: Connection, tmp_path: Path) -> None:
    """v1 was in force before v2, which is; v3 is in shadow, v4 is no longer; v5 was in force long ago."""
    versions = history(connection, KEEP + 6)
    told(
        connection,
        ("champion", None, "v5"),
        ("champion", "v5", "v1"),
        ("shadow", None, "v3"),
        ("shadow", None, "v4"),
        ("shadow", "v4", None),
        ("champion", "v1", "v2"),
    )

    assert sorted(old_versions(connection)) == ["v4", "v5", "v6"]
    for version in versions:
        stored_file(tmp_path, version)
    assert sorted(retain(connection, tmp_path, "remove").removed) == ["v4", "v5", "v6"]
    assert not (tmp_path / "archive").exists()


def test_an_archived_version_comes_back_as_it_was(connection: Connection, tmp_path: Path) -> None:
    history(connection, KEEP + 1)
    stored_file(tmp_path, "v1")
    (tmp_path / "v1" / "record.json").write_text("{}")
    retain(connection, tmp_path)
    with tarfile.open(tmp_path / "archive" / "v1.tar") as tar:
        assert tar.getnames() == ["v1/model.ubj", "v1/record.json"]
    assert restore(tmp_path, "v1") == tmp_path / "v1"

    assert (tmp_path / "v1" / "model.ubj").read_bytes() == content("v1")
    assert (tmp_path / "v1" / "record.json").read_text() == "{}"
    assert not (tmp_path / "archive" / "v1.tar").exists()


def test_keeping_fewer_than_a_hundred_is_refused(connection: Connection, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep=99: at least 100"):
        retain(connection, tmp_path, keep=99)


def test_a_person_brings_archived_files_back(tmp_path: Path) -> None:
    """Once: a version that is there, or of which there is no archive, is told."""
    models = tmp_path / "models"
    stored_file(models, "v1")
    archive(models, "v1")
    before = {"LOCKSTEP_HOME": str(tmp_path)}
    done = CliRunner().invoke(build("models"), ["models", "restore", "v1"], env=before)

    assert done.exit_code == 0 and (models / "v1" / "model.ubj").is_file()
    for version, told in (("v1", "already"), ("v2", "there is no archive")):
        refused = CliRunner().invoke(build("models"), ["models", "restore", version], env=before)

        assert isinstance(refused.exception, UserError) and told in refused.exception.message
