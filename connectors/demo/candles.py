"""One-minute candles of the demo exchange: of its trades, and of the time before it opened."""

from collections.abc import Reversible
from dataclasses import dataclass
from itertools import takewhile
from math import exp, log
from random import Random

from connectors.demo.instrument import Instrument
from connectors.demo.process import Process

MINUTE = 60_000_000
HISTORY = 1_500
"""Candles that the exchange remembers from before its start."""
_STEPS = 12
_ORDERS_A_SECOND = 5.0


@dataclass(slots=True)
class Candle:
    """Prices in ticks, volume in lots, turnover in ticks times lots: whole numbers, so sums are exact."""

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    turnover: int = 0

    @classmethod
    def at(cls, start: int, price: int) -> "Candle":
        """A candle without trades: everything stands at the last price."""
        return cls(start, price, price, price, price)

    def trade(self, price: int, lots: int) -> None:
        """Add a trade. The first one sets the open: a candle equals the trades inside it."""
        if not self.volume:
            self.open = self.high = self.low = price
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price
        self.volume += lots
        self.turnover += price * lots


def history(instrument: Instrument, rng: Random, before: int, candles: int = HISTORY) -> list[Candle]:
    """The closed candles before the minute of ``before`` (microseconds UTC), oldest first.

    The last one closes at the instrument's opening price, where the session takes over.
    """
    first = before // MINUTE * MINUTE - candles * MINUTE
    process = Process(rng)
    path = [process.step(MINUTE / 1e6 / _STEPS) for _ in range(candles * _STEPS)]
    shift = log(instrument.opening) - path[-1]
    ticks = [instrument.ticks(exp(level + shift)) for level in path]
    found, last = [], ticks[0]
    for index in range(candles):
        inside = ticks[index * _STEPS : (index + 1) * _STEPS]
        found.append(_candle(instrument, rng, first + index * MINUTE, [last, *inside]))
        last = inside[-1]
    return found


def _candle(instrument: Instrument, rng: Random, start: int, prices: list[int]) -> Candle:
    """A candle over a path of prices, with a volume that grows with its range."""
    span = (max(prices) - min(prices)) / (instrument.ticks(instrument.opening) * 5e-4)
    orders = _ORDERS_A_SECOND * 60.0 * (0.5 + span) * rng.uniform(0.7, 1.3)
    volume = max(1, int(orders * instrument.level_lots * 0.3))
    candle = Candle(start, prices[0], max(prices), min(prices), prices[-1], volume)
    candle.turnover = volume * round(sum(prices) / len(prices))
    return candle


def day_volume(candles: Reversible[Candle], now: int) -> tuple[int, int]:
    """Volume (lots) and turnover (ticks times lots) of the candles (oldest first) of the 24 hours before ``now``."""
    recent = list(takewhile(lambda candle: candle.start >= now - 1_440 * MINUTE, reversed(candles)))
    return sum(candle.volume for candle in recent), sum(candle.turnover for candle in recent)
