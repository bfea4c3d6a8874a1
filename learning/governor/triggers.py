"""When a strategy's model should be trained again: on log time, and on what has come in since the last training."""

from typing import Literal, NamedTuple

from learning.governor.queue import PRIORITIES, Priority
from learning.governor.schedule import next_after
from schemas.command import Train
from schemas.governance import ModelAlert, TrainingDone
from schemas.strategy import Strategy

MINUTE = 60_000_000
DAY = 86_400_000_000
Trigger = Literal["schedule", "interval", "rows", "executions", "degradation", "drift", "manual"]


class Due(NamedTuple):
    """A reason to train: ``cause`` tells it from every other one."""

    trigger: Trigger
    cause: str
    reason: str


class Triggers:
    """What one strategy has seen since its last training.

    A training counts from the log's time at which it began, whatever came of it: what it did not find then is not there
    a second later. Rows and executions are counted to the minute. What was asked for already is known from the commands
    on the log, so nothing is asked for twice.
    """

    def __init__(self) -> None:
        self.begun: int | None = None
        """When the last training began, log time."""
        self.trained: int | None = None
        """When the last one that gave a model began."""
        self.rows: dict[int, int] = {}
        self.executions: dict[int, int] = {}
        self.asked: dict[str, int] = {}
        """When a trigger asked last."""
        self.causes: set[str] = set()
        self.drift: tuple[int, str] | None = None
        self.degraded: tuple[int, str] | None = None

    def row(self, ts: int) -> None:
        """A vector that a dataset would hold."""
        self._count(self.rows, ts)

    def execution(self, ts: int) -> None:
        """An execution of the strategy."""
        self._count(self.executions, ts)

    def drifted(self, ts: int, reason: str) -> None:
        """The online model noticed that the market changed."""
        self.drift = ts, reason

    def alerted(self, alert: ModelAlert) -> None:
        """The champion got worse."""
        if alert.kind == "model.degraded":
            self.degraded = alert.ts, alert.message

    def commanded(self, command: Train) -> None:
        """Somebody asked."""
        self.asked[command.trigger] = max(command.ts, self.asked.get(command.trigger, 0))
        self.causes.add(command.request_id)

    def done(self, done: TrainingDone) -> None:
        """A training ended."""
        if done.status == "cancelled":
            return
        self.begun = max(done.started, self.begun or 0)
        if done.status == "ready":
            self.trained = max(done.started, self.trained or 0)
        for counts in (self.rows, self.executions):
            for minute in [minute for minute in counts if minute < done.started // MINUTE]:
                del counts[minute]

    def due(self, settings: Strategy, configured: int, now: int, busy: bool) -> Due | None:
        """The most pressing reason to ask for a training; None: there is none.

        ``busy``: a training of the strategy runs or waits, which only what is critical may overtake.
        """
        found = [
            due
            for due in (
                self._worse(settings, now),
                *(() if busy else (self._planned(settings, configured, now), *self._counted(settings, now))),
            )
            if due is not None and due.cause not in self.causes
        ]
        return min(found, key=lambda due: PRIORITIES[due.trigger], default=None)

    def planned(self, settings: Strategy, configured: int) -> int | None:
        """The next moment that time alone makes due; None: there is none."""
        training = settings.learning.training
        last = max(configured, self.asked.get("schedule", 0))
        moments = [next_after(training.schedule, last)]
        if training.interval_days and self.begun is not None:
            moments.append(self.begun + int(training.interval_days * DAY))
        return min((moment for moment in moments if moment is not None), default=None)

    def _count(self, counts: dict[int, int], ts: int) -> None:
        minute = ts // MINUTE
        if self.begun is None or minute >= self.begun // MINUTE:
            counts[minute] = counts.get(minute, 0) + 1

    def _worse(self, settings: Strategy, now: int) -> Due | None:
        """Degradation and drift, not more often than the champion may change."""
        training = settings.learning.training
        gap = int(settings.learning.promotion.dwell_minutes * MINUTE)
        kinds: tuple[tuple[Trigger, bool, tuple[int, str] | None], ...] = (
            ("degradation", training.on_degradation, self.degraded),
            ("drift", training.on_drift, self.drift),
        )
        for trigger, wanted, seen in kinds:
            if not wanted or seen is None or (self.begun is not None and seen[0] <= self.begun):
                continue
            asked = self.asked.get(trigger)
            if asked is None or (seen[0] > asked and now - asked >= gap):
                return Due(trigger, f"{trigger}/{settings.strategy}/{seen[0]}", seen[1])
        return None

    def _planned(self, settings: Strategy, configured: int, now: int) -> Due | None:
        training = settings.learning.training
        last = max(configured, self.asked.get("schedule", 0))
        moment = next_after(training.schedule, last)
        if moment is not None and moment <= now:
            return Due("schedule", f"schedule/{settings.strategy}/{moment}", f"the schedule {training.schedule}")
        if self.begun is not None and training.interval_days and now >= self.begun + training.interval_days * DAY:
            reason = f"{training.interval_days:g} days since the last training"
            return Due("interval", f"interval/{settings.strategy}/{self.begun}", reason)
        return None

    def _counted(self, settings: Strategy, now: int) -> tuple[Due | None, ...]:
        training = settings.learning.training
        begun = self.begun or 0
        rows, executions = (sum(counts.values()) for counts in (self.rows, self.executions))
        found: list[Due | None] = []
        if self.trained is None and rows >= (self._first(settings) if self.begun is None else training.min_rows) > 0:
            reason = f"no model yet, and {rows} new rows to learn from"
            found.append(Due("rows", f"first/{settings.strategy}/{begun}", reason))
        if 0 < training.new_rows <= rows:
            found.append(Due("rows", f"rows/{settings.strategy}/{begun}", f"{rows} new rows"))
        if 0 < training.new_executions <= executions:
            found.append(Due("executions", f"executions/{settings.strategy}/{begun}", f"{executions} new executions"))
        return tuple(found)

    @staticmethod
    def _first(settings: Strategy) -> int:
        """Rows for the first training: enough of them before those of validation and test, and those that a split
        loses because their horizon, or the embargo, reaches into the next."""
        training, target = settings.learning.training, settings.learning.target
        held_out = (training.validation_days + training.test_days) * 86_400
        lost = target.horizon + training.embargo
        return training.min_rows + int((held_out + lost) / training.every * len(settings.symbols))


def command(settings: Strategy, due: Due, now: int) -> Train:
    """The request that a reason makes; critical ones overtake what runs."""
    urgent = PRIORITIES[due.trigger] == Priority.CRITICAL
    return Train(settings.strategy, now, due.trigger, due.reason, urgent=urgent, by="learn", request_id=due.cause)
