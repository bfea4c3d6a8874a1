"""Versions of feature registries: looking at them, making them, checking them, and letting them go."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors.log import LogError
from connectors.postgres import registry_versions as table
from connectors.postgres.registry_versions import Row
from learning.registries import scripts
from learning.registries.compare import Comparison, compare
from learning.registries.computations import Computations
from learning.registries.errors import InUse, Invalid, NoneActive
from learning.registries.files import Read, checked
from learning.registries.heard import unavailable
from learning.registries.mirror import Synchronised, mirror, new_rows
from learning.registries.mirror import synchronise as mirror_all
from learning.registries.where import Where

DELETE_WAIT = 5.0
"""Seconds that a deletion waits for an activation that is being made."""


@dataclass(frozen=True)
class Check:
    """What a check of a version came to; ``at`` UTC without a zone."""

    version: str
    problems: list[str]
    warnings: list[str] = field(default_factory=list)
    at: datetime | None = None


@dataclass(frozen=True)
class Usage:
    """Who needs a version. ``vectors``: those of the last 24 hours of the log; None where the log is away."""

    version: str
    active: bool
    shipped: bool
    datasets: list[dict[str, str]]
    vectors: int | None

    @property
    def reasons(self) -> list[str]:
        """Why it cannot be deleted; empty: it can."""
        found = ["it is active"] if self.active else []
        if self.shipped:
            found.append("it comes with the program")
        if self.datasets:
            count = len(self.datasets)
            found.append("a dataset is made with it" if count == 1 else f"{count} datasets are made with it")
        if self.vectors:
            found.append(f"vectors of the last 24 hours carry it: {self.vectors:,}")
        if self.vectors is None:
            found.append("the log is away, so nobody knows which vectors carry it")
        return found


def versions(where: Where, computations: Computations | None = None) -> list[Row]:
    """Every version's row, the newest first, with ``usage_count``: datasets and vectors of the last 24 hours."""
    vectors = carried(where, computations or Computations()) or {}
    with where.database() as connection:
        new_rows(connection, where.files)
        counts = table.dataset_counts(connection)
        rows = table.versions(connection)
    return [{**row, "usage_count": counts.get(row["version"], 0) + vectors.get(row["version"], 0)} for row in rows]


def version(where: Where, name: str) -> Row:
    """The row of a version.

    Raises:
        UnknownVersion: when there is neither file nor row.
    """
    with where.database() as connection:
        if row := table.version_row(connection, name):
            return row
        mirror(connection, where.files.read(name), "file")
        row = table.version_row(connection, name)
    assert row is not None
    return row


def active(where: Where) -> Row:
    """The row of the active version.

    Raises:
        NoneActive: when there is none.
    """
    with where.database() as connection:
        if row := table.active_row(connection):
            return row
    raise NoneActive("no feature registry is active yet: start a flow, or activate a version")


def create(
    where: Where, name: str, config: Mapping[str, Any], by: str, reason: str = "", script: str | None = None
) -> Row:
    """Make a new version: its file, then its row.

    Raises:
        Invalid: with everything that is wrong, of the registry and of the script.
        VersionExists: when there is one.
        psycopg.OperationalError: when the database is away; nothing was made.
    """
    try:
        scripts.renames_of(script)
    except scripts.ScriptError as error:
        raise Invalid(name, [str(error)]) from None
    checked(name, config)
    with where.database() as connection:
        if table.version_row(connection, name):
            where.files.refuse(name)
        new_rows(connection, where.files)  # what was there before is older
        file = where.files.create(name, config)
        try:
            with connection.transaction():
                mirror(connection, file, by, script)
                table.record(connection, name, "created", by, reason, sha256=file.sha256)
        except BaseException:
            where.files.remove(name)
            raise
        row = table.version_row(connection, name)
    assert row is not None
    return row


def validate(where: Where, name: str | None = None) -> Check:
    """Check a version, by default the active one, also against what the log has of its sources.

    Raises:
        NoneActive, UnknownVersion: when there is nothing to check.
    """
    wanted = name or active(where)["version"]
    file = where.files.read(wanted)
    with where.database() as connection:
        at = table.checked(connection, wanted, file.problems)
    return Check(wanted, list(file.problems), [*file.warnings, *missing_sources(where, file)], at)


def missing_sources(where: Where, file: Read) -> list[str]:
    """Warnings about sources that the log has nothing of; none where the log is away."""
    if file.registry is None:
        return []
    try:
        with where.log() as (log, shards):
            return unavailable(log, shards, file.registry, where.symbols)
    except LogError as error:
        return [f"the log is away, so nobody knows which sources it has: {error}"]


def usage(where: Where, name: str, computations: Computations | None = None) -> Usage:
    """Who needs a version.

    Raises:
        UnknownVersion: when there is neither file nor row.
    """
    row = version(where, name)
    vectors = carried(where, computations or Computations())
    with where.database() as connection:
        datasets = [
            {"dataset_id": one["dataset_id"], "status": one["status"]} for one in table.datasets(connection, name)
        ]
    known = where.files.all().get(name)
    count = None if vectors is None else vectors.get(name, 0)
    return Usage(name, bool(row["is_active"]), bool(known and known.shipped), datasets, count)


def delete(where: Where, name: str, by: str, reason: str = "", computations: Computations | None = None) -> None:
    """Delete a version that nobody needs: its file, then its row.

    Raises:
        UnknownVersion: when there is neither.
        InUse: saying by whom.
        Busy: when an activation is being made and does not end.
    """
    version(where, name)
    with where.alone(by, DELETE_WAIT), where.database() as connection:
        if reasons := usage(where, name, computations).reasons:
            raise InUse(f"feature registry {name} stays: {'; '.join(reasons)}")
        where.files.remove(name)
        with connection.transaction():
            if table.remove(connection, name):
                table.record(connection, name, "deleted", by, reason)


def sync_file(where: Where, name: str, by: str) -> Check:
    """Read a version's file again after somebody edited it; what is in force stays so until it is reloaded.

    Raises:
        UnknownVersion: when there is no file.
    """
    file = where.files.read(name)
    warnings = file.warnings
    with where.database() as connection:
        with connection.transaction():
            mirror(connection, file, by)
            table.record(connection, name, "synchronised", by, sha256=file.sha256 or None)
        row = table.version_row(connection, name)
        if row and row["is_active"] and file.registry and row["sha256"] != file.sha256:
            warnings = [*warnings, "its file differs from what is in force: reload to use it"]
    return Check(name, list(file.problems), warnings, row["validated_at"] if row else None)


def synchronise(where: Where, by: str) -> Synchronised:
    """All files to the table, and files that are gone from the table."""
    with where.database() as connection:
        done = mirror_all(connection, where.files, by)
        for name in (*done.added, *done.updated, *done.restored):
            table.record(connection, name, "synchronised", by)
    return done


def history(where: Where, name: str | None = None, limit: int = 100) -> list[Row]:
    """Who changed what, when and why, the newest first."""
    with where.database() as connection:
        return table.changes(connection, name, limit)


def comparison(where: Where, before: str, after: str) -> Comparison:
    """What changes for readers when one version follows another; with the renames that the later one declares.

    Raises:
        UnknownVersion, Invalid: when one of them cannot be used.
    """
    old, new = where.files.registry(before), where.files.registry(after)
    with where.database() as connection:
        row = table.version_row(connection, after)
    return compare(old, new, scripts.renames_of(row["migration_script"] if row else None))


def carried(where: Where, computations: Computations) -> dict[str, int] | None:
    """Vectors of the last 24 hours by version; None where the log is away."""
    try:
        with where.log() as (log, _):
            return computations.count(log)
    except LogError:
        return None
