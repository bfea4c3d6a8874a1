"""How good the models are just now: over sliding windows, every hour as a point of a series, and on demand."""

import math
from collections import deque
from collections.abc import Sequence
from itertools import accumulate
from statistics import fmean, stdev

import msgspec
import numpy as np

from learning.governor.marks import Mark, Marks, accuracy, majority
from learning.training.evaluation import SMALLEST, calibration
from reports.drawdown import below_peak
from reports.trips import RoundTrip, round_trips
from schemas.account import Execution

HOUR = 3_600_000_000
WINDOW = 24 * HOUR
"""How far back the trading figures look."""
KEPT = 5_000
"""Executions that are kept of each strategy."""


class QualityPoint(msgspec.Struct, frozen=True):
    """The figures of one model at ``ts``, log time in microseconds UTC; ``version`` None: of warm-up.

    ``metrics``: accuracy, majority, calibration (0..1), log_loss (nats) over the newest ``samples`` outcomes; win_rate,
    (0..1), total_pnl, avg_pnl, max_drawdown (quote currency, after fees), profit_factor and sharpe_ratio (of a trade's
    return, not annualised) over the ``trades`` round trips closed within a day. What has no meaning is left out.
    """

    strategy: str
    version: str | None
    ts: int
    metrics: dict[str, float]
    samples: int
    trades: int


class Trades:
    """The executions of one strategy, as round trips by the model that opened them."""

    def __init__(self, kept: int = KEPT) -> None:
        self._executions: deque[Execution] = deque(maxlen=kept)
        self._trips: list[RoundTrip] | None = None

    def add(self, execution: Execution) -> None:
        """Take an execution, in the order of its symbol."""
        self._executions.append(execution)
        self._trips = None

    def closed(self, version: str | None, since: int, until: int | None = None) -> list[RoundTrip]:
        """Round trips that a model (None: warm-up) opened, closed in [since, until], by the time of their end."""
        if self._trips is None:
            found = [trip for trip in round_trips(self._executions) if trip.closed is not None and not trip.carried]
            self._trips = sorted(found, key=lambda trip: (trip.closed or 0, trip.symbol))
        last = math.inf if until is None else until
        return [trip for trip in self._trips if trip.model_version == version and since <= (trip.closed or 0) <= last]

    def versions(self) -> list[str | None]:
        """Every model that opened a round trip which is known."""
        self.closed(None, 0)
        return list(dict.fromkeys(trip.model_version for trip in self._trips or ()))


def foretold(marks: Sequence[Mark]) -> dict[str, float]:
    """The figures of predictions, as ``learning.training.evaluation`` has them for rows."""
    if not marks:
        return {}
    hits = np.array([mark.right for mark in marks])
    return {
        "accuracy": accuracy(marks),
        "majority": majority(marks),
        "log_loss": fmean(-math.log(min(max(mark.probability, SMALLEST), 1 - SMALLEST)) for mark in marks),
        "calibration": calibration(hits, np.array([mark.confidence for mark in marks])),
    }


def traded(trips: Sequence[RoundTrip]) -> dict[str, float]:
    """The figures of closed round trips, in the order of their ends."""
    if not trips:
        return {}
    nets = [trip.net for trip in trips]
    won, lost = sum(net for net in nets if net > 0), -sum(net for net in nets if net <= 0)
    found = {
        "win_rate": sum(net > 0 for net in nets) / len(nets),
        "total_pnl": math.fsum(nets),
        "avg_pnl": math.fsum(nets) / len(nets),
        "max_drawdown": max(below_peak([0.0, *accumulate(nets)])),
    }
    if lost > 0:
        found["profit_factor"] = won / lost
    gains = [trip.net / trip.value for trip in trips if trip.value]
    if len(gains) > 1 and (deviation := stdev(gains)) > 0:
        found["sharpe_ratio"] = fmean(gains) / deviation
    return found


def point(
    strategy: str, version: str | None, ts: int, marks: Marks | None, trades: Trades | None, window: int
) -> QualityPoint:
    """The figures of a model at ``ts``, of what was known then; ``window`` is how many outcomes count at most."""
    newest = marks.last(window, 0, until=ts) if marks is not None else []
    trips = trades.closed(version, ts - WINDOW, ts) if trades is not None else []
    return QualityPoint(strategy, version, ts, foretold(newest) | traded(trips), len(newest), len(trips))
