"""Migrations: whole or not at all, once, in order, and with a way back."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from connectors.postgres import registry_versions as table
from connectors.postgres.migrate import MigrationError, Migrator, Status, read_migrations

TABLES = """
select table_name, column_name, data_type, is_nullable, column_default
from information_schema.columns
where table_schema = 'public' and table_name <> 'lockstep_migrations' order by 1, 2
"""

ANOTHER_SYSTEMS_TABLE = """
create table feature_registry_versions (version varchar(50) primary key, config jsonb not null);
insert into feature_registry_versions values ('0.9.0', '{}');
"""


def write(folder: Path, number: int, name: str, up: str, down: str = "select 1;") -> None:
    (folder / f"{number:04d}_{name}.up.sql").write_text(up)
    (folder / f"{number:04d}_{name}.down.sql").write_text(down)


def tables(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(TABLES).fetchall()


def states(url: str, folder: Path) -> list[str]:
    return [status.state for status in Migrator(url, read_migrations(folder)).status()]


def test_every_shipped_migration_goes_up_down_and_up_again_to_the_same_schema(database_url: str) -> None:
    migrator = Migrator(database_url)
    shipped = read_migrations()
    assert migrator.up() == shipped
    first = tables(database_url)

    assert migrator.down(steps=len(shipped)) == shipped[::-1]
    assert tables(database_url) == []
    migrator.up()
    assert tables(database_url) == first


def test_a_second_run_changes_nothing(database_url: str) -> None:
    Migrator(database_url).up()
    assert Migrator(database_url).up() == []


def test_a_table_of_another_system_keeps_its_rows_and_columns_there_and_back(database_url: str) -> None:
    """The database may be shared: what we add is added, and only that is taken back."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(ANOTHER_SYSTEMS_TABLE)
    before = tables(database_url)
    migrator = Migrator(database_url, read_migrations()[:1])
    migrator.up()
    assert {row[1] for row in tables(database_url)} == {"version", "config", "file_path"}
    migrator.down()

    assert tables(database_url) == before
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select version from feature_registry_versions").fetchall() == [("0.9.0",)]


def test_a_failing_migration_leaves_nothing_of_itself_and_all_before_it(database_url: str, tmp_path: Path) -> None:
    write(tmp_path, 1, "good", "create table good (id int);")
    write(tmp_path, 2, "bad", "create table half (id int); create table good (id int);")
    with pytest.raises(MigrationError, match=r"0002_bad\.up\.sql.*good.*already exists"):
        Migrator(database_url, read_migrations(tmp_path)).up()

    assert {row[0] for row in tables(database_url)} == {"good"}
    assert states(database_url, tmp_path) == ["applied", "pending"]


def test_a_failing_way_back_keeps_the_migration_applied(database_url: str, tmp_path: Path) -> None:
    write(tmp_path, 1, "one", "create table one (id int);", "drop table one; drop table never_was;")
    migrator = Migrator(database_url, read_migrations(tmp_path))
    migrator.up()
    with pytest.raises(MigrationError, match="never_was"):
        migrator.down()

    assert {row[0] for row in tables(database_url)} == {"one"}
    assert states(database_url, tmp_path) == ["applied"]


def test_a_dry_run_says_what_would_happen_and_touches_nothing(database_url: str) -> None:
    assert Migrator(database_url).up(dry_run=True) == read_migrations()
    assert tables(database_url) == []
    Migrator(database_url).up()
    before = tables(database_url)
    assert Migrator(database_url).down(dry_run=True) == read_migrations()[-1:]
    assert tables(database_url) == before


def test_a_changed_file_is_refused_by_name(database_url: str, tmp_path: Path) -> None:
    write(tmp_path, 1, "one", "create table one (id int);")
    Migrator(database_url, read_migrations(tmp_path)).up()
    write(tmp_path, 1, "one", "create table one (id bigint);")
    write(tmp_path, 2, "two", "create table two (id int);")

    assert states(database_url, tmp_path) == ["changed", "pending"]
    with pytest.raises(MigrationError, match=r"0001_one\.up\.sql was changed after it was applied"):
        Migrator(database_url, read_migrations(tmp_path)).up()
    assert {row[0] for row in tables(database_url)} == {"one"}


def test_a_database_from_a_newer_version_is_left_alone(database_url: str, tmp_path: Path) -> None:
    write(tmp_path, 1, "one", "create table one (id int);")
    write(tmp_path, 2, "two", "create table two (id int);")
    Migrator(database_url, read_migrations(tmp_path)).up()
    older = Migrator(database_url, read_migrations(tmp_path)[:1])

    assert [status.state for status in older.status()] == ["applied", "unknown"]
    with pytest.raises(MigrationError, match="newer"):
        older.up()


def test_status_of_an_untouched_database_writes_nothing(database_url: str) -> None:
    expected = [Status(migration.number, migration.name, "pending") for migration in read_migrations()]
    assert Migrator(database_url).status() == expected
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select to_regclass('lockstep_migrations')").fetchone() == (None,)


def test_programs_that_migrate_at_once_apply_everything_once(database_url: str, tmp_path: Path) -> None:
    """Each of four processes finds every migration applied, whoever did it."""
    for number in range(1, 6):
        write(tmp_path, number, f"n{number}", f"select pg_sleep(0.05); create table t{number} (id int);")
    code = (
        "import sys; from pathlib import Path; from connectors.postgres.migrate import *;"
        "print(len(Migrator(sys.argv[1], read_migrations(Path(sys.argv[2]))).up()))"
    )
    command = [sys.executable, "-c", code, database_url, str(tmp_path)]
    programs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    applied = [int(program.communicate()[0]) for program in programs]

    assert sum(applied) == 5
    assert states(database_url, tmp_path) == ["applied"] * 5


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"0002_late.up.sql": "", "0002_late.down.sql": ""}, "should have the number 0001"),
        ({"0001_one.up.sql": ""}, r"0001_one\.down\.sql is missing"),
        ({"1_one.sql": ""}, "name it NNNN"),
        ({"0001_one.up.sql": "begin;\nselect 1;\ncommit;", "0001_one.down.sql": ""}, "remove its begin"),
        (
            {f"0001_{name}.{way}.sql": "" for name in ("one", "two") for way in ("up", "down")},
            "0001_two should have the number 0002",
        ),
    ],
)
def test_a_folder_that_breaks_the_rules_is_refused(tmp_path: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(MigrationError, match=message):
        read_migrations(tmp_path)


def test_exactly_the_registry_loaded_last_is_active(database_url: str) -> None:
    """Times are UTC without a zone, whatever the session's zone is; the version before is remembered."""
    Migrator(database_url).up()
    zone = {"options": "-c timezone=Asia/Tokyo", "row_factory": dict_row}
    with psycopg.connect(database_url, **zone) as connection:  # type: ignore[arg-type]
        for version in ("1.0.0", "1.1.0", "1.1.0"):
            config = {"version": version}
            table.synchronise(connection, version, config, version, [], f"config/{version}.yaml", None, "file")
            table.loaded(connection, version, config, version)
        rows = connection.execute(
            "select version, is_active, previous_version, config->>'version' as said, file_path, "
            "abs(extract(epoch from loaded_at - (now() at time zone 'utc'))) < 600 as now "
            "from feature_registry_versions order by version"
        ).fetchall()
    assert [tuple(row.values()) for row in rows] == [
        ("1.0.0", False, None, "1.0.0", "config/1.0.0.yaml", True),
        ("1.1.0", True, "1.0.0", "1.1.0", "config/1.1.0.yaml", True),
    ]
