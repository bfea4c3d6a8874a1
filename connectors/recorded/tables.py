"""Histories of candles and of funding as CSV files.

| file | header |
|---|---|
| candles | ``ts_ms,open,high,low,close,volume`` and maybe ``turnover`` |
| candles as Binance publishes them | ``open_time,open,high,low,close,volume,close_time,quote_volume,...`` |
| funding | ``ts_ms,funding_rate``, or ``Symbol,Date,Funding Rate`` with dates of UTC+3 |

A candle's time is its start; it is known at its end, and that is when it counts as received. The file's name says the
symbol and, of candles, how long they are: ``BTCUSDT_5m.csv.gz``, ``FILUSDT-1m-2023-04.csv.gz``, ``bybit_BTCUSDT_...``.
"""

from re import compile as pattern
from typing import NamedTuple

from connectors.recorded.row import Row
from connectors.recorded.venue import RecordingError
from connectors.tables import RATES as RATES_CONN
from connectors.tables import VENUE, read_candle, read_rate

MINUTE = 60_000_000
UNITS = {"m": MINUTE, "h": 60 * MINUTE, "d": 1440 * MINUTE}
CANDLES = (b"ts_ms,open,high,low,close,volume", b"open_time,open,high,low,close,volume")
RATES, DATED_RATES = b"ts_ms,funding_rate", b"Symbol,Date,Funding Rate"

candles_named = pattern(r"([A-Z0-9]+(?:-PERP)?)[-_]([0-9]+)([mhd])(?=[-_.])").match
rates_named = pattern(r"(?:[a-z]+_)?([A-Z0-9]+)_").match


class Named(NamedTuple):
    """What the name of a file of candles says; ``interval`` in microseconds."""

    symbol: str
    interval: int


def named(name: str) -> Named:
    """Symbol and interval from the name of a file of candles.

    >>> named("BTCUSDT_5m.csv.gz"), named("FILUSDT-1m-2023-04.csv.gz")
    (Named(symbol='BTCUSDT', interval=300000000), Named(symbol='FILUSDT', interval=60000000))

    Raises:
        RecordingError: when it does not say.
    """
    found = candles_named(name)
    if not found or not int(found[2]):
        raise RecordingError(
            f"{name} does not say whose candles it holds, and how long they are, as BTCUSDT_1m.csv does"
        )
    return Named(found[1].replace("-", ""), int(found[2]) * UNITS[found[3]])


def is_table(line: bytes) -> bool:
    """Whether a line is a header that we know."""
    return line.startswith(CANDLES) or line in (RATES, DATED_RATES)


class CandleTable:
    """Reads a file of one-minute candles: each is received at its end."""

    name, venue = "candles", VENUE

    def __init__(self, name: str) -> None:
        self.conn, interval = named(name)
        if interval != MINUTE:
            raise RecordingError(
                f"holds candles of {interval // MINUTE} minutes; those of the log are of one minute, and features count"
                " them: `lockstep study` reads longer ones"
            )

    def read(self, line: bytes) -> Row | None:
        """A candle's row, None for the header."""
        return None if is_table(line) else Row(read_candle(line).start + MINUTE, self.conn, line)


class RateTable:
    """Reads a file of funding rates: each is received when it is paid."""

    name, venue = "funding", VENUE

    def __init__(self, name: str, dated: bool) -> None:
        found = rates_named(name)
        if not found:
            raise RecordingError(f"{name} does not say whose rates it holds, as bybit_BTCUSDT_2023.csv does")
        self.conn, self.dated = f"{found[1]}/{RATES_CONN}", dated

    def read(self, line: bytes) -> Row | None:
        """A rate's row, in its plain form."""
        if is_table(line):
            return None
        ts, rate = read_rate(line, self.dated)
        return Row(ts, self.conn, b"%d,%r" % (ts // 1000, rate))


def table_of(header: bytes, name: str) -> CandleTable | RateTable:
    """The reader of a file that begins with ``header``.

    Raises:
        RecordingError: when its name says too little, or its candles are not of one minute.
    """
    return CandleTable(name) if header.startswith(CANDLES) else RateTable(name, header == DATED_RATES)
