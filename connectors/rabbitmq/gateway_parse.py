"""Market data of ws-gateway's queues to events: Bybit's own fields, one element a message, in an envelope."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from connectors.bybit import messages as bybit
from connectors.bybit.parse import SIDES, merge
from connectors.frames import BadFrame, Frame, Parsed, refused
from connectors.peers.times import micros
from connectors.quantities import AnyMillis, present
from connectors.validate import is_symbol
from schemas.bounds import Rate
from schemas.codec import UNREADABLE
from schemas.market import AnyMarketEvent, BookDelta, BookSnapshot, Funding, Kline, Ticker, Trade

VENUE = "ws-gateway"
MINUTE = "1"


class _Envelope(msgspec.Struct, gc=False):
    event_type: str
    topic: str
    timestamp: str
    payload: msgspec.Raw


class _Book(bybit.Book, gc=False):
    type: str = "snapshot"


class _Candle(bybit.Candle, gc=False):
    interval: str = MINUTE


class _Funding(msgspec.Struct, gc=False):
    symbol: str
    rate: Rate = msgspec.field(name="fundingRate")
    time: AnyMillis = msgspec.field(name="fundingRateTimestamp", default="")
    next: AnyMillis = msgspec.field(name="nextFundingTime", default="")


_read_envelope = msgspec.json.Decoder(_Envelope).decode
_read_book = msgspec.json.Decoder(_Book, strict=False).decode
_read_candle = msgspec.json.Decoder(_Candle, strict=False).decode
_read_funding = msgspec.json.Decoder(_Funding, strict=False).decode

Read = Callable[[Frame, _Envelope, str], AnyMarketEvent | None]


class GatewayParser:
    """Reads trades, tickers, books, candles and funding rates as ws-gateway passes them on.

    A ticker message has only what changed, and none says that it is whole, so what is not known yet stays absent until
    it comes. Books come at depth 1, mostly whole. Left out, and counted in ``ignored``: other kinds of events, block
    trades, candles of other lengths.

    >>> body = b'{"event_type":"trade","topic":"publicTrade.SOLUSDT","timestamp":"2025-03-04T09:15:02.417000",' \\
    ...        b'"payload":{"T":1741079702415,"s":"SOLUSDT","S":"Sell","v":"3.7","p":"142.185","i":"a-1"}}'
    >>> GatewayParser().parse(Frame("ws-gateway", "trade", 1741079702500000, body)).events
    [Trade(symbol='SOLUSDT', ts=1741079702415000, recv=1741079702500000, id='a-1', side='sell', price=142.185, ...)]
    """

    def __init__(self) -> None:
        self.ignored: Counter[str] = Counter()
        self._tickers: dict[str, dict[str, Any]] = {}
        self._read: dict[str, Read] = {
            "trade": self._trade,
            "ticker": self._ticker,
            "orderbook": self._orderbook,
            "kline": self._kline,
            "funding": self._funding,
        }

    def parse(self, frame: Frame) -> Parsed:
        """Read one message; never raises."""
        symbol = None
        try:
            envelope = _read_envelope(frame.data)
            read = self._read.get(envelope.event_type)
            if read is None:
                self.ignored["other event"] += 1
                return Parsed([], [])
            symbol = envelope.topic.rpartition(".")[2]
            if not is_symbol(symbol):
                symbol = None
                raise BadFrame(f"topic {envelope.topic[:80]!r} names no symbol")
            event = read(frame, envelope, symbol)
            return Parsed([event] if event else [], [])
        except (ValueError, *UNREADABLE) as problem:
            where = f"{symbol}: " if symbol else "not a message of ws-gateway: "
            return refused(f"{where}{problem}", frame.data, symbol)

    def forget(self, conn: str) -> None:
        """Nothing: what came after a break of the connection waited in the queue."""

    def _trade(self, frame: Frame, envelope: _Envelope, symbol: str) -> Trade | None:
        trade = bybit.read_trade(envelope.payload)
        _same(symbol, trade.s)
        if trade.BT:
            self.ignored["block trade"] += 1
            return None
        side = SIDES[trade.S]
        return Trade(symbol, trade.T * 1000, frame.recv, trade.i, side, trade.p, trade.v)  # type: ignore[arg-type]

    def _orderbook(self, frame: Frame, envelope: _Envelope, symbol: str) -> BookSnapshot | BookDelta:
        book = _read_book(envelope.payload)
        _same(symbol, book.s)
        ts = micros(envelope.timestamp)
        if book.type == "snapshot" or book.u == 1:
            return BookSnapshot(symbol, ts, frame.recv, book.u, present(book.b), present(book.a))
        if book.type != "delta":
            raise BadFrame(f"unknown type {book.type[:40]!r} of a book")
        return BookDelta(symbol, ts, frame.recv, book.u, book.u - 1, book.b, book.a)

    def _kline(self, frame: Frame, envelope: _Envelope, symbol: str) -> Kline | None:
        candle = _read_candle(envelope.payload)
        if candle.interval != MINUTE:
            self.ignored["kline of another interval"] += 1
            return None
        return Kline(
            symbol,
            micros(envelope.timestamp),
            frame.recv,
            candle.start * 1000,
            candle.open,
            candle.high,
            candle.low,
            candle.close,
            candle.volume,
            candle.turnover,
            candle.confirm,
        )

    def _ticker(self, frame: Frame, envelope: _Envelope, symbol: str) -> Ticker:
        ticker = bybit.read_ticker(envelope.payload)
        _same(symbol, ticker.symbol)
        known = self._tickers.setdefault(symbol, {})
        merge(known, ticker)
        return Ticker(symbol, micros(envelope.timestamp), frame.recv, **known)

    def _funding(self, frame: Frame, envelope: _Envelope, symbol: str) -> Funding:
        funding = _read_funding(envelope.payload)
        _same(symbol, funding.symbol)
        ts = funding.time * 1000 if funding.time else micros(envelope.timestamp)
        return Funding(symbol, ts, frame.recv, funding.rate, funding.next * 1000 if funding.next else None)


def _same(symbol: str, said: str) -> None:
    if said != symbol:
        raise BadFrame(f"its payload is about {said[:40]!r}")
