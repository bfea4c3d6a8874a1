"""What is known of how good each model is."""

from collections.abc import Iterator

from learning.governor.marks import Marks
from learning.governor.quality import WINDOW, QualityPoint, Trades, point
from schemas.account import Execution
from schemas.governance import TrainingDone
from schemas.prediction import Outcome
from schemas.strategy import Strategy


class Evidence:
    """Outcomes, executions and trainings, by strategy and model."""

    def __init__(self) -> None:
        self.heard = 0
        """How far the trading flow is; microseconds UTC."""
        self.marks: dict[tuple[str, str], Marks] = {}
        self.trades: dict[str, Trades] = {}
        self.trained: dict[tuple[str, str], TrainingDone] = {}
        """By strategy and version, in the order in which they ended."""
        self.news: dict[str, int] = {}
        """How many outcomes and executions each strategy has had."""

    def outcome(self, outcome: Outcome) -> None:
        """Take an outcome."""
        self.heard = max(self.heard, outcome.matured)
        self.marks.setdefault((outcome.strategy, outcome.model), Marks()).add(outcome)
        self.news[outcome.strategy] = self.news.get(outcome.strategy, 0) + 1

    def execution(self, execution: Execution) -> None:
        """Take an execution of a strategy."""
        self.heard = max(self.heard, execution.ts)
        self.trades.setdefault(execution.strategy, Trades()).add(execution)
        self.news[execution.strategy] = self.news.get(execution.strategy, 0) + 1

    def done(self, done: TrainingDone) -> None:
        """Take the end of a training."""
        if done.status == "ready" and done.version:
            self.trained[done.strategy, done.version] = done

    def of(self, strategy: str, version: str) -> Marks:
        """The outcomes of a model."""
        return self.marks.get((strategy, version)) or Marks()

    def tested(self, strategy: str, version: str) -> dict[str, float]:
        """The figures of a model's test split and backtest; none where nobody knows them."""
        done = self.trained.get((strategy, version))
        return done.metrics if done is not None else {}

    def figures(self, settings: Strategy, ts: int) -> Iterator[QualityPoint]:
        """The figures of every model of a strategy that did anything in the day before ``ts``."""
        strategy = settings.strategy
        trades = self.trades.get(strategy)
        models: list[str | None] = [model for name, model in self.marks if name == strategy]
        for model in dict.fromkeys([*models, *(trades.versions() if trades else [])]):
            marks = self.marks.get((strategy, model)) if model is not None else None
            found = point(strategy, model, ts, marks, trades, settings.learning.online.window)
            newest = marks.last(1, 0, until=ts) if marks else []
            if found.trades or any(mark.matured > ts - WINDOW for mark in newest):
                yield found
