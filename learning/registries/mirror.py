"""Rows that say what files say, and files that were lost, from their rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.postgres import registry_versions as table
from connectors.postgres.registry_rows import LONGEST
from connectors.postgres.registry_versions import Rows
from learning.registries.errors import Invalid, UnknownVersion, VersionExists
from learning.registries.files import Read, RegistryFiles, schema_of


@dataclass
class Synchronised:
    """Versions whose rows are new or changed, whose files were written again, and what is wrong with which."""

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)
    invalid: dict[str, list[str]] = field(default_factory=dict)


def mirror(connection: Rows, file: Read, by: str, script: str | None = None) -> None:
    """Give the row of a version what its file says.

    Raises:
        Invalid: when the version is too long for the table.
    """
    if len(file.version) > LONGEST:
        raise Invalid(file.version, [f"version: has more than {LONGEST} characters"])
    schema = schema_of(file.registry) if file.registry else None
    table.synchronise(
        connection, file.version, file.config, file.sha256, file.problems, str(file.path)[-500:], schema, by, script
    )


def synchronise(connection: Rows, files: RegistryFiles, by: str) -> Synchronised:
    """Files to table, then table to files; what is in force stays as it is."""
    done = Synchronised()
    rows = {row["version"]: row for row in table.versions(connection)}
    known = files.all()
    for version in known:
        _to_table(connection, files.read(version), rows.get(version), by, done)
    for version, row in rows.items():
        if version not in known:
            _to_file(connection, files, row, by, done)
    return done


def new_rows(connection: Rows, files: RegistryFiles) -> None:
    """Rows for files that have none yet; those that cannot have one are left out."""
    rows = {row["version"] for row in table.versions(connection)}
    for version in files.all():
        if version not in rows and len(version) <= LONGEST:
            mirror(connection, files.read(version), "file")


def restored(files: RegistryFiles, row: Mapping[str, Any]) -> Read:
    """The file of a version, written again from its row where it is gone.

    Raises:
        UnknownVersion, Invalid: when the row holds nothing that could be a file.
    """
    version = row["version"]
    try:
        return files.read(version)
    except UnknownVersion:
        if not row["config"]:
            raise
        try:
            return files.create(version, row["config"])
        except VersionExists:
            return files.read(version)


def _to_table(connection: Rows, file: Read, row: Mapping[str, Any] | None, by: str, done: Synchronised) -> None:
    if file.problems:
        done.invalid[file.version] = list(file.problems)
    same = row is not None and row["sha256"] == file.sha256 and (row["validation_errors"] or []) == list(file.problems)
    if same or len(file.version) > LONGEST:
        return
    mirror(connection, file, by)
    (done.updated if row else done.added).append(file.version)


def _to_file(connection: Rows, files: RegistryFiles, row: Mapping[str, Any], by: str, done: Synchronised) -> None:
    version = row["version"]
    try:
        file = restored(files, row)
    except (UnknownVersion, Invalid) as error:
        done.invalid[version] = list(getattr(error, "problems", [str(error)]))
        table.checked(connection, version, done.invalid[version])
        return
    mirror(connection, file, by)
    done.restored.append(version)
