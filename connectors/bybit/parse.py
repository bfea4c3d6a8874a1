"""Bybit v5 frames to events."""

from collections import Counter
from operator import attrgetter
from typing import Any

from msgspec import UNSET

from connectors.bybit import messages as bybit
from connectors.bybit.topics import Topic, our_name, parse_topic
from connectors.frames import Bad, BadFrame, Frame, Parsed, market_of, refused
from connectors.quantities import MALFORMED, YEAR_2100_MS, present
from schemas.market import AnyMarketEvent, BookDelta, BookSnapshot, Kline, Ticker, Trade

SIDES = {"Buy": "buy", "Sell": "sell"}
PRICES = frozenset({"last", "mark", "index", "bid", "ask", "next_funding"})
"""Ticker fields for which 0 means that there is none."""
TICKER_FIELDS = tuple(name for name in bybit.Ticker.__struct_fields__ if name != "symbol")
ticker_values = attrgetter(*TICKER_FIELDS)


class Connection:
    """What one connection told once: the depth of each book, and the newest value of each ticker field."""

    def __init__(self) -> None:
        self.depths: dict[str, str] = {}
        self.tickers: dict[str, dict[str, Any]] = {}


class BybitParser:
    """Reads the public channels ``orderbook``, ``publicTrade``, ``kline.1`` and ``tickers``.

    ``depth`` says which ``orderbook.{depth}`` to read; without it the depth that a symbol shows first on a connection.
    Left out, and counted in ``ignored``: other depths, klines of other intervals, block trades (agreed off the book, at
    prices of their own), and ticker deltas before the first snapshot.

    >>> frame = b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1700000000002,"data":[{"T":1700000000001,' \\
    ...         b'"s":"BTCUSDT","S":"Buy","v":"0.5","p":"40000.1","i":"a-1","BT":false}]}'
    >>> parser = BybitParser()
    >>> parser.parse(Frame("bybit", "linear", 1700000000100000, frame)).events
    [Trade(symbol='BTCUSDT', ts=1700000000001000, recv=1700000000100000, id='a-1', side='buy', price=40000.1, ...)]
    >>> parser.parse(Frame("bybit", "spot", 1700000000100000, frame)).events[0].symbol
    'BTCUSDT-SPOT'
    >>> parser.parse(Frame("bybit", "linear", 1700000000100000, frame[:-9])).bad[0].reason
    'not a Bybit v5 message: Input data was truncated'
    """

    def __init__(self, depth: int | None = None) -> None:
        self.depth = depth
        self.ignored: Counter[str] = Counter()
        self._connections: dict[str, Connection] = {}
        self._read = {
            "orderbook": self._orderbook,
            "publicTrade": self._trades,
            "kline": self._klines,
            "tickers": self._ticker,
        }

    def parse(self, frame: Frame) -> Parsed:
        """Read one frame; never raises."""
        name = None
        try:
            message = bybit.read_message(frame.data)
            if not message.topic:
                return self._reply(message, frame)
            topic = parse_topic(message.topic)
            name = our_name(market_of(frame.conn), topic.symbol)
            if not 0 < message.ts < YEAR_2100_MS:
                raise BadFrame(f"{message.topic}: no valid time in ts")
            return self._read[topic.channel](frame, message, topic, name)
        except BadFrame as problem:
            return refused(str(problem), frame.data, name)
        except MALFORMED as problem:
            where = message.topic if name else "not a Bybit v5 message"
            return refused(f"{where}: {problem}", frame.data, name)

    def forget(self, conn: str) -> None:
        """The connection was lost: its tickers wait for a snapshot, its books may come in another depth."""
        self._connections.pop(conn, None)

    def _connection(self, conn: str) -> Connection:
        connection = self._connections.get(conn)
        if connection is None:
            connection = self._connections[conn] = Connection()
        return connection

    def _ignore(self, what: str) -> Parsed:
        self.ignored[what] += 1
        return Parsed([], [])

    def _reply(self, message: bybit.Message, frame: Frame) -> Parsed:
        if message.success is False:
            return refused(f"{message.op or 'request'} refused: {message.ret_msg}", frame.data)
        if message.op == "pong" or message.success:
            return self._ignore("reply")
        return refused(f"neither a topic nor a reply {message.ret_msg}".rstrip(), frame.data)

    def _orderbook(self, frame: Frame, message: bybit.Message, topic: Topic, name: str) -> Parsed:
        if self.depth is not None:
            depth = str(self.depth)
        else:
            depth = self._connection(frame.conn).depths.setdefault(topic.symbol, topic.argument)
        if topic.argument != depth:
            return self._ignore("orderbook of another depth")
        book = bybit.read_book(message.data)
        same_symbol(topic, book.s)
        # After a restart of the exchange's service the numbering starts again with a whole book, whatever its type.
        if message.type == "snapshot" or book.u == 1:
            bids, asks = present(book.b), present(book.a)
            event: AnyMarketEvent = BookSnapshot(name, message.ts * 1000, frame.recv, book.u, bids, asks)
        elif message.type == "delta":
            event = BookDelta(name, message.ts * 1000, frame.recv, book.u, book.u - 1, book.b, book.a)
        else:
            raise BadFrame(f"{message.topic}: unknown type {message.type[:40]!r}")
        return Parsed([event], [])

    def _trades(self, frame: Frame, message: bybit.Message, topic: Topic, name: str) -> Parsed:
        parsed = Parsed([], [])
        for trade, raw in elements(message, bybit.read_trades, bybit.read_trade, name, parsed.bad):
            if trade.s != topic.symbol:
                parsed.bad.append(Bad(f"{message.topic}: trade of {trade.s[:40]!r}", raw or frame.data, name))
            elif trade.BT:
                self.ignored["block trade"] += 1
            else:
                side = SIDES[trade.S]
                event = Trade(name, trade.T * 1000, frame.recv, trade.i, side, trade.p, trade.v)  # type: ignore[arg-type]
                parsed.events.append(event)
        return parsed

    def _klines(self, frame: Frame, message: bybit.Message, topic: Topic, name: str) -> Parsed:
        if topic.argument != "1":
            return self._ignore("kline of another interval")
        parsed = Parsed([], [])
        for candle, _ in elements(message, bybit.read_candles, bybit.read_candle, name, parsed.bad):
            event = Kline(
                name,
                message.ts * 1000,
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
            parsed.events.append(event)
        return parsed

    def _ticker(self, frame: Frame, message: bybit.Message, topic: Topic, name: str) -> Parsed:
        ticker = bybit.read_ticker(message.data)
        same_symbol(topic, ticker.symbol)
        tickers = self._connection(frame.conn).tickers
        if message.type == "snapshot":
            known = tickers[topic.symbol] = {}
        elif message.type != "delta":
            raise BadFrame(f"{message.topic}: unknown type {message.type[:40]!r}")
        elif topic.symbol not in tickers:
            return self._ignore("ticker delta without a snapshot")
        else:
            known = tickers[topic.symbol]
        merge(known, ticker)
        return Parsed([Ticker(name, message.ts * 1000, frame.recv, **known)], [])


def same_symbol(topic: Topic, symbol: str) -> None:
    """Refuse data that says another symbol than its topic."""
    if symbol != topic.symbol:
        raise BadFrame(f"{topic.channel} of {topic.symbol}: data of {symbol[:40]!r}")


def elements(
    message: bybit.Message, read_all: Any, read_one: Any, name: str, bad: list[Bad]
) -> list[tuple[Any, bytes]]:
    """The elements of ``data``. Where one cannot be read it joins ``bad``; the others come with their bytes."""
    try:
        return [(element, b"") for element in read_all(message.data)]
    except MALFORMED:
        return one_by_one(message, read_one, name, bad)


def one_by_one(message: bybit.Message, read_one: Any, name: str, bad: list[Bad]) -> list[tuple[Any, bytes]]:
    """As ``elements``, for a list that is known to hold a bad one.

    Raises:
        msgspec.DecodeError: when ``data`` is no list.
    """
    good = []
    for part in bybit.read_parts(message.data):
        try:
            good.append((read_one(part), bytes(part)))
        except MALFORMED as problem:
            bad.append(Bad(f"{message.topic}: {problem}"[:300], bytes(part), name))
    return good


def merge(known: dict[str, Any], ticker: bybit.Ticker) -> None:
    """Take over what the message says; what it leaves out stays as it was."""
    for field, value in zip(TICKER_FIELDS, ticker_values(ticker), strict=True):
        if value is not UNSET:
            absent = value == "" or (value == 0 and field in PRICES)
            known[field] = None if absent else value
    if ticker.next_funding is not UNSET and known["next_funding"] is not None:
        known["next_funding"] *= 1000
