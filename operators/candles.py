"""Closed one-minute candles of one symbol."""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np

from operators.spans import MINUTE
from operators.tape import Tape

KEEP = 1_500
"""Candles that are remembered: a day, and room to spare."""

STALE = 2 * MINUTE
"""A newest candle whose end lies this far back is not current any more."""

QUIET = 15
"""Candles in a row that may be made up for minutes without a trade. Bounded, so that a replay from one look-back
earlier finds the price that they repeat."""

SKEW = MINUTE
"""How far the exchange's clock may run ahead of ours before a candle counts as wrong."""


class Candles:
    """The newest closed candles, in the order of their minutes, with holes known as holes.

    Only candles without a hole between them and the newest one (``run`` many) are of use to a feature. ``version``
    changes with every change; ``memo`` is emptied by it, so what is derived from candles may be kept there. ``lasting``
    outlives a new candle, but not a change of an older one: for what is derived from the candles up to some minute.

    >>> candles = Candles()
    >>> for minute in (0, 1, 3, 4):
    ...     _ = candles.add(5 * MINUTE, minute * MINUTE, 10.0, 12.0, 9.0, 11.0, 3.0)
    >>> len(candles), candles.run
    (4, 2)
    >>> candles.add(5 * MINUTE, 2 * MINUTE, 10.0, 12.0, 9.0, 11.0, 3.0), candles.run
    (True, 5)
    """

    __slots__ = ("_run", "close", "high", "lasting", "low", "memo", "open", "quiet", "start", "version", "volume")

    def __init__(self) -> None:
        self.start = array("q")
        self.open = array("d")
        self.high = array("d")
        self.low = array("d")
        self.close = array("d")
        self.volume = array("d")
        self.quiet = 0
        self.version = 0
        self.memo: dict[Any, Any] = {}
        self.lasting: dict[Any, Any] = {}
        self._run: int | None = 0

    def __len__(self) -> int:
        return len(self.start)

    def add(self, clock: int, start: int, open: float, high: float, low: float, close: float, volume: float) -> bool:
        """One closed candle that begins at ``start`` (microseconds, a whole minute), received at ``clock``.

        A candle of a minute that is already there replaces it; an older one is put in its place. False when nothing
        changed: an exact repeat, a candle older than all that are kept, or one that is refused because its start is no
        whole minute or its end lies more than a minute ahead of the clock.
        """
        if start % MINUTE or start + MINUTE > clock + SKEW:
            return False
        row = (start, open, high, low, close, volume)
        at = bisect_left(self.start, start)
        if at == len(self.start):
            self._append(row)
            self.quiet = 0
            return True
        return self._replace(at, row) if self.start[at] == start else self._insert(at, row)

    def close_minute_from_tape(self, tape: Tape, t: int, covered: int | None) -> bool:
        """Make the candle of the minute (t - 60 s, t] from trades, where the venue sends no candles.

        ``t`` is a whole minute on the shard's clock and ``covered`` the time since when the tape is complete. A minute
        without a trade repeats the close of the candle just before it, with volume 0, at most ``QUIET`` times in a row.
        False when no candle can be made, or one of this minute is already there.

        Raises:
            ValueError: when ``t`` is no whole minute.
        """
        if t % MINUTE:
            raise ValueError(f"a minute cannot end at {t}: not a whole minute in microseconds")
        start = t - MINUTE
        if covered is None or covered > start or (self.start and self.start[-1] >= start):
            return False
        traded = tape.ohlcv(t, 60)
        if traded is not None:
            self._append((start, *traded))
            self.quiet = 0
            return True
        if not self.start or self.start[-1] != start - MINUTE or self.quiet >= QUIET:
            return False
        last = self.close[-1]
        self._append((start, last, last, last, last, 0.0))
        self.quiet += 1
        return True

    def _columns(self) -> tuple[array, ...]:
        return (self.start, self.open, self.high, self.low, self.close, self.volume)

    def _append(self, row: Sequence[float]) -> None:
        follows = bool(self.start) and row[0] == self.start[-1] + MINUTE
        run = self.run + 1 if follows else 1
        for column, value in zip(self._columns(), row, strict=True):
            column.append(value)
        self._trim()
        self._changed(min(run, KEEP))

    def _replace(self, at: int, row: Sequence[float]) -> bool:
        if at == len(self.start) - 1:
            self.quiet = 0
        if row == tuple(column[at] for column in self._columns()):
            return False
        for column, value in zip(self._columns(), row, strict=True):
            column[at] = value
        self.lasting.clear()
        self._changed(self._run)
        return True

    def _insert(self, at: int, row: Sequence[float]) -> bool:
        if at == 0 and len(self.start) == KEEP:
            return False
        for column, value in zip(self._columns(), row, strict=True):
            column.insert(at, value)
        self.lasting.clear()
        self._trim()
        self._changed(None)
        return True

    def _trim(self) -> None:
        if len(self.start) > KEEP:
            for column in self._columns():
                del column[:-KEEP]

    def _changed(self, run: int | None) -> None:
        self._run = run
        self.version += 1
        self.memo.clear()

    @property
    def run(self) -> int:
        """Candles without a hole between them, ending with the newest."""
        if self._run is None:
            self._run = self._count_run()
        return self._run

    def _count_run(self) -> int:
        start = self.start
        first = len(start) - 1
        while first > 0 and start[first - 1] == start[first] - MINUTE:
            first -= 1
        return len(start) - first

    def current(self, t: int) -> bool:
        """Whether the newest candle ended less than two minutes before ``t``."""
        return bool(self.start) and self.start[-1] + MINUTE > t - STALE

    def newest(self, column: array, n: int) -> np.ndarray:
        """The last ``n`` values of one column as doubles, oldest first: what TA-Lib takes."""
        return np.array(column[-n:])

    def snapshot(self) -> list:
        """Columns as the bytes of 64-bit numbers, then the quiet count."""
        return [*(column.tobytes() for column in self._columns()), self.quiet]

    @classmethod
    def restore(cls, data: Sequence) -> "Candles":
        """The candles that gave this snapshot."""
        candles = cls()
        *columns, candles.quiet = data
        for column, raw in zip(candles._columns(), columns, strict=True):
            column.frombytes(raw)
        candles._changed(None)
        return candles
