"""The trade tape: prices and aggressor volumes of the last minute, in one-second buckets."""

from bisect import bisect_right
from collections.abc import Sequence
from math import fsum
from typing import NamedTuple

from operators.spans import SECOND, second_of
from schemas.market import Side

KEEP = 60
"""Seconds of trades that the tape remembers."""


class Window(NamedTuple):
    """What was traded in (t - w, t]. ``open`` is the oldest price, ``None`` without a trade; sizes in base."""

    open: float | None
    buy: float
    sell: float
    notional: float
    trades: int

    @property
    def volume(self) -> float:
        """Everything that changed hands, in base currency."""
        return self.buy + self.sell


class Ohlcv(NamedTuple):
    """Open, high, low, close in quote, volume in base."""

    open: float
    high: float
    low: float
    close: float
    volume: float


NOTHING = Window(None, 0.0, 0.0, 0.0, 0)


class Tape:
    """Trades of one symbol by the second; seconds without a trade take no room.

    Bucket s covers (s - 1 s, s] on the shard's clock. Inside a bucket sizes add up in the order of arrival from 0.0;
    sums over buckets are exact (``fsum``). So a window depends on its own trades alone, and a replay that starts one
    window earlier finds the same bits. A running sum would not.

    >>> tape = Tape()
    >>> tape.add(100_200_000, "buy", 10.0, 2.0)
    >>> tape.add(101_000_000, "sell", 11.0, 1.0)
    >>> tape.window(101_000_000, seconds=3)
    Window(open=10.0, buy=2.0, sell=1.0, notional=31.0, trades=2)
    """

    __slots__ = ("buy", "close", "count", "end", "high", "low", "notional", "open", "second", "sell")

    def __init__(self) -> None:
        self.second: list[int] = []
        self.open: list[float] = []
        self.high: list[float] = []
        self.low: list[float] = []
        self.close: list[float] = []
        self.buy: list[float] = []
        self.sell: list[float] = []
        self.notional: list[float] = []
        self.count: list[int] = []
        self.end = -1
        """Last microsecond of the newest bucket."""

    def add(self, clock: int, side: Side, price: float, size: float) -> None:
        """One trade at ``clock`` (shard clock, microseconds, never going back); ``side`` is the aggressor's."""
        if clock > self.end:
            self._begin(second_of(clock), price)
        elif price > self.high[-1]:
            self.high[-1] = price
        elif price < self.low[-1]:
            self.low[-1] = price
        self.close[-1] = price
        if side == "buy":
            self.buy[-1] += size
        else:
            self.sell[-1] += size
        self.notional[-1] += price * size
        self.count[-1] += 1

    def _begin(self, second: int, price: float) -> None:
        old = bisect_right(self.second, second - KEEP)
        if old:
            for column in self._columns():
                del column[:old]
        self.second.append(second)
        self.end = second * SECOND
        for prices in (self.open, self.high, self.low, self.close):
            prices.append(price)
        for sums in (self.buy, self.sell, self.notional):
            sums.append(0.0)
        self.count.append(0)

    def _columns(self) -> tuple[list, ...]:
        return (
            self.second, self.open, self.high, self.low, self.close,
            self.buy, self.sell, self.notional, self.count,
        )  # fmt: skip

    def first(self, t: int, seconds: int) -> int:
        """Index of the first bucket inside (t - seconds, t]; the number of buckets when there is none.

        Raises:
            ValueError: when the tape already holds trades after ``t``, or the window is longer than its memory.
        """
        if t < self.end:
            raise ValueError(f"window ends at {t}, but the tape already holds trades up to {self.end}")
        if seconds > KEEP:
            raise ValueError(f"window of {seconds} s asked of a tape that keeps {KEEP} s")
        return bisect_right(self.second, t // SECOND - seconds)

    def window(self, t: int, seconds: int) -> Window:
        """Sums over (t - seconds, t]; ``t`` is a whole second in microseconds, at or after the newest trade."""
        i = self.first(t, seconds)
        if i == len(self.second):
            return NOTHING
        return Window(
            self.open[i], fsum(self.buy[i:]), fsum(self.sell[i:]), fsum(self.notional[i:]), sum(self.count[i:])
        )

    def ohlcv(self, t: int, seconds: int) -> Ohlcv | None:
        """The candle over (t - seconds, t]; ``None`` without a trade."""
        i = self.first(t, seconds)
        if i == len(self.second):
            return None
        volume = fsum(self.buy[i:] + self.sell[i:])
        return Ohlcv(self.open[i], max(self.high[i:]), min(self.low[i:]), self.close[-1], volume)

    def snapshot(self) -> list[list]:
        """The buckets, column by column."""
        return [column[:] for column in self._columns()]

    @classmethod
    def restore(cls, data: Sequence[Sequence]) -> "Tape":
        """The tape that gave this snapshot."""
        tape = cls()
        for column, values in zip(tape._columns(), data, strict=True):
            column.extend(values)
        tape.end = tape.second[-1] * SECOND if tape.second else -1
        return tape
