"""What the rolling windows of each symbol hold at this moment, counted from the events as they come in."""

from collections import deque
from threading import Lock
from typing import NamedTuple

import msgspec

from operators.candles import KEEP as CANDLES
from operators.spans import SECOND, second_of
from operators.tape import KEEP as TAPE
from operators.trade_ids import KEEP as IDS

INTERVALS = {"1s": 1, "3s": 3, "15s": 15, "1m": 60}
"""Seconds of each window."""
FIRST = b'{"type":"'
MARKS = (b'"trade"', b'"kline"', b'"tick"')
OURS = tuple(FIRST + mark[1:] for mark in MARKS)
SYMBOL_BYTES, SECOND_BYTES, TRADE_BYTES, CANDLE_BYTES = 40_000, 350, 130, 50
"""What a symbol takes in a flow, about (measured): a book of 400 levels, a second with trades, the id of a trade, a
candle."""


class SlimTrade(msgspec.Struct, gc=False, tag_field="type", tag="trade"):
    """What is counted of a trade."""

    symbol: str
    recv: int


class SlimKline(msgspec.Struct, gc=False, tag_field="type", tag="kline"):
    """What is counted of a candle."""

    symbol: str
    recv: int
    start: int
    closed: bool = False


class SlimTick(msgspec.Struct, gc=False, tag_field="type", tag="tick"):
    """What turns the clock."""

    recv: int


decode = msgspec.json.Decoder(SlimTrade | SlimKline | SlimTick).decode


class Holding(NamedTuple):
    """What is held of one symbol: trades by interval, all trades of the tape, closed candles, bytes (about).

    ``newest`` is when the last of them was received, in microseconds UTC.
    """

    symbol: str
    intervals: dict[str, int]
    trades: int
    klines: int
    memory: int
    newest: int


class WindowView:
    """Trades of the last minute by the second and closed candles of the last day, of every symbol.

    Windows are (t - w, t] on the shard's clock, t its last whole second, as the flow's are. A trade that is repeated
    counts again, and candles that a flow makes from trades do not count.

    >>> view = WindowView()
    >>> for recv in (1_200_000, 2_000_000, 2_100_000):
    ...     view.add(b'{"type":"trade","symbol":"X","recv":%d}' % recv, shard=0)
    >>> view.add(b'{"type":"tick","recv":3000000}', shard=0)
    >>> view.holdings()[0].intervals
    {'1s': 1, '3s': 3, '15s': 3, '1m': 3}
    """

    def __init__(self) -> None:
        self._clocks: dict[int, int] = {}
        self._symbols: dict[str, _Symbol] = {}
        self._lock = Lock()

    def add(self, value: bytes, shard: int) -> None:
        """Take in an event, as it stands on the log.

        Raises:
            msgspec.DecodeError: when it is a trade, candle or tick that cannot be read.
        """
        if not (value.startswith(OURS) if value.startswith(FIRST) else any(mark in value for mark in MARKS)):
            return
        event = decode(value)
        clock = self._clocks[shard] = max(event.recv, self._clocks.get(shard, 0))
        if isinstance(event, SlimTick):
            return
        with self._lock:
            symbol = self._symbols.get(event.symbol)
            if symbol is None:
                symbol = self._symbols[event.symbol] = _Symbol(shard)
            symbol.newest = clock
            if isinstance(event, SlimTrade):
                symbol.trade(second_of(clock))
            elif event.closed:
                symbol.candle(event.start)

    def begun_anew(self, shard: int) -> None:
        """The log of a shard is another one: forget the old one."""
        with self._lock:
            self._clocks.pop(shard, None)
            self._symbols = {name: symbol for name, symbol in self._symbols.items() if symbol.shard != shard}

    def holdings(self) -> list[Holding]:
        """Every symbol, sorted."""
        with self._lock:
            return [symbol.holding(name, self._clocks[symbol.shard]) for name, symbol in sorted(self._symbols.items())]


class _Symbol:
    """Trades by the second, (second, count) in order, and the minutes that have a candle."""

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self.newest = 0
        self.seconds: deque[tuple[int, int]] = deque()
        self.candles: dict[int, None] = {}

    def trade(self, second: int) -> None:
        if self.seconds and self.seconds[-1][0] == second:
            self.seconds[-1] = (second, self.seconds[-1][1] + 1)
            return
        self.seconds.append((second, 1))
        while self.seconds[0][0] <= second - TAPE:
            self.seconds.popleft()

    def candle(self, start: int) -> None:
        self.candles[start] = None
        if len(self.candles) > 2 * CANDLES:
            self.candles = dict.fromkeys(sorted(self.candles)[-CANDLES:])

    def holding(self, name: str, clock: int) -> Holding:
        now = clock // SECOND
        held = [(second, count) for second, count in self.seconds if second > now - TAPE]
        intervals = {
            interval: sum(count for second, count in held if now - width < second <= now)
            for interval, width in INTERVALS.items()
        }
        klines = min(CANDLES, len(self.candles))
        trades = sum(count for _, count in held)
        memory = SYMBOL_BYTES + SECOND_BYTES * len(held) + TRADE_BYTES * min(trades, IDS) + CANDLE_BYTES * klines
        return Holding(name, intervals, trades, klines, memory, self.newest)
