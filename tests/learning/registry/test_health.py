"""Files of models: there or not, right or wrong, readable or not."""

import os
from pathlib import Path
from typing import Any

import psycopg
import pytest

from learning.registry.health import Known, file_health, known_files, storage_health
from learning.registry.retention import archive
from learning.registry.versions import mirror_activation, record_version
from schemas.model import ModelActivated
from tests.learning.registry.made import record, stored_file


def known(version: str) -> Known:
    made = record(version)
    return Known(version, f"/models/{version}/model.ubj", made.sha256)


def test_each_state_of_a_file_is_told_apart(tmp_path: Path) -> None:
    stored_file(tmp_path, "v1")
    stored_file(tmp_path, "v2").write_bytes(b"something else")
    stored_file(tmp_path, "v4")
    archive(tmp_path, "v4")
    stored_file(tmp_path, "v5").write_bytes(b"whatever another system wrote")
    stored_file(tmp_path, "v6").unlink()
    (tmp_path / "v6" / "model.ubj").mkdir()

    states = {version: file_health(tmp_path, known(version)).state for version in ("v1", "v2", "v3", "v4", "v6")}
    assert states == {"v1": "present", "v2": "damaged", "v3": "missing", "v4": "archived", "v6": "unreadable"}
    assert file_health(tmp_path, known("v5")._replace(sha256=None)).state == "present"


def test_problems_name_the_version_and_what_to_do_and_space_is_told(tmp_path: Path) -> None:
    stored_file(tmp_path, "v1")
    found = storage_health(tmp_path, [known("v1"), known("v3")])

    assert found.problems == [f"model v3: {tmp_path / 'v3' / 'model.ubj'} is missing: restore the file or train again"]
    stat = os.statvfs(tmp_path)
    assert found.total == stat.f_blocks * stat.f_frsize
    assert 0 < found.free <= found.total
    assert (found.readable, found.writable) == (True, True)


def test_a_folder_that_was_never_made_is_no_problem(tmp_path: Path) -> None:
    assert storage_health(tmp_path / "a" / "b", []).problems == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "cannot be written" in storage_health(tmp_path, []).problems[0]
    tmp_path.chmod(0o700)


def test_only_versions_in_force_are_listed_when_they_are_asked_for(connection: psycopg.Connection[Any]) -> None:
    for version in ("v1", "v2"):
        record_version(connection, record(version))
    mirror_activation(connection, ModelActivated(1, "alpha", "v2"))

    assert known_files(connection, active=True) == [known("v2")]
    assert known_files(connection) == [known("v1"), known("v2")]
