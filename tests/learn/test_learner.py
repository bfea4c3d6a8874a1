"""The governor at work on a log: what it writes, and what a kill at any point leaves behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from connectors.control import append_now, broadcast
from connectors.log import Log, NewRecord
from connectors.log.sqlite import SqliteLog
from dataflows.learn import Learner, put
from dataflows.learn_status import status
from dataflows.retrain import InProcess
from dataflows.workshop import Workshop
from learning.files import ModelFiles
from learning.governor.actions import Ask
from learning.governor.queue import Request
from operators.trading.stage import InForce
from schemas.codec import encode
from schemas.command import Train
from schemas.governance import TrainingDone
from schemas.market import Tick
from schemas.model import ModelActivated
from schemas.strategy import Strategy, StrategyConfigured
from schemas.topics import PREDICTIONS
from tests.learn.made import MINUTE, SECOND, SHARDS, all_of, answers, copied, models_on, open_log, registry, strategy
from tests.learning.governor.made import START, outcome

ROOT = Path(__file__).resolve().parents[2]


class Slow:
    """A training that takes until it is told to have ended: what a process of its own looks like from here."""

    def __init__(self) -> None:
        self.running: Request | None = None
        self.was_killed = False
        self.cancelled: list[Request] = []

    def start(self, request: Request, settings: Strategy | None, champion: InForce | None, now: int) -> None:
        self.running, self.was_killed = request, False

    def busy(self) -> bool:
        return self.running is not None

    def killed(self) -> bool:
        return self.was_killed

    def cancel(self) -> None:
        if self.running is not None:
            self.cancelled.append(self.running)
        self.running = None

    def end(self, *, killed: bool = False) -> None:
        self.running, self.was_killed = None, killed


def in_process(log: Log, folder: Path) -> Learner:
    shop = Workshop(log, SHARDS, registry(), ModelFiles(folder / "models"), folder / "work", tries=False)
    return Learner(log, SHARDS, InProcess(shop))


def waiting_log(folder: Path) -> SqliteLog:
    """A log with a strategy and a clock, and no market."""
    log = open_log(folder)
    broadcast(log, SHARDS, [StrategyConfigured(1, strategy())])
    tick(log, START)
    return log


def tick(log: Log, now: int) -> None:
    for shard in range(SHARDS):
        log.append("events", shard, [NewRecord(None, encode(Tick(now)), now)])


def outcomes(log: Log, model: str, rights: list[bool], begin: int) -> int:
    """Outcomes of a model ten seconds apart, as the flow publishes them; returns when the last one was known."""
    made = [outcome(begin + 10 * SECOND * n, right, model, name="learner") for n, right in enumerate(rights)]
    log.append(PREDICTIONS.name, 0, [NewRecord(b"BTCUSDT", encode(one), one.matured) for one in made])
    tick(log, made[-1].matured)
    return made[-1].matured


def ask(log: Log, now: int, urgent: bool = True, name: str = "learner") -> None:
    put(log, SHARDS, Train(name, now, "manual", "asked for", urgent=urgent, by="test", request_id=f"r{now}"))


@pytest.mark.req("MS-US-2.2", "MS-US-3.3", "MS-US-4.3", "TK-MS-43")
def test_a_request_becomes_a_model_in_shadow_and_good_outcomes_a_promotion(market: Path, tmp_path: Path) -> None:
    """Everything is on the log: the request, the answer, and the same events in every shard."""
    log = copied(market, tmp_path / "log")
    ask(log, START)
    learner = in_process(log, tmp_path)
    learner.step()
    [done] = answers(log)
    begin = learner.governor.clock
    outcomes(log, str(done.version), [True] * 9 + [False] + [True] * 20, begin + SECOND)
    learner.step()

    assert (done.status, done.requests) == ("ready", (f"r{START}",))
    for events in models_on(log):
        assert [(type(event).__name__, event.version, getattr(event, "watching", None)) for event in events] == [
            ("ModelShadowed", done.version, True),
            ("ModelActivated", done.version, None),
            ("ModelShadowed", done.version, False),
        ]
        assert {event.sha256 for event in events} == {done.sha256}
    assert learner.step() == []
    told = status(learner)
    assert (told["is_training"], told["queue_size"], told["last_training"]["version"]) == (False, 0, done.version)


def test_two_learners_at_the_same_places_write_the_same(market: Path, tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        log = copied(market, tmp_path / name / "log")
        ask(log, START)
        learner = in_process(log, tmp_path / name)
        learner.step()
        outcomes(log, str(answers(log)[0].version), [True] * 30, learner.governor.clock + SECOND)
        learner.step()
        told = [all_of(log, topic, shard) for topic in ("events", "commands") for shard in range(SHARDS)]
        found.append((told, [(done.version, done.sha256, done.metrics) for done in answers(log)]))

    assert found[0] == found[1]


@pytest.mark.req("MS-EC-02", "MS-US-2.9", "MS-FR-023")
def test_an_urgent_request_ends_the_training_that_runs_and_begins_it_anew(tmp_path: Path) -> None:
    log, runner = waiting_log(tmp_path / "log"), Slow()
    learner = Learner(log, SHARDS, runner)
    ask(log, START + 1, urgent=False)
    learner.step()
    ask(log, START + 2, urgent=False)
    learner.step()
    assert runner.cancelled == []

    ask(log, START + 3)
    learner.step()

    assert [request.ids for request in runner.cancelled] == [(f"r{START + 1}",)]
    assert [(done.status, done.requests) for done in answers(log)] == [("cancelled", (f"r{START + 1}",))]
    assert runner.running is not None
    assert runner.running.ids == (f"r{START + 2}", f"r{START + 3}")
    assert status(learner)["current_training"]["training_id"] == f"r{START + 3}"


def test_a_request_of_another_strategy_waits_its_turn(tmp_path: Path) -> None:
    log, runner = waiting_log(tmp_path / "log"), Slow()
    learner = Learner(log, SHARDS, runner)
    ask(log, START + 1)
    learner.step()
    ask(log, START + 2, name="unknown")
    learner.step()
    assert runner.cancelled == []
    assert [request.strategy for request in learner.governor.queue.waiting] == ["unknown"]

    runner.end()
    put(log, SHARDS, TrainingDone("learner", START + 5, START + 1, "failed", (f"r{START + 1}",)))
    learner.step()
    assert runner.running is not None and runner.running.strategy == "unknown"


def test_a_training_that_is_killed_is_made_again_and_given_up_the_third_time(tmp_path: Path) -> None:
    log, runner = waiting_log(tmp_path / "log"), Slow()
    learner = Learner(log, SHARDS, runner)
    ask(log, START + 1)
    for _ in range(2):
        learner.step()
        runner.end(killed=True)
        learner.step()
        assert runner.running is not None and answers(log) == []
    runner.end(killed=True)
    learner.step()

    [done] = answers(log)
    assert (done.status, done.requests) == ("failed", (f"r{START + 1}",))
    assert "without an answer" in done.error


def test_a_training_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    log, runner = waiting_log(tmp_path / "log"), Slow()
    learner = Learner(log, SHARDS, runner)
    ask(log, START + 1)
    learner.step()
    learner.began -= 1801
    learner.step()

    assert runner.cancelled and "more than 1800 s" in answers(log)[0].error


@pytest.mark.req("MS-EC-01", "MS-US-2.6")
def test_a_schedule_that_was_missed_is_asked_for_once_whoever_looks(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    broadcast(log, SHARDS, [StrategyConfigured(1, strategy(schedule="hourly"))])
    tick(log, START + 60 * MINUTE)
    for _ in range(2):
        learner = Learner(log, SHARDS, Slow())
        asked = [action for action in learner.step() if isinstance(action, Ask)]
        learner.feed.close()

    assert asked == []
    [command] = [value for shard in range(SHARDS) for value in all_of(log, "commands", shard)]
    assert b'"schedule"' in command


# --- killed anywhere ---


class Killed(Exception):
    """The process is gone."""


class Dying:
    """A log on which a writer dies after so many appends."""

    def __init__(self, log: Log, appends: int) -> None:
        self.log = log
        self.left = appends

    def append(self, topic: str, shard: int, records: list[NewRecord]) -> int:
        if self.left == 0:
            raise Killed
        self.left -= 1
        return self.log.append(topic, shard, records)

    def __getattr__(self, name: str) -> object:
        return getattr(self.log, name)


def story(log: Log, appends: int) -> int:
    """Shadow, promotion, fall and shadow again, by writers of which each dies after ``appends`` appends; how many."""
    put(
        log,
        SHARDS,
        TrainingDone("learner", START, START, "ready", version="v1", sha256="ab", metrics={"accuracy": 0.9}),
    )
    lives = 0
    begin = START + SECOND
    for rights in ([], [True] * 30, [False] * 30):
        if rights:
            begin = outcomes(log, "v1", rights, begin)
        while True:
            lives += 1
            assert lives < 100, "it never gets anywhere"
            learner = Learner(Dying(log, appends), SHARDS, Slow())  # type: ignore[arg-type]
            try:
                learner.step()
                break
            except Killed:
                continue
            finally:
                learner.feed.close()
    return lives


@pytest.mark.req("MS-US-4.3")
@pytest.mark.parametrize("appends", [1, 2, 3, 5])
def test_a_writer_that_dies_after_any_append_neither_loses_nor_doubles_a_decision(tmp_path: Path, appends: int) -> None:
    undisturbed = waiting_log(tmp_path / "undisturbed")
    story(undisturbed, 1000)
    log = waiting_log(tmp_path / "log")
    assert story(log, appends) > 3

    expected = models_on(undisturbed)
    assert [type(event).__name__ for event in expected[0]] == [
        "ModelShadowed", "ModelActivated", "ModelShadowed", "ModelActivated", "ModelShadowed",
    ]  # fmt: skip
    for shard, events in enumerate(models_on(log)):
        assert [(event.decision, event.version) for event in events] == [
            (event.decision, event.version) for event in expected[shard]
        ]
    for topic in ("learning", "commands"):
        for shard in range(SHARDS):
            assert all_of(log, topic, shard) == all_of(undisturbed, topic, shard)


KILLED = """
import os, signal, sys
from pathlib import Path
from connectors.log.sqlite import SqliteLog
from dataflows import learn
from tests.learn.made import SHARDS
from tests.learn.test_learner import Slow

write, left = learn.append_now, int(sys.argv[2])

def dying(log, shard, event):
    global left
    write(log, shard, event)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

learn.append_now = dying
learn.Learner(SqliteLog(Path(sys.argv[1])), SHARDS, Slow()).step()
"""


@pytest.mark.req("MS-US-4.3")
def test_a_process_that_is_killed_between_two_shards_of_a_promotion(tmp_path: Path) -> None:
    """kill -9 for real; until somebody has finished it, the shards disagree, and afterwards nobody knows of it."""
    log = waiting_log(tmp_path / "log")
    put(log, SHARDS, TrainingDone("learner", START, START, "ready", version="v1", sha256="ab"))
    Learner(log, SHARDS, Slow()).step()
    outcomes(log, "v1", [True] * 30, START + SECOND)

    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "log"), "1"], cwd=ROOT, check=False)
    assert done.returncode == -9
    assert [len(events) for events in models_on(log)] == [2, 1]

    Learner(log, SHARDS, Slow()).step()
    first, second = models_on(log)
    assert [event.decision for event in first] == [event.decision for event in second]
    assert [type(event).__name__ for event in first] == ["ModelShadowed", "ModelActivated", "ModelShadowed"]


def test_what_a_person_left_half_done_is_finished(tmp_path: Path) -> None:
    """``lockstep models promote`` was killed between two shards."""
    log = waiting_log(tmp_path / "log")
    event = ModelActivated(1, "learner", "v7", sha256="ab", by="somebody", decision="hand/1")
    append_now(log, 1, event)
    Learner(log, SHARDS, Slow()).step()

    for [found] in models_on(log):
        assert (found.version, found.by, found.decision) == ("v7", "somebody", "hand/1")
