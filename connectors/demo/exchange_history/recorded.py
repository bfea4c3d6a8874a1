"""An exchange that knows what was recorded of a real one, and nothing else."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, Never

from connectors.demo.exchange_history.truth import Row


class Recorded:
    """Serves recorded rows and answers as they are.

    Args:
        now: the exchange's clock, which stands still (microseconds UTC).
        candles: by symbol, oldest first.
        funding: by symbol, oldest first: when it was paid (microseconds UTC), and the rate.
        listed: the list of a recorded answer about instruments.
        category: of all of them.
    """

    def __init__(
        self,
        now: int,
        candles: Mapping[str, Sequence[Row]] | None = None,
        funding: Mapping[str, Sequence[tuple[int, str]]] | None = None,
        listed: Sequence[Mapping[str, Any]] = (),
        category: str = "linear",
    ) -> None:
        self.category = category
        self.rows = candles or {}
        self.starts = {symbol: [int(row[0]) * 1000 for row in rows] for symbol, rows in self.rows.items()}
        self.paid = funding or {}
        self.listed = {row["symbol"]: row for row in listed}
        self._now = now

    def now(self) -> int:
        return self._now

    def candles(self, symbol: str, start: int, end: int, limit: int) -> list[Row]:
        starts, rows = self.starts[symbol], self.rows[symbol]
        first, last = bisect_left(starts, start), bisect_right(starts, end)
        return list(reversed(rows[max(first, last - limit) : last]))

    def funding(self, symbol: str, start: int, end: int, limit: int) -> list[tuple[int, str]]:
        return [(time, rate) for time, rate in reversed(self.paid[symbol]) if start <= time <= end][:limit]

    def trades(self, symbol: str, limit: int) -> Never:
        raise KeyError(symbol)

    def book(self, symbol: str, depth: int) -> Never:
        raise KeyError(symbol)

    def ticker(self, symbol: str) -> Never:
        raise KeyError(symbol)

    def instruments(self, symbol: str | None = None) -> list[Mapping[str, Any]]:
        return list(self.listed.values()) if symbol is None else [self.listed[symbol]]
