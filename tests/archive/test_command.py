"""``lockstep archive``: what it prints, what programs read of it, and what it refuses."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli import sessions
from cli.context import Context, UserError
from cli.main import build
from cli.plan import Plan
from cli.settings import SettingsError, read_settings
from cli.workshop import ONE_THREAD
from tests.archive.made import log_of, of_event
from tests.archive.test_retention import days


class Home:
    """An installation in this process, with a hundred days on its log."""

    def __init__(self, folder: Path, count: int = 30) -> None:
        self.folder = folder
        self.settings = {"LOCKSTEP_HOME": str(folder), "LOCKSTEP_SHARDS": "1", "FEATURE_SERVICE_RETENTION_DAYS": "0"}
        self.archive = sessions.current(folder) / "archive"
        log_of(self.archive.parent / "log", [[of_event(event) for event in days(count)]]).close()

    def invoke(self, *words: str, **settings: str) -> Result:
        return CliRunner().invoke(build("archive"), ["archive", *words], env={**self.settings, **settings})

    def run(self, *words: str, **settings: str) -> str:
        done = self.invoke(*words, **settings)
        assert done.exit_code == 0, (done.output, done.exception)
        return done.stdout

    def json(self, *words: str, **settings: str) -> Any:
        return json.loads(self.run(*words, "--json", **settings))


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A verb that runs in this process gives way to others and listens to signals: undone for the next test."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(os, "nice", lambda _: 0)
    for name in ONE_THREAD:
        monkeypatch.setenv(name, os.environ.get(name, "1"))
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.mark.req("FS-US-3.1", "FS-US-3.2", "FS-EC-07")
def test_a_log_is_archived_looked_at_expired_and_brought_back(home: Home, tmp_path: Path) -> None:
    """Every verb once, in the order of a life, with numbers that can be counted by hand."""
    done = home.json("run", "--until-end")
    assert (done["rows"], done["expired"]) == (91, 0)
    assert home.json("run", "--until-end")["rows"] == 0

    said = home.json("status")
    assert (said["rows"], said["complete"], said["shards"][0]["position"]) == (91, 1.0, 91)
    ticks = next(one for one in said["series"] if one["type"] == "tick")
    assert (ticks["rows"], ticks["days"], ticks["missing"], ticks["symbol"]) == (30, 30, [], None)
    shown = home.run("status")
    assert "2023-11-14 22:13:20.000" in shown and "100.0000% of what the log had" in shown
    assert "offsets 0 to 91, 0 behind the log" in shown

    assert home.json("verify", "--with-log") == {"files": 91, "rows": 91, "compared": 91, "problems": []}
    assert "whole" in home.run("verify", "--quick")

    away = str(tmp_path / "away")
    assert len(home.json("expire", "--days", "10", "--dry-run")["expired"]) == 19 * 3
    assert home.json("status")["rows"] == 91
    gone = home.json("expire", "--days", "10", "--type", "trade", "--to", away)
    assert len(gone["expired"]) == 19 and gone["moved_to"].startswith(away)
    assert "38 files with 38 rows are deleted" in home.run("expire", "--days", "10")

    said = home.json("status")
    assert (said["rows"], said["moved"], said["deleted"]) == (91 - 57, 19, 38)
    back = home.json("restore", "--from", "2023-11-20", "--to", "2023-11-21", "--type", "trade", "--symbol", "AAA")
    assert [name.split("/")[1] for name in back["restored"]] == ["date=2023-11-20", "date=2023-11-21"]
    assert "17 files with 17 rows are back" in home.run("restore")
    assert "38 other files were deleted" in home.run("restore")
    assert "are 2 now" not in home.run("compact")
    assert home.json("verify")["problems"] == []


def test_what_is_damaged_ends_with_an_error(home: Home) -> None:
    home.run("run", "--until-end")
    next(home.archive.rglob("type=trade/**/*.parquet")).unlink()
    done = home.invoke("verify")

    assert done.exit_code == 1
    assert "is missing: bring a copy of it back" in done.stdout


def test_without_an_archive_every_verb_says_what_to_do(home: Home) -> None:
    for verb in ("status", "compact", "expire", "restore", "verify"):
        error = home.invoke(verb).exception
        assert "lockstep archive run makes one" in str(error)


def test_types_that_do_not_expire_are_refused(home: Home) -> None:
    home.run("run", "--until-end")
    for kind in ("no.such.type", "strategy.configured"):
        error = home.invoke("expire", "--type", kind).exception
        assert isinstance(error, UserError)
        assert "those that expire are balance, book.delta" in error.message


def test_settings_say_where_and_for_how_long(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions share a folder without meeting in it."""
    settings = {
        "LOCKSTEP_ARCHIVE": str(tmp_path / "big"),
        "FEATURE_SERVICE_RETENTION_DAYS": "20",
        "LOCKSTEP_ARCHIVE_DAYS": "trade=5",
        "LOCKSTEP_ARCHIVE_EXPIRED": str(tmp_path / "old"),
    }
    assert home.json("run", "--until-end", **settings)["expired"] == 24 + 9 + 9
    assert {path.name for path in (tmp_path / "big" / "main").glob("type=*")} >= {"type=tick", "type=trade"}
    assert len(list((tmp_path / "old" / "main").rglob("*.parquet"))) == 42
    assert not home.archive.exists()

    monkeypatch.setenv("LOCKSTEP_ARCHIVE_DAYS", "trades=5")
    with pytest.raises(SettingsError, match="LOCKSTEP_ARCHIVE_DAYS"):
        read_settings()
    monkeypatch.setenv("LOCKSTEP_ARCHIVE_DAYS", "")
    monkeypatch.setenv("FEATURE_SERVICE_RETENTION_DAYS", "-1")
    with pytest.raises(SettingsError, match="FEATURE_SERVICE_RETENTION_DAYS"):
        read_settings()


def test_one_process_archives_a_log(home: Home) -> None:
    import fcntl

    home.run("run", "--until-end")
    with (home.archive / "_archiving").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        error = home.invoke("run").exception
    assert isinstance(error, UserError)
    assert (error.exit_code, "already archives this log" in error.message) == (5, True)


@pytest.mark.parametrize("flow", ["features", "trading"])
def test_the_main_job_archives(flow: str) -> None:
    from cli.flows import Flow

    planned = Plan("demo", ("BTCUSDT",), 1.0, Flow(flow))

    assert planned.commands()["archive"] == ["archive", "run"]
    assert planned.followers[-1] == "archive"


def test_a_verb_that_reads_the_archive_needs_one(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in home.settings.items():
        monkeypatch.setenv(name, value)
    with Context() as context, pytest.raises(Exception, match="there is no archive"):
        context.open_log("archive")
