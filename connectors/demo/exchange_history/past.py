"""What happened on the demo exchange at any time, whenever it was opened: a pure function of the minute."""

from functools import lru_cache
from math import exp
from random import Random

from connectors.demo.candles import MINUTE, Candle
from connectors.demo.instrument import Instrument
from connectors.demo.process import Process
from connectors.demo.tape import Fill

BLOCK = 480 * MINUTE
"""The price is made eight hours at a time; a block begins where the one before it ends."""
TRADES_A_MINUTE = 12
_STEP = MINUTE // TRADES_A_MINUTE
_WANDER = 4e-3
"""Standard deviation of the log-price at the edges of blocks: what a market that is drawn home reaches."""
_BASE_RATE, _RATE_SPREAD, _CAP = 1e-4, 6e-5, 5e-3
_BLOCKS_KEPT = 64


class Past:
    """The trades, candles and funding rates of one symbol, from 1970 on.

    Everything follows from ``(seed, symbol, time)``, so that two programs, on two days, tell the same past.

    >>> from connectors.demo.instrument import instrument
    >>> one, other = Past(instrument("BTCUSDT"), seed=1), Past(instrument("BTCUSDT"), seed=1)
    >>> _ = other.candle(1_600_000_020_000_000)
    >>> one.candle(1_700_000_040_000_000) == other.candle(1_700_000_040_000_000)
    True
    """

    def __init__(self, instrument: Instrument, seed: int) -> None:
        self.instrument = instrument
        self.name = f"{seed}/{instrument.symbol}"
        self._block = lru_cache(maxsize=_BLOCKS_KEPT)(self._make_block)

    def trades(self, start: int) -> list[Fill]:
        """The trades of the minute that begins at ``start``, oldest first."""
        index = start % BLOCK // MINUTE * TRADES_A_MINUTE
        return self._block(start // BLOCK)[index : index + TRADES_A_MINUTE]

    def candle(self, start: int, until: int | None = None) -> Candle:
        """The candle of that minute, of its trades up to ``until``: all of them by default."""
        candle = Candle.at(start, self.trades(start - MINUTE)[-1].price)
        for trade in self.trades(start):
            if until is None or trade.time <= until:
                candle.trade(trade.price, trade.lots)
        return candle

    def rate(self, time: int) -> float:
        """The funding rate that was paid at ``time``, a fraction."""
        draw = Random(f"{self.name}/funding/{time}").gauss(_BASE_RATE, _RATE_SPREAD)
        return round(min(_CAP, max(-_CAP, draw)), 8)

    def _edge(self, block: int) -> float:
        """The log-price over the opening price where the block begins."""
        return Random(f"{self.name}/edge/{block}").gauss(0.0, _WANDER)

    def _make_block(self, block: int) -> list[Fill]:
        """The trades of a block: a path of the market's own law, tied down at both ends."""
        rng = Random(f"{self.name}/past/{block}")
        process, steps = Process(rng), BLOCK // _STEP
        path = [process.step(_STEP / 1e6) for _ in range(steps)]
        first, last = self._edge(block), self._edge(block + 1)
        slope = (last - first - path[-1]) / steps
        typical = self.instrument.level_lots * 0.3
        trades: list[Fill] = []
        before = first
        for index, level in enumerate(path):
            now = first + level + slope * (index + 1)
            price = self.instrument.ticks(self.instrument.opening * exp(now))
            time = block * BLOCK + index * _STEP + rng.randrange(_STEP // 1000) * 1000
            lots = 1 + int(rng.expovariate(1.0) * typical)
            number = block * steps + index
            trades.append(Fill(number, time, price, lots, now >= before, number))
            before = now
        return trades
