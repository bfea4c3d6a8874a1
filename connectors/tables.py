"""Rows of candles and of funding rates, as histories in CSV files hold them."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from msgspec import ValidationError, convert

from connectors.frames import Frame, Parsed, refused
from connectors.quantities import YEAR_2100_MS
from schemas.market import Funding, Kline

VENUE = "csv"
RATES = "funding"
"""Stands behind the symbol in the name of a connection that brings rates."""
DATED_AHEAD = timedelta(hours=3)
"""How far the clock of dated rates is ahead of UTC."""
TURNOVER = {7: 6, 12: 7}
"""The place of the turnover in rows of so many fields."""


class Candle(NamedTuple):
    """A row: ``start`` in microseconds UTC, prices in quote currency, ``volume`` in base, ``turnover`` in quote."""

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    turnover: float


def read_candle(line: bytes) -> Candle:
    """A row of candles; times of 16 digits are microseconds.

    >>> read_candle(b"1725785940000,0.3355,0.336,0.3355,0.336,59868.0,20102.7536").start
    1725785940000000

    Raises:
        ValueError: when it is none.
    """
    fields = line.split(b",")
    if len(fields) < 6:
        raise ValueError(f"{len(fields)} fields, a candle has at least 6")
    start = int(fields[0])
    start = start if start > YEAR_2100_MS else start * 1000
    if not 0 < start < YEAR_2100_MS * 1000:
        raise ValueError(f"{fields[0][:20]!r} is no time")
    place = TURNOVER.get(len(fields))
    o, h, low, c, v = map(float, fields[1:6])
    return Candle(start, o, h, low, c, v, float(fields[place]) if place else 0.0)


def read_rate(line: bytes, dated: bool) -> tuple[int, float]:
    """When (microseconds UTC) which rate was paid.

    >>> read_rate(b"BTC-USDT,2021-01-01 03:00:00,0.00034729", dated=True)
    (1609459200000000, 0.00034729)

    Raises:
        ValueError: when a row is none.
    """
    fields = line.decode("ascii").split(",")
    if not dated:
        return int(fields[0]) * 1000, float(fields[1])
    if len(fields) != 3:
        raise ValueError(f"{len(fields)} fields, a dated rate has 3")
    moment = datetime.fromisoformat(fields[1]).replace(tzinfo=UTC) - DATED_AHEAD
    return int(moment.timestamp()) * 1_000_000, float(fields[2])


class TableParser:
    """Rows to closed candles and paid rates.

    They are events of their moment, not backfilled ones: the candles are all that this market says, so they keep its
    symbol awake, and a vector comes out each second.
    """

    def __init__(self) -> None:
        self.ignored: dict[str, int] = {}

    def parse(self, frame: Frame) -> Parsed:
        """One row."""
        symbol, _, kind = frame.conn.partition("/")
        recv, data = frame.recv, frame.data
        said = {"symbol": symbol, "ts": recv, "recv": recv}
        try:
            if kind == RATES:
                rate = read_rate(data, False)[1]
                return Parsed([convert({"type": "funding", **said, "rate": rate, "settled": True}, Funding)], [])
            row = read_candle(data)._asdict()
            return Parsed([convert({"type": "kline", **said, **row, "closed": True}, Kline)], [])
        except (ValueError, OverflowError, ValidationError) as problem:
            return refused(f"row: {problem}", data, symbol)

    def forget(self, conn: str) -> None:
        """Nothing is remembered."""
