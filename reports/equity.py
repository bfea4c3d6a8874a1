"""The equity curve: cash, what was received and paid, and what is held at the last known price."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from reports.bar import PriceBar
from reports.payments import Payment
from reports.trips import DUST
from schemas.account import Execution

Prices = dict[str, tuple[np.ndarray, np.ndarray]]
"""symbol -> (times, prices)"""
SECOND = 1_000_000
PERIODS = (10, 60, 300, 900, 3600, 4 * 3600, 86_400)
"""Seconds between two samples, to choose from."""
MOST = 1500
"""Samples, unless even the longest period needs more."""


class Curve(NamedTuple):
    """Sampled every ``period`` seconds from ``times[0]`` on; the last sample is the end, which may come earlier.

    ``exposure`` is the sum of the absolute values of all positions. Times in microseconds UTC, all else quote currency.
    """

    period: int
    times: list[int]
    equity: list[float]
    exposure: list[float]

    @property
    def whole(self) -> list[float]:
        """The equity at the ends of whole periods, which is what returns may be taken from."""
        partly = len(self.times) > 1 and (self.times[-1] - self.times[0]) % (self.period * SECOND) != 0
        return self.equity[:-1] if partly else self.equity


def period_for(start: int, end: int) -> int:
    """The shortest period that needs no more than ``MOST`` samples.

    >>> period_for(0, 1800 * SECOND), period_for(0, 86_400 * SECOND)
    (10, 60)
    """
    return next((period for period in PERIODS if end - start <= period * SECOND * MOST), PERIODS[-1])


def curve(
    executions: Sequence[Execution],
    prices: Prices,
    payments: Iterable[Payment],
    cash: float,
    start: int,
    end: int,
    period: int | None = None,
) -> Curve:
    """The equity of everything in ``executions`` between two times, which begins flat with ``cash``.

    A position is worth its size at the newest of ``prices`` (see ``marks``) at or before the moment.
    """
    period = period or period_for(start, end)
    grid = np.arange(start, end + 1, period * SECOND, dtype=np.int64)
    if not len(grid) or grid[-1] != end:
        grid = np.append(grid, max(end, start))
    equity = cash + _received(payments, grid)
    exposure = np.zeros(len(grid))
    for key in sorted({(one.strategy, one.symbol) for one in executions}):
        own = [one for one in executions if (one.strategy, one.symbol) == key]
        value = _held(own, grid) * _at(prices[key[1]], grid)
        equity = equity + _flows(own, grid) + value
        exposure = exposure + np.abs(value)
    return Curve(period, grid.tolist(), equity.tolist(), exposure.tolist())


def _flows(executions: Sequence[Execution], grid: np.ndarray) -> np.ndarray:
    """What was received for sales less what was paid for purchases and fees, until each time."""
    received = [_signed(one) * -one.price - one.fee for one in executions]
    return _until([one.ts for one in executions], received, grid)


def _held(executions: Sequence[Execution], grid: np.ndarray) -> np.ndarray:
    sizes = _until([one.ts for one in executions], [_signed(one) for one in executions], grid)
    return np.where(np.abs(sizes) < DUST, 0.0, sizes)


def _received(payments: Iterable[Payment], grid: np.ndarray) -> np.ndarray:
    ordered = sorted(payments, key=lambda payment: payment.ts)
    return _until([payment.ts for payment in ordered], [payment.amount for payment in ordered], grid)


def _until(times: list[int], amounts: list[float], grid: np.ndarray) -> np.ndarray:
    """The sum of the amounts up to and including each time of the grid."""
    sums = np.concatenate([[0.0], np.cumsum(np.array(amounts, dtype=float))])
    return np.asarray(sums[np.searchsorted(np.array(times, dtype=np.int64), grid, side="right")])


def marks(executions: Iterable[Execution], bars: Iterable[PriceBar]) -> Prices:
    """Every known price of each symbol in order; at the same time a bar, which is a mid, counts more than a trade."""
    found: dict[str, list[tuple[int, int, float]]] = {}
    for execution in executions:
        found.setdefault(execution.symbol, []).append((execution.ts, 0, execution.price))
    for bar in bars:
        found.setdefault(bar.symbol, []).append((bar.ts, 1, bar.close))
    prices = {}
    for symbol, points in found.items():
        points.sort(key=lambda point: point[:2])
        prices[symbol] = np.array([time for time, _, _ in points]), np.array([price for _, _, price in points])
    return prices


def _at(known: tuple[np.ndarray, np.ndarray], grid: np.ndarray) -> np.ndarray:
    times, prices = known
    return np.asarray(prices[np.maximum(np.searchsorted(times, grid, side="right") - 1, 0)])


def _signed(execution: Execution) -> float:
    return execution.size if execution.side == "buy" else -execution.size
