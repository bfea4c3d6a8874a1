"""Bars of one symbol, and the funding that was paid beside them, from CSV histories."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from connectors.recorded.lines import read_lines
from connectors.recorded.tables import DATED_RATES, is_table, named, rates_named
from connectors.recorded.venue import RecordingError
from connectors.tables import Candle, read_candle, read_rate


@dataclass(frozen=True, eq=False)
class Bars:
    """Candles in the order of time, at most one for each start; holes are allowed.

    ``interval`` and ``start`` in microseconds (UTC), prices in quote currency, volume in base; int64 and float64.
    """

    symbol: str
    interval: int
    start: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray

    def __len__(self) -> int:
        return len(self.start)

    @property
    def columns(self) -> tuple[np.ndarray, ...]:
        """From ``start`` to ``volume``."""
        return self.start, self.open, self.high, self.low, self.close, self.volume

    @property
    def end(self) -> np.ndarray:
        """When each was known."""
        return np.asarray(self.start + self.interval)

    def part(self, first: int, last: int) -> "Bars":
        """Those from place ``first`` up to, not including, ``last``."""
        return Bars(self.symbol, self.interval, *(column[first:last] for column in self.columns))


Rates = list[tuple[int, float]]
"""(when it was paid, microseconds UTC; the rate, a fraction), oldest first."""


def read_bars(path: Path) -> Bars:
    """The bars of a file (see ``connectors.recorded.tables``).

    Raises:
        RecordingError: naming the file and the row, when one is malformed, impossible, or out of order.
    """
    symbol, interval = named(path.name)
    problems: list[str] = []
    rows: list[Candle] = []
    for number, line in enumerate(read_lines(path, problems), start=1):
        if not is_table(line):
            rows.append(_checked(path, number, line, interval, rows[-1].start if rows else 0))
    if problems:
        raise RecordingError(problems[0])
    if not rows:
        raise RecordingError(f"{path}: no candles in it")
    columns = [np.array([row[place] for row in rows]) for place in range(6)]
    return Bars(symbol, interval, columns[0].astype(np.int64), *(column.astype(float) for column in columns[1:]))


def read_rates(path: Path) -> Rates:
    """The funding rates of a file.

    Raises:
        RecordingError: naming the file and the row that is malformed or out of order.
    """
    found: Rates = []
    dated = False
    for number, line in enumerate(read_lines(path, []), start=1):
        if is_table(line):
            dated = line == DATED_RATES
            continue
        try:
            rate = read_rate(line, dated)
        except ValueError as problem:
            raise RecordingError(f"{path}, row {number}: {problem}") from None
        if found and rate[0] <= found[-1][0]:
            raise RecordingError(f"{path}, row {number}: its time is not after that of the row before")
        found.append(rate)
    return found


def rates_beside(path: Path, folder: Path) -> Path | None:
    """The file of ``folder`` with the funding of the symbol and of the time of the bars in ``path``, if there is one.

    Raises:
        RecordingError: when ``folder`` is none, or a file that could be it cannot be read.
    """
    if not folder.is_dir():
        raise RecordingError(f"{folder}: no such folder")
    bars = read_bars(path)
    for file in sorted(folder.iterdir()):
        if (found := rates_named(file.name)) and found[1] == bars.symbol:
            rates = read_rates(file)
            if rates and rates[0][0] <= bars.end[-1] and rates[-1][0] >= bars.start[0]:
                return file
    return None


def _checked(path: Path, number: int, line: bytes, interval: int, before: int) -> Candle:
    try:
        row = read_candle(line)
    except ValueError as problem:
        raise RecordingError(f"{path}, row {number}: {problem}") from None
    if row.start % interval or row.start <= before:
        raise RecordingError(
            f"{path}, row {number}: a candle of {interval // 1_000_000} s cannot begin at {row.start} (microseconds"
            f" UTC) after one of {before}; sort the file and drop what comes twice"
        )
    if not (0 < row.low <= min(row.open, row.close) <= max(row.open, row.close) <= row.high < np.inf):
        raise RecordingError(f"{path}, row {number}: open, high, low and close do not fit together: {line[:80]!r}")
    if not 0 <= row.volume < np.inf:
        raise RecordingError(f"{path}, row {number}: volume {row.volume} is negative or not finite")
    return row
