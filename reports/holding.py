"""Buying and holding: the strategy that every other one must be held against."""

from collections.abc import Iterable

from reports.bar import PriceBar
from reports.figure import Table
from reports.metrics import measure
from reports.result import Material
from reports.trips import round_trips
from schemas.account import Execution


def buy_and_hold(material: Material, fee: float) -> Table:
    """The figures of a purchase of each symbol for all of its cash at its first known price, sold at its last.

    ``fee`` is a fraction of each trade's value. A symbol of fewer than two prices keeps its cash.
    """
    executions = [
        execution
        for symbol in material.symbols
        for execution in _held([bar for bar in material.bars if bar.symbol == symbol], material.cash, fee)
    ]
    own = Material(material.start, material.end, material.cash, material.symbols, executions, material.bars)
    whole = own.curve_of(executions, (), material.cash * len(material.symbols))
    return measure(round_trips(executions), executions, whole)


def _held(bars: Iterable[PriceBar], cash: float, fee: float) -> list[Execution]:
    prices = sorted(bars, key=lambda bar: bar.ts)
    if len(prices) < 2:
        return []
    first, last = prices[0], prices[-1]
    size = cash / (first.close * (1 + fee))
    bought = Execution(
        first.symbol, first.ts, "buy and hold", "buy", size, first.close, size * first.close * fee, "1", first.origin
    )
    sold = Execution(
        last.symbol,
        last.ts,
        "buy and hold",
        "sell",
        size,
        last.close,
        size * last.close * fee,
        "2",
        last.origin,
        realized=size * (last.close - first.close),
        closed=size,
    )
    return [bought, sold]
