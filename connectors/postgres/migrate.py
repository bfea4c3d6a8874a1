"""Migrations: numbered SQL files, each applied in one transaction with its record, and each with its way back."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, LiteralString, cast

import psycopg

FOLDER = Path(__file__).resolve().parents[2] / "migrations"
NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.(up|down)\.sql")
OWN_TRANSACTION = re.compile(
    r"^\s*(begin|commit|rollback|start\s+transaction)(\s+(work|transaction))?\s*;", re.IGNORECASE | re.MULTILINE
)
LOCK = 0x6C6F636B
"""One number for every program that migrates: whoever holds it is alone."""

RECORDS = """
create table if not exists lockstep_migrations (
    number integer primary key,
    name varchar(200) not null,
    checksum varchar(64) not null,
    applied_at timestamp not null default (now() at time zone 'utc')
)
"""

State = Literal["applied", "pending", "changed", "unknown"]


class MigrationError(Exception):
    """The database and the files do not fit; the message names the file and says what to do."""


@dataclass(frozen=True)
class Migration:
    """One step and its way back."""

    number: int
    name: str
    up: str
    down: str

    @property
    def file(self) -> str:
        return f"{self.number:04d}_{self.name}.up.sql"

    @property
    def checksum(self) -> str:
        """SHA-256 of the way up, by which a later change of the file is noticed."""
        return hashlib.sha256(self.up.encode()).hexdigest()


@dataclass(frozen=True)
class Status:
    """Where one migration stands. ``changed``: applied, but the file differs now; ``unknown``: applied, no file."""

    number: int
    name: str
    state: State
    applied_at: str | None = None


def read_migrations(folder: Path = FOLDER) -> list[Migration]:
    """The migrations of a folder, in order.

    Raises:
        MigrationError: when a number is missing or used twice, a file has no partner or opens its own transaction.
    """
    texts: dict[tuple[int, str], dict[str, str]] = {}
    for path in sorted(folder.glob("*.sql")):
        if not (parts := NAME.fullmatch(path.name)):
            raise MigrationError(f"{path}: name it NNNN_what_it_does.up.sql or .down.sql")
        if OWN_TRANSACTION.search(text := path.read_text()):
            raise MigrationError(f"{path}: remove its begin and commit, every migration runs in one transaction")
        texts.setdefault((int(parts[1]), parts[2]), {})[parts[3]] = text
    for expected, ((number, name), ways) in enumerate(sorted(texts.items()), start=1):
        if number != expected:
            raise MigrationError(f"{folder}: {number:04d}_{name} should have the number {expected:04d}")
        if missing := {"up", "down"} - ways.keys():
            raise MigrationError(f"{folder}: {number:04d}_{name}.{missing.pop()}.sql is missing")
    return [Migration(number, name, ways["up"], ways["down"]) for (number, name), ways in sorted(texts.items())]


class Migrator:
    """Brings one database to the state of one folder of migrations. Any number of programs may do so at once."""

    def __init__(self, url: str, migrations: Sequence[Migration] | None = None) -> None:
        self.url = url
        self.migrations = list(read_migrations() if migrations is None else migrations)

    def status(self) -> list[Status]:
        """Every migration, in order, with its state. Reads only."""
        with self._connect() as connection:
            return self._status(connection)

    def up(self, dry_run: bool = False) -> list[Migration]:
        """Apply what is pending and return it, in order; ``dry_run`` only returns it.

        Raises:
            MigrationError: when an applied file was changed or is unknown, or when its SQL fails (nothing of that
                migration is left then; those before it stay).
        """
        done = []
        with self._connect() as connection:
            pending = self._pending(connection)
            for migration in [] if dry_run else pending:
                if self._apply(connection, migration):
                    done.append(migration)
        return pending if dry_run else done

    def down(self, steps: int = 1, dry_run: bool = False) -> list[Migration]:
        """Take back the last ``steps`` migrations and return them, the newest first."""
        with self._connect() as connection:
            chosen = self._applied(connection)[::-1][:steps]
            for migration in [] if dry_run else chosen:
                with connection.transaction():
                    self._alone(connection)
                    if self._record(connection, migration):
                        self._run(connection, migration, migration.down)
                        connection.execute("delete from lockstep_migrations where number = %s", [migration.number])
        return chosen

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url, autocommit=True, connect_timeout=10, application_name="lockstep migrate")

    def _alone(self, connection: psycopg.Connection) -> None:
        connection.execute("select pg_advisory_xact_lock(%s)", [LOCK])

    def _apply(self, connection: psycopg.Connection, migration: Migration) -> bool:
        """Apply one migration and record it, or find that another program was faster (false)."""
        with connection.transaction():
            self._alone(connection)
            connection.execute(RECORDS)
            if self._record(connection, migration):
                return False
            self._run(connection, migration, migration.up)
            connection.execute(
                "insert into lockstep_migrations (number, name, checksum) values (%s, %s, %s)",
                [migration.number, migration.name, migration.checksum],
            )
        return True

    def _record(self, connection: psycopg.Connection, migration: Migration) -> bool:
        query = "select 1 from lockstep_migrations where number = %s"
        return connection.execute(query, [migration.number]).fetchone() is not None

    def _run(self, connection: psycopg.Connection, migration: Migration, text: str) -> None:
        try:
            connection.execute(cast(LiteralString, text))
        except psycopg.Error as error:
            raise MigrationError(f"{migration.file}: {str(error).strip()}; nothing of it was applied") from error

    def _status(self, connection: psycopg.Connection) -> list[Status]:
        rows = []
        if connection.execute("select to_regclass('lockstep_migrations')").fetchone() != (None,):
            rows = connection.execute("select number, name, checksum, applied_at from lockstep_migrations").fetchall()
        applied = {number: (name, checksum, f"{at.isoformat()}Z") for number, name, checksum, at in rows}
        known = [self._of(migration, applied) for migration in self.migrations]
        beyond = sorted(applied.keys() - {migration.number for migration in self.migrations})
        return known + [Status(number, applied[number][0], "unknown", applied[number][2]) for number in beyond]

    def _of(self, migration: Migration, applied: dict[int, tuple[str, str, str]]) -> Status:
        if migration.number not in applied:
            return Status(migration.number, migration.name, "pending")
        name, checksum, at = applied[migration.number]
        same = (name, checksum) == (migration.name, migration.checksum)
        return Status(migration.number, migration.name, "applied" if same else "changed", at)

    def _pending(self, connection: psycopg.Connection) -> list[Migration]:
        states = {status.number: status for status in self._status(connection)}
        for status in states.values():
            if status.state == "changed":
                raise MigrationError(
                    f"{status.number:04d}_{status.name}.up.sql was changed after it was applied on "
                    f"{status.applied_at}: restore the file and put the change into a new migration"
                )
            if status.state == "unknown":
                raise MigrationError(
                    f"the database has the migration {status.number:04d}_{status.name}, which this version does not "
                    "know: it was migrated by a newer one, update this one"
                )
        return [migration for migration in self.migrations if states[migration.number].state == "pending"]

    def _applied(self, connection: psycopg.Connection) -> list[Migration]:
        states = {status.number: status.state for status in self._status(connection)}
        return [migration for migration in self.migrations if states[migration.number] in ("applied", "changed")]
