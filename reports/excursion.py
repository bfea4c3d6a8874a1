"""How far the price went against and for a position while it was held."""

from collections.abc import Iterable, Mapping

import msgspec
import numpy as np

from reports.bar import PriceBar
from reports.trips import RoundTrip


class Excursions:
    """Finds the extreme prices of a symbol between two moments.

    Only bars that lie wholly inside the span count: whoever cuts bars at every execution, as a backtest does, loses
    nothing.
    """

    def __init__(self, bars: Iterable[PriceBar]) -> None:
        by_symbol: dict[str, list[PriceBar]] = {}
        for bar in bars:
            by_symbol.setdefault(bar.symbol, []).append(bar)
        self.columns: Mapping[str, tuple[np.ndarray, ...]] = {
            symbol: (
                np.array([bar.start for bar in found], dtype=np.int64),
                np.array([bar.ts for bar in found], dtype=np.int64),
                np.array([bar.low for bar in found]),
                np.array([bar.high for bar in found]),
            )
            for symbol, found in by_symbol.items()
        }

    def extremes(self, symbol: str, start: int, end: int) -> tuple[float, float] | None:
        """The lowest and the highest price in (start, end]; None when nothing was seen there."""
        if symbol not in self.columns:
            return None
        starts, ends, lows, highs = self.columns[symbol]
        first, last = int(np.searchsorted(starts, start)), int(np.searchsorted(ends, end, side="right"))
        if first >= last:
            return None
        return float(lows[first:last].min()), float(highs[first:last].max())

    def measured(self, trip: RoundTrip, end: int) -> RoundTrip:
        """The trip with ``mae`` and ``mfe``, its own exit price included; one that is open lasts until ``end``."""
        found = self.extremes(trip.symbol, trip.opened, end if trip.closed is None else trip.closed)
        prices = [*(found or ()), *([] if trip.exit is None else [trip.exit])]
        if not prices:
            return trip
        below = max((1 - min(prices) / trip.entry) * 100, 0.0)
        above = max((max(prices) / trip.entry - 1) * 100, 0.0)
        mae, mfe = (below, above) if trip.side == "long" else (above, below)
        return msgspec.structs.replace(trip, mae=mae, mfe=mfe)
