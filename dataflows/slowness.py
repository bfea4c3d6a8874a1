"""Notices an engine that takes longer for the log than the log took to happen, and which of its stages does."""

import time
from collections.abc import Callable
from typing import Any

import structlog

from operators.engine import Engine

WINDOW = 10.0
"""Seconds of an engine's own time that are looked at together: single batches say nothing."""


class Slowness:
    """Told how long each batch took. A window that took longer than the log time it covers is slow: the flow falls
    behind. From then on the stages are timed, and each further slow window logs ``flow.slow`` with their seconds; a
    window that was not slow ends that. Nothing is timed as long as an engine keeps up.

    Args:
        engine: whose stages, one of them with a ``clock``, are watched.
        now: seconds, for the stages.
    """

    def __init__(self, engine: Engine, now: Callable[[], float] = time.perf_counter) -> None:
        self.engine = engine
        self.now = now
        self.spent = 0.0
        self.since: int | None = None
        self.costs: dict[str, float] = {}

    def fed(self, seconds: float) -> None:
        """A batch took so long."""
        clock = self._clock()
        if self.since is None:
            self.since = clock
        self.spent += seconds
        if clock is None or self.since is None or self.spent < WINDOW:
            return
        covered = (clock - self.since) / 1e6
        if covered >= self.spent:
            self._ignore_stages()
        elif not self.costs:
            self._time_stages()
        else:
            self._tell(covered)
        self.spent, self.since = 0.0, clock

    def _tell(self, covered: float) -> None:
        costly = sorted(self.costs.items(), key=lambda cost: -cost[1])
        structlog.get_logger().warning(
            "flow.slow",
            shard=self.engine.cursor.shard,
            seconds=round(self.spent, 1),
            of_log=round(covered, 1),
            stages={name: round(cost, 1) for name, cost in costly if cost >= 0.05},
            hint="the flow falls behind: take a cheaper online model, a longer online.every, or fewer features",
        )
        self.costs = dict.fromkeys(self.costs, 0.0)

    def _time_stages(self) -> None:
        """Put a watch around ``feed`` of each stage."""
        self.costs = {type(stage).__name__: 0.0 for stage in self.engine.stages}
        for stage in self.engine.stages:
            vars(stage)["feed"] = self._timed(type(stage).__name__, stage.feed)

    def _ignore_stages(self) -> None:
        for stage in self.engine.stages if self.costs else ():
            del vars(stage)["feed"]
        self.costs = {}

    def _timed(self, name: str, feed: Callable[[Any, list[Any]], None]) -> Callable[[Any, list[Any]], None]:
        def timed(record: Any, out: list[Any]) -> None:
            begin = self.now()
            try:
                feed(record, out)
            finally:
                self.costs[name] += self.now() - begin

        return timed

    def _clock(self) -> int | None:
        return next((stage.clock for stage in self.engine.stages if hasattr(stage, "clock")), None)
