"""Candles that cannot be, and those that are missing between two others."""

from operators.spans import MINUTE
from schemas.market import Kline

KEEP = 10 * MINUTE
"""For how long the starts of candles are remembered."""
ROUNDING = 1e-6
"""Part of a price by which turnover / volume may lie outside of a candle: exchanges round both."""


def flaw(candle: Kline) -> str | None:
    """What is impossible about a closed candle; None when nothing is.

    >>> flaw(Kline("X", 0, 0, 0, open=10.0, high=12.0, low=9.0, close=11.0, volume=1.0, turnover=10.5))
    >>> flaw(Kline("X", 0, 0, 0, open=10.0, high=10.5, low=9.0, close=11.0, volume=1.0))
    'close lies outside of low and high'
    """
    low, high = candle.low, candle.high
    if low > high:
        return "low lies above high"
    for name, price in (("open", candle.open), ("close", candle.close)):
        if not low <= price <= high:
            return f"{name} lies outside of low and high"
    if candle.volume <= 0:
        return "the price moved without any volume" if high > low else None
    mean = candle.turnover / candle.volume
    # Inverse contracts count volume in quote and turnover in base currency.
    if mean and not any(low * (1 - ROUNDING) <= price <= high * (1 + ROUNDING) for price in (mean, 1 / mean)):
        return "turnover / volume lies outside of low and high"
    return None


class Starts:
    """Which minutes a closed candle came of, for the last few of them.

    >>> starts = Starts()
    >>> [starts.add(4 * MINUTE, minute * MINUTE) for minute in (0, 3, 3)], starts.holes(6 * MINUTE)
    ([True, True, False], 2)
    """

    __slots__ = ("starts",)

    def __init__(self) -> None:
        self.starts: list[int] = []

    def __contains__(self, start: int) -> bool:
        return start in self.starts

    def add(self, clock: int, start: int) -> bool:
        """A candle that begins at ``start``, known at ``clock``; false when there was one already."""
        if start in self.starts:
            return False
        if clock - KEEP < start <= clock and start % MINUTE == 0:
            self.starts.append(start)
        return True

    def holes(self, start: int) -> int:
        """Minutes without a candle between the newest before ``start`` and ``start``; 0 where none is known."""
        before = max((one for one in self.starts if one < start), default=start - MINUTE)
        return (start - before) // MINUTE - 1

    def forget(self, clock: int) -> None:
        """Keep what may still matter at ``clock``."""
        self.starts = [start for start in self.starts if start > clock - KEEP]
