"""A demo exchange with a session: what its market did, and before that the past that every session shares."""

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any

import msgspec

from connectors.demo.candles import MINUTE, Candle
from connectors.demo.exchange_history.past import Past
from connectors.demo.exchange_history.truth import FUNDING_INTERVAL, LAUNCH, Row, instrument_row, trade_row
from connectors.demo.market import Market
from connectors.demo.symbol import SymbolMarket


class Lived:
    """What a running ``Market`` knows. The candles of the time since its start are those of its trades.

    Args:
        market: somebody else lets it run.
        clock: the exchange's, microseconds UTC.
        launch: since when the symbols are listed.
    """

    category = "linear"

    def __init__(self, market: Market, clock: Callable[[], int], launch: int = LAUNCH) -> None:
        self.market = market
        self.clock = clock
        self.launch = launch
        self.pasts = {name: Past(one.instrument, market.seed) for name, one in market.symbols.items()}

    def now(self) -> int:
        """The exchange's clock, never ahead of its market: what happened up to now is in every answer."""
        return min(self.clock(), self.market.due - 1)

    def candles(self, symbol: str, start: int, end: int, limit: int) -> list[Row]:
        one = self.market.symbols[symbol]
        lived = one.candles(start, end, limit)
        before = min(end, (lived[-1].start if lived else one.closed[0].start) - 1)
        older = self._before(symbol, max(start, self.launch), before, limit - len(lived))
        return [one.wire.row(candle) for candle in chain(lived, older)]

    def _before(self, symbol: str, start: int, end: int, limit: int) -> Iterator[Candle]:
        """Candles of the shared past that begin in [start, end], newest first."""
        oldest = self.market.symbols[symbol].closed[0].start
        first, last = -(-start // MINUTE) * MINUTE, min(end, oldest - 1) // MINUTE * MINUTE
        minutes = islice(range(last, first - 1, -MINUTE), max(0, limit))
        return (self.pasts[symbol].candle(minute) for minute in minutes)

    def funding(self, symbol: str, start: int, end: int, limit: int) -> list[tuple[int, str]]:
        paid = [(time, rate) for time, rate in self._tickers(symbol) if start <= time <= end]
        last = min(end, self.market.start) // FUNDING_INTERVAL * FUNDING_INTERVAL
        first = -(-max(start, self.launch + 1) // FUNDING_INTERVAL) * FUNDING_INTERVAL
        older = ((time, self.pasts[symbol].rate(time)) for time in range(last, first - 1, -FUNDING_INTERVAL))
        return [(time, f"{rate:.8f}") for time, rate in islice(chain(reversed(paid), older), limit)]

    def trades(self, symbol: str, limit: int) -> list[dict[str, Any]]:
        one = self.market.symbols[symbol]
        return [trade_row(one.wire, fill) for fill in islice(reversed(one.tape), limit)]

    def book(self, symbol: str, depth: int) -> dict[str, Any]:
        message = msgspec.json.decode(self.market.symbols[symbol].book_snapshot())
        book: dict[str, Any] = message["data"]
        return {**book, "b": book["b"][:depth], "a": book["a"][:depth], "ts": message["ts"], "cts": message["cts"]}

    def ticker(self, symbol: str) -> dict[str, Any]:
        return {"symbol": symbol, **self.market.symbols[symbol].tickers.fields}

    def instruments(self, symbol: str | None = None) -> list[dict[str, Any]]:
        listed = self._listed() if symbol is None else [self.market.symbols[symbol]]
        return [instrument_row(one.instrument, self.launch, FUNDING_INTERVAL) for one in listed]

    def _listed(self) -> list[SymbolMarket]:
        return [one for _, one in sorted(self.market.symbols.items())]

    def _tickers(self, symbol: str) -> list[tuple[int, float]]:
        return self.market.symbols[symbol].tickers.paid
