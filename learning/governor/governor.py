"""The governor: everything it knows follows from the log, everything it wants goes there."""

from collections.abc import Iterator
from typing import Any

from learning.governor.actions import Action, Announce, Answer, Ask
from learning.governor.alarms import Alarms
from learning.governor.evidence import Evidence
from learning.governor.force import Force
from learning.governor.quality import HOUR, WINDOW, QualityPoint
from learning.governor.queue import Queue, Request, request_of
from learning.governor.succession import Succession
from learning.governor.triggers import Triggers, command
from schemas.account import Execution
from schemas.command import Train
from schemas.governance import AnyLearning, ModelAlert, TrainingDone
from schemas.model import ModelActivated, ModelShadowed
from schemas.prediction import Outcome
from schemas.quality import QualityRecord
from schemas.strategy import Strategy, StrategyConfigured


class Governor:
    """What is known of the models of every strategy, and what is to be done about them.

    Args:
        shards: how many the log has.
    """

    def __init__(self, shards: int) -> None:
        self.force = Force(shards)
        self.queue = Queue()
        self.evidence = Evidence()
        self.alarms = Alarms(self.evidence)
        self.succession = Succession(self.force, self.evidence, self.alarms)
        self.clock = 0
        """The log's time, by its ticks; microseconds UTC."""
        self.last: TrainingDone | None = None
        """The training that ended last."""
        self.trainings: dict[str, int] = {}
        """How many ended, by how."""
        self._reported = 0
        self._triggers: dict[str, Triggers] = {}
        self._dropped: list[Request] = []

    # --- what is known ---

    def triggers(self, strategy: str) -> Triggers:
        """What a strategy has seen since its last training."""
        return self._triggers.setdefault(strategy, Triggers())

    def tick(self, ts: int) -> None:
        """The log's clock went on."""
        self.clock = max(self.clock, ts)

    def row(self, symbol: str, ts: int) -> None:
        """The flow published an untainted vector."""
        self.evidence.heard = max(self.evidence.heard, ts)
        for name, settings in self.force.strategies.items():
            if symbol in settings.symbols and ts // 1_000_000 % settings.learning.training.every == 0:
                self.triggers(name).row(ts)

    def feed(self, record: Any, shard: int = 0, place: str = "") -> None:
        """Take a record of the topics events, predictions, account, quality, commands or learning.

        ``place`` names a command that has no id; other kinds of record are passed over.
        """
        if isinstance(record, StrategyConfigured | ModelActivated | ModelShadowed):
            self.force.feed(shard, record)
        elif isinstance(record, Outcome):
            self.evidence.outcome(record)
        elif isinstance(record, Execution) and record.strategy:
            self.evidence.execution(record)
            self.triggers(record.strategy).execution(record.ts)
        elif isinstance(record, QualityRecord):
            self._quality(record)
        elif isinstance(record, Train):
            self.triggers(record.strategy).commanded(record)
            if dropped := self.queue.add(request_of(record, place)):
                self._dropped.append(dropped)
        elif isinstance(record, TrainingDone | ModelAlert):
            self._report(record)

    def _quality(self, record: QualityRecord) -> None:
        """Drift counts where the errors of a model that decides, or of the online one, have become more."""
        detail = record.detail
        strategy = str(detail.get("strategy", ""))
        if record.problem == "model.refused" and strategy:
            self.alarms.refused(record)
        if record.problem == "model.drift" and strategy and detail.get("role") != "shadow":
            before, after = (float(detail.get(name, 0.0)) for name in ("error_before", "error_after"))
            if after >= before:
                what = f"{detail.get('model', 'a model')} errs in {after:.1%} instead of {before:.1%}"
                self.triggers(strategy).drifted(record.ts, f"drift: {what} on {record.symbol}")

    def _report(self, report: AnyLearning) -> None:
        if isinstance(report, ModelAlert):
            self.alarms.feed(report)
            self.triggers(report.strategy).alerted(report)
            return
        self.queue.answered(report)
        self._dropped = [one for one in self._dropped if not set(report.requests).issuperset(one.ids)]
        self.triggers(report.strategy).done(report)
        self.evidence.done(report)
        self.trainings[report.status] = self.trainings.get(report.status, 0) + 1
        if report.status != "cancelled":
            self.last = report

    # --- what is to be done ---

    def decide(self, now: int | None = None) -> list[Action]:
        """What is to be done at ``now`` (None: the log's time), in this order.

        What a killed writer left half done comes first, and alone: everything else rests on it. Models are judged at
        the time up to which the trading flow has told of them.
        """
        now = self.clock if now is None else now
        if incomplete := [Announce(*found) for found in self.force.incomplete()]:
            return list(incomplete)
        actions: list[Action] = [*self.alarms.refusals(), *self._answers(now)]
        heard = min(self.evidence.heard or now, now)
        for settings in self.force.strategies.values():
            for key in self.succession.keys(settings):
                actions += self.succession.actions(settings, key, heard)
            actions += self._trainings(settings, now)
        return actions

    def points(self, now: int | None = None) -> list[QualityPoint]:
        """The figures of every model at each full hour that has passed since the last call, at most those of a day."""
        ended = (self.evidence.heard if now is None else now) // HOUR
        first = max(self._reported + 1, ended - WINDOW // HOUR + 1)
        self._reported = max(self._reported, ended)
        return [one for hour in range(first, ended + 1) for one in self.figures(hour * HOUR)]

    def figures(self, ts: int) -> list[QualityPoint]:
        """The figures of every model that did anything in the day before ``ts``."""
        return [one for settings in self.force.strategies.values() for one in self.evidence.figures(settings, ts)]

    def planned(self) -> int | None:
        """The next training that time alone makes due (microseconds UTC, log time)."""
        moments = [
            self.triggers(name).planned(settings, self.force.configured[name])
            for name, settings in self.force.strategies.items()
            if settings.learning.training.enabled
        ]
        return min((moment for moment in moments if moment is not None), default=None)

    def _trainings(self, settings: Strategy, now: int) -> Iterator[Action]:
        if settings.learning.training.enabled and settings.enabled:
            waiting = [*self.queue.waiting, self.queue.running]
            busy = any(one is not None and one.strategy == settings.strategy for one in waiting)
            configured = self.force.configured[settings.strategy]
            if due := self.triggers(settings.strategy).due(settings, configured, now, busy):
                yield Ask(command(settings, due, now))

    def _answers(self, now: int) -> Iterator[Answer]:
        """To those for whom there was no place in the queue."""
        error = f"the queue is full: {self.queue.limit} trainings wait that are more pressing"
        for one in self._dropped:
            done = TrainingDone(one.strategy, now, now, "cancelled", one.ids, one.trigger, one.symbol, error=error)
            yield Answer(done)
