"""``lockstep learn`` and ``train`` as a user runs them: real processes, a real database, and kill -9."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import psycopg
import pytest
from typer.testing import CliRunner

from cli.main import build
from cli.models_change import previous
from connectors.log.sqlite import SqliteLog
from connectors.postgres.migrate import Migrator
from dataflows.learn import put
from learning.files import ModelFiles
from learning.governor.force import Turn
from schemas.command import Train
from schemas.governance import TrainingDone
from tests.installation import Installation, kill, wait_until
from tests.learn.made import SHARDS, VERSION, answers, models_on


class Place(Installation):
    """An installation with ten minutes of market on its log."""

    def __init__(self, home: Path, database_url: str, market: Path) -> None:
        super().__init__(home, database_url, None, SHARDS, VERSION)
        Migrator(database_url).up()
        session = home / "sessions" / "main"
        shutil.copytree(market, session / "log")
        (home / "session").symlink_to(session.relative_to(home))

    def say(self, *arguments: str, code: int = 0) -> str:
        """What a verb prints, in this process."""
        done = CliRunner().invoke(build(arguments[0]), list(arguments), env=self.environment)
        assert done.exit_code == code, done.output + repr(done.exception)
        return done.stdout

    def open(self) -> SqliteLog:
        return SqliteLog(self.home / "session" / "log")

    def ask(self, name: str) -> None:
        log = self.open()
        put(log, SHARDS, Train("learner", time.time_ns() // 1000, "manual", "asked for", request_id=name))
        log.close()

    def answers(self) -> list[TrainingDone]:
        log = self.open()
        try:
            return answers(log)
        finally:
            log.close()

    def trainers(self) -> list[psutil.Process]:
        """Processes that train for this home."""
        found = []
        for one in psutil.process_iter():
            try:
                if "--answer" in one.cmdline() and one.environ().get("LOCKSTEP_HOME") == str(self.home):
                    found.append(one)
            except psutil.Error:
                continue
        return found


@pytest.fixture
def place(tmp_path: Path, database_url: str, market: Path) -> Iterator[Place]:
    made = Place(tmp_path / "home", database_url, market)
    yield made
    for one in psutil.process_iter():
        try:
            if one.environ().get("LOCKSTEP_HOME") == str(made.home):
                one.kill()
        except psutil.Error:
            continue


@pytest.mark.req("MS-US-4.5", "MS-US-4.2", "MS-US-4.3", "MS-US-2.3", "MS-EC-06")
def test_a_person_trains_promotes_rolls_back_and_asks_what_was_in_force_when(place: Place) -> None:
    """Without a daemon the training is made at once. What ``models`` says of the past is what the log says."""
    first = place.say("train", "--strategy", "learner").splitlines()[-1].split(":")[0]
    files = ModelFiles(place.home / "models")
    record = files.record(first)
    second = files.save(msgspec.structs.replace(record, version=f"{first}.1"), files.path(record).read_bytes()).version
    listed = json.loads(place.say("models", "list", "--json"))
    assert [(row["version"], row["now"], row["trigger"]) for row in listed] == [
        (first, "shadow", "manual"),
        (second, None, "manual"),
    ]
    assert listed[0]["test"]["accuracy"] > 0.5
    assert json.loads(place.say("models", "show", first, "--json"))["family"] == "xgboost"
    assert "the same bytes" in place.say("train", "--again", first)

    place.say("models", "promote", first)
    place.say("models", "promote", second, "--reason", "newer")
    assert f"from {second} to {first}" in place.say("models", "rollback", "learner")
    assert f"from {first} to warm-up" in place.say("models", "rollback", "learner")

    turns = [turn for turn in json.loads(place.say("models", "history", "--json")) if turn["role"] == "champion"]
    assert [turn["after"] for turn in turns] == [first, second, first, None]
    assert turns[1]["reason"] == "newer"
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(turns[-1]["ts"] // 1_000_000 + 1))
    assert json.loads(place.say("models", "history", "--time", moment, "--json")) == [
        {"strategy": "learner", "symbol": None, "version": None}
    ]
    log = place.open()
    one, two = models_on(log)
    assert [event.decision for event in one] == [event.decision for event in two]
    before = len(one)
    refuses_what_cannot_be_used(place, first)
    assert [len(events) for events in models_on(log)] == [before, before]
    log.close()


def refuses_what_cannot_be_used(place: Place, version: str) -> None:
    """No such version, a damaged file, features that the registry does not have, a strategy that is not there."""
    cases: list[tuple[list[str], dict[str, str]]] = [
        (["models", "promote", "v1"], {}),
        (["models", "promote", "online"], {}),
        (["models", "promote", version, "--strategy", "nobody"], {}),
        (["models", "promote", version, "--symbol", "ETHUSDT"], {}),
        (["models", "promote", version], {"LOCKSTEP_REGISTRY": "1.2.0"}),
        (["models", "rollback", "learner"], {}),
        (["train", "--strategy", "nobody"], {}),
    ]
    for arguments, settings in cases:
        done = CliRunner().invoke(build(arguments[0]), arguments, env=place.environment | settings)
        assert type(done.exception).__name__ == "UserError", (arguments, done.output, done.exception)
    (place.home / "models" / version / "model.ubj").write_bytes(b"damaged")
    done = CliRunner().invoke(build("models"), ["models", "promote", version], env=place.environment)
    assert "SHA-256" in str(done.exception)


def test_the_way_back_never_leads_to_what_was_rolled_back_from() -> None:
    """Also past a fall to warm-up in between."""
    story: list[tuple[str | None, str | None]] = [
        ("v1", None), ("v2", "v1"), ("v3", "v2"), ("v2", "v1"), (None, "v1"), ("v4", "v2"), ("v2", "v1"), ("v1", None),
    ]  # fmt: skip
    turns: list[Turn] = []
    for after, expected in story:
        turns.append(Turn(len(turns), ("alpha", ""), "champion", None, after, "", ""))
        turns.append(Turn(len(turns), ("beta", ""), "champion", None, "v9", "", ""))
        turns.append(Turn(len(turns), ("alpha", ""), "shadow", None, "v8", "", ""))
        assert previous(turns, "alpha", "") == expected


@pytest.mark.slow
@pytest.mark.req("MS-US-2.2", "MS-US-2.9", "TK-MS-19", "TK-MS-20")
def test_the_trainer_and_the_daemon_may_be_killed_at_any_time(place: Place) -> None:
    """Both requests are answered, with a model; what was killed leaves neither a process nor half a version."""
    daemon = place.start("learn", "--no-builds")
    wait_until((place.home / "learn" / "status.json").exists, "the status", daemon)
    assert "already learns here" in place.run("learn", code=5)

    place.ask("r1")
    wait_until(lambda: bool(place.trainers()), "a training", daemon)
    first = place.trainers()[0]
    assert first.nice() == 19
    first.kill()
    wait_until(lambda: any(one.pid != first.pid for one in place.trainers()), "the second try", daemon)
    for second in place.trainers():
        second.suspend()  # a quick one could be done before its daemon is killed
    kill(daemon)
    wait_until(lambda: not place.trainers(), "the end of the orphan")
    assert place.answers() == []

    place.ask("r2")
    daemon = place.start("learn", "--no-builds")
    log = place.open()
    wait_until(lambda: all(models_on(log)), "a candidate", daemon)
    daemon.terminate()
    assert daemon.wait(60) == 0

    [done] = place.answers()
    assert (done.status, done.requests) == ("ready", ("r1", "r2"))
    assert [[event.version for event in events] for events in models_on(log)] == [[done.version], [done.version]]
    log.close()
    assert [path.name for path in (place.home / "models").iterdir()] == [done.version]
    with psycopg.connect(place.settings["DATABASE_URL"]) as connection:
        assert connection.execute("select version from model_versions").fetchall() == [(done.version,)]
