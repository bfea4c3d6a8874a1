"""learn: events, commands, learning, quality, account, predictions, features -> governor -> events, commands, learning.

A plain loop, as ``persist`` is: what is known follows from the log, what is decided goes there, and counts only when it
comes back from there. So it can be stopped or killed anywhere, and decides nothing twice.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import structlog

from connectors.control import append_now
from connectors.log import Log, NewRecord
from dataflows.learn_feed import Feed
from learning.governor.actions import Action, Announce, Answer, Ask, Raise
from learning.governor.governor import Governor
from learning.governor.quality import QualityPoint
from learning.governor.queue import Request
from operators.trading.stage import InForce
from schemas.codec import encode
from schemas.command import Train
from schemas.governance import AnyLearning, TrainingDone
from schemas.model import ONLINE
from schemas.strategy import Strategy
from schemas.topics import COMMANDS, LEARNING, shard_of

ROUNDS = 8
"""Decisions that may follow from one another within a step: a training, its shadow, what that pushes out."""
TRIES = 3
"""How often a training may be killed before it is given up: what kills it may be its own hunger for memory."""
LOGGER = structlog.get_logger()


class Runner(Protocol):
    """Makes trainings, one at a time."""

    def start(
        self, request: Request, settings: Strategy | None, champion: InForce | None, now: int
    ) -> TrainingDone | None:
        """Begin; what came of it where that is known at once, else ``learning`` will hold it.

        ``settings`` None: no such strategy was ever configured. ``champion`` is who the candidate will be held against.
        """
        ...

    def busy(self) -> bool:
        """Whether a training runs."""
        ...

    def killed(self) -> bool:
        """Whether the last one was ended by a signal, and not by itself."""
        ...

    def cancel(self) -> None:
        """End it, without an answer. Harmless where none runs."""
        ...


class Learner:
    """The governor of one log, at work.

    Args:
        log: where the topics are; all of them exist.
        shards: how many each has.
        runner: makes the trainings; ``InProcess`` does it at once and deterministically, within ``step``.
        points: takes the figures of each hour, to store them; the same ones may come again after a restart.
        sole: held while model events are written, so that no two writers mix theirs.
        status: told what goes on, after each step.
    """

    def __init__(
        self,
        log: Log,
        shards: int,
        runner: Runner,
        points: Callable[[Sequence[QualityPoint]], None] = lambda points: None,
        sole: Callable[[], AbstractContextManager[object]] = nullcontext,
        status: Callable[["Learner"], None] = lambda learner: None,
    ) -> None:
        self.log = log
        self.shards = shards
        self.runner = runner
        self.points = points
        self.sole = sole
        self.status = status
        self.governor = Governor(shards)
        self.feed = Feed(log, shards, self.governor)
        self.began = 0.0
        """When the training that runs began, by the monotonic clock."""
        self.tries: dict[tuple[str, ...], int] = {}
        """How often the training of a request was killed."""

    def step(self, now: int | None = None) -> list[Action]:
        """Read what is new, do what is to be done, and return it. ``now`` (microseconds UTC) is the log's own time.

        With a runner that is done at once, everything follows from what stands on the log: two learners that are
        stepped at the same places write the same.
        """
        done: list[Action] = []
        for _ in range(ROUNDS):
            self.feed.follow()
            actions = self._decide(now)
            done += actions
            if not actions and not self._train(now):
                break
        self.points(self.governor.points(now))
        self.status(self)
        return done

    def wait(self, seconds: float) -> None:
        """Until the log may hold something new."""
        self.feed.wait(seconds)

    def close(self) -> None:
        """End what runs; it begins again with the next start."""
        self.runner.cancel()
        self.feed.close()

    def _decide(self, now: int | None) -> list[Action]:
        actions = self.governor.decide(now)
        if not any(isinstance(action, Announce) for action in actions):
            for action in actions:
                self._do(action)
            return actions
        with self.sole():
            self.feed.follow()  # somebody may have written since, or finished what looked unfinished
            actions = self.governor.decide(now)
            for action in actions:
                self._do(action)
        return actions

    def _do(self, action: Action) -> None:
        if isinstance(action, Announce):
            for shard in action.shards:
                append_now(self.log, shard, action.event)
            LOGGER.info("learn.decided", **_told(action.event))
        elif isinstance(action, Ask):
            self.put(action.command)
        elif isinstance(action, Raise):
            LOGGER.warning("learn.alert", **_told(action.alert))
            self.put(action.alert)
        elif isinstance(action, Answer):
            LOGGER.warning("learn.refused", **_told(action.done))
            self.put(action.done)

    def put(self, record: Train | AnyLearning) -> None:
        """Append a record to its topic, as of the log's time."""
        put(self.log, self.shards, record)

    # --- trainings ---

    def _train(self, now: int | None) -> bool:
        """Look after the training that runs, or start the next one; whether the log has anything new to tell of it."""
        queue = self.governor.queue
        if queue.running is not None or self.runner.busy():
            return self._look_after(now)
        if (request := queue.next()) is None:
            return False
        settings = self.governor.force.strategies.get(request.strategy)
        queue.start(request)
        self.began = time.monotonic()
        LOGGER.info("learn.training", strategy=request.strategy, trigger=request.trigger, reason=request.reason)
        champion = self._champion(request)
        done = self.runner.start(request, settings, champion, self._now(now))
        if done is not None:
            self._answer(done)
        return done is not None

    def _champion(self, request: Request) -> InForce | None:
        """Who the candidate will be held against in its backtest; the online model has no file to do that with."""
        known = self.governor.force.champions
        held = known.get((request.strategy, request.symbol or "")) or known.get((request.strategy, ""))
        return None if held is None or held.version == ONLINE else InForce(held.version, held.sha256)

    def _look_after(self, now: int | None) -> bool:
        running = self.governor.queue.running
        if running is None:
            if self.runner.busy():
                return False  # it has answered, and is about to end
            self.runner.cancel()
            return True
        if self.governor.queue.overtaken() is not None:
            self.runner.cancel()
            return self._answer(self._ended(running, now, "cancelled", "an urgent request begins it anew"))
        settings = self.governor.force.strategies.get(running.strategy)
        limit = settings.learning.training.max_seconds if settings else 0
        if time.monotonic() - self.began > limit:
            self.runner.cancel()
            return self._answer(self._ended(running, now, "failed", f"it took more than {limit} s (max_seconds)"))
        if self.runner.busy():
            return False
        self.feed.follow()
        if self.governor.queue.running is None:
            return True
        self.tries[running.ids] = self.tries.get(running.ids, 0) + 1
        if self.runner.killed() and self.tries[running.ids] < TRIES:
            LOGGER.warning("learn.training_killed", strategy=running.strategy, tries=self.tries[running.ids])
            self.governor.queue.stop()
            return True
        return self._answer(self._ended(running, now, "failed", "it ended without an answer: see logs/training.log"))

    def _answer(self, done: TrainingDone) -> bool:
        self.put(done)
        return True

    def _ended(self, request: Request, now: int | None, status: str, error: str) -> TrainingDone:
        LOGGER.warning("learn.training_ended", strategy=request.strategy, status=status, error=error)
        seconds = round(time.monotonic() - self.began, 3)
        return ended(request, self._now(now), status, error, seconds)

    def _now(self, now: int | None) -> int:
        return self.governor.clock if now is None else now


def ended(request: Request, now: int, status: str, error: str, seconds: float = 0.0) -> TrainingDone:
    """The end of a training without a model."""
    return TrainingDone(
        request.strategy,
        now,
        now,
        "cancelled" if status == "cancelled" else "failed",
        request.ids,
        request.trigger,
        request.symbol,
        seconds=seconds,
        error=error,
    )


def put(log: Log, shards: int, record: Train | AnyLearning) -> None:
    """Append a request, a report or an alert, keyed by its strategy."""
    topic = COMMANDS if isinstance(record, Train) else LEARNING
    shard = shard_of(record.strategy, shards)
    log.append(topic.name, shard, [NewRecord(record.strategy.encode(), encode(record), record.ts)])


def _told(record: object) -> dict[str, object]:
    """The fields of a record that say something, for a log line."""
    names = ("strategy", "symbol", "version", "kind", "level", "status", "watching", "reason", "message", "error")
    found = {name: getattr(record, name, None) for name in names}
    return {name: value for name, value in found.items() if value not in (None, "")}
