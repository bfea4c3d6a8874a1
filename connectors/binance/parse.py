"""Binance frames to events."""

from collections import Counter
from re import compile as pattern
from typing import Any

from msgspec import UNSET, Raw

from connectors.binance import messages as binance
from connectors.binance.bridge import Bridge
from connectors.frames import BadFrame, Frame, Parsed, refused
from connectors.quantities import MALFORMED, present
from schemas.market import AnyMarketEvent, BookDelta, BookSnapshot, Kline, Ticker, Trade

is_symbol = pattern(r"[A-Z0-9][A-Z0-9_]{1,39}").fullmatch


class Connection:
    """What one connection told: the book of each symbol, and whether its trades are single or aggregate."""

    def __init__(self) -> None:
        self.bridges: dict[str, Bridge] = {}
        self.trades: dict[str, str] = {}
        self.symbols: set[str] = set()


class BinanceParser:
    """Reads ``depthUpdate``, ``trade``, ``aggTrade``, ``markPriceUpdate``, ``kline`` of one minute, and REST depth
    answers; combined streams (``{"stream": ..., "data": ...}``) and bare frames. A REST answer that names no symbol
    takes it from a wrapper around it, or is of the only symbol that the connection has shown.

    Left out, and counted in ``ignored``: book tickers (they repeat the top of the depth stream, without its sequence),
    klines of other intervals, executions that no taker made (insurance fund, deleveraging; at prices of their own), and
    whichever of ``trade`` and ``aggTrade`` a symbol shows second (they are the same volume). ``delta before its
    snapshot`` counts those that are held or older than the snapshot (see ``connectors.binance.bridge``).

    Sizes of coin-margined futures are contracts, as the venue sends them.

    >>> frame = b'{"e":"aggTrade","E":2,"s":"ETHBTC","a":7,"p":"0.028","q":"2.5","T":1604221202527,"m":false}'
    >>> BinanceParser().parse(Frame("binance", "spot", 1604221202529000, frame)).events
    [Trade(symbol='ETHBTC', ts=1604221202527000, recv=1604221202529000, id='7', side='buy', price=0.028, size=2.5, ...)]
    """

    def __init__(self) -> None:
        self.ignored: Counter[str] = Counter()
        self._connections: dict[str, Connection] = {}
        self._read = {
            "depthUpdate": self._depth,
            "trade": self._trade,
            "aggTrade": self._trade,
            "markPriceUpdate": self._mark_price,
            "kline": self._kline,
        }

    def parse(self, frame: Frame) -> Parsed:
        """Read one frame; never raises."""
        kind = "not a Binance message"
        try:
            wrapper = binance.read_wrapper(frame.data)
            if wrapper.stream.endswith("@bookTicker"):
                return self._ignore("book ticker")
            body = wrapper.data if wrapper.stream else frame.data
            head = binance.read_head(body)
            kind = head.e or kind
            if reader := self._read.get(head.e):
                return Parsed(reader(frame, body, head.e), [])
            if not head.e and head.last_update_id is not UNSET:
                kind = "depth snapshot"
                return Parsed(self._snapshot(frame, body, wrapper.stream), [])
            return self._other(head, frame)
        except BadFrame as problem:
            return refused(f"{kind}: {problem}", frame.data)
        except MALFORMED as problem:
            return refused(f"{kind}: {problem}", frame.data)

    def forget(self, conn: str) -> None:
        """The connection was lost: its books wait for a snapshot."""
        self._connections.pop(conn, None)

    def _ignore(self, what: str) -> Parsed:
        self.ignored[what] += 1
        return Parsed([], [])

    def _other(self, head: binance.Head, frame: Frame) -> Parsed:
        if head.e == "bookTicker" or (not head.e and head.B is not UNSET):
            return self._ignore("book ticker")
        if not head.e and head.result is not UNSET:
            return self._ignore("reply")
        raise BadFrame("unknown event" if head.e else "neither an event nor a reply")

    def _connection(self, conn: str) -> Connection:
        connection = self._connections.get(conn)
        if connection is None:
            connection = self._connections[conn] = Connection()
        return connection

    def _known(self, frame: Frame, text: str) -> tuple[str, Connection]:
        """The symbol in capitals, noted as seen on this connection."""
        symbol = text.upper()
        if not is_symbol(symbol):
            raise BadFrame(f"{text[:40]!r} is no symbol")
        connection = self._connection(frame.conn)
        connection.symbols.add(symbol)
        return symbol, connection

    def _depth(self, frame: Frame, body: Raw | bytes, _: str) -> list[AnyMarketEvent]:
        update = binance.read_depth(body)
        symbol, connection = self._known(frame, update.s)
        prev = update.U - 1 if update.pu is None else update.pu
        if not prev < update.U <= update.u:
            raise BadFrame(f"updates {prev} < {update.U}..{update.u} do not rise")
        bridge = connection.bridges.setdefault(symbol, Bridge())
        # Futures number the updates of all symbols together: those between pu and U belong to others. Counted from pu
        # on, a delta follows on a snapshot exactly when first <= snapshot.u + 1, as at spot.
        first = prev + 1
        event = BookDelta(symbol, update.E * 1000, frame.recv, update.u, prev, update.b, update.a, first)
        passed = bridge.delta(event)
        self.ignored["delta before its snapshot"] += 1 - len(passed)
        return passed  # type: ignore[return-value]

    def _snapshot(self, frame: Frame, body: Raw | bytes, stream: str) -> list[AnyMarketEvent]:
        book = binance.read_snapshot(body)
        text = book.symbol or stream.partition("@")[0] or self._only_symbol(frame.conn)
        symbol, connection = self._known(frame, text)
        bridge = connection.bridges.setdefault(symbol, Bridge())
        held = bridge.waiting
        ts = book.E * 1000 if book.E else frame.recv
        events = bridge.snapshot(
            BookSnapshot(symbol, ts, frame.recv, book.last_update_id, present(book.bids), present(book.asks))
        )
        if held:
            self.ignored["delta before its snapshot"] -= len(events) - 1
        return events  # type: ignore[return-value]

    def _only_symbol(self, conn: str) -> str:
        symbols = self._connection(conn).symbols
        if len(symbols) != 1:
            raise BadFrame(f"it names no symbol, and the connection has shown {len(symbols)}")
        return next(iter(symbols))

    def _trade(self, frame: Frame, body: Raw | bytes, kind: str) -> list[AnyMarketEvent]:
        trade: Any
        if kind == "trade":
            trade = binance.read_trade(body)
            number = trade.t
        else:
            trade = binance.read_aggregate(body)
            number = trade.a
        symbol, connection = self._known(frame, trade.s)
        if trade.X != "MARKET":
            self.ignored["execution without a taker"] += 1
            return []
        if not (trade.p and trade.q):
            raise BadFrame(f"price {trade.p} or quantity {trade.q} is 0")
        if connection.trades.setdefault(symbol, kind) != kind:
            self.ignored["the other kind of trade"] += 1
            return []
        side = "sell" if trade.m else "buy"
        return [Trade(symbol, trade.T * 1000, frame.recv, str(number), side, trade.p, trade.q)]  # type: ignore[arg-type]

    def _mark_price(self, frame: Frame, body: Raw | bytes, _: str) -> list[AnyMarketEvent]:
        mark = binance.read_mark_price(body)
        symbol, _connection = self._known(frame, mark.s)
        return [
            Ticker(
                symbol,
                mark.E * 1000,
                frame.recv,
                mark=mark.p,
                index=mark.i or None,
                funding_rate=None if mark.r == "" else mark.r,
                next_funding=mark.T * 1000 if mark.T else None,
            )
        ]

    def _kline(self, frame: Frame, body: Raw | bytes, _: str) -> list[AnyMarketEvent]:
        update = binance.read_kline(body)
        symbol, _connection = self._known(frame, update.s)
        candle = update.k
        if candle.i != "1m":
            self.ignored["kline of another interval"] += 1
            return []
        start = candle.t * 1000
        ohlc = candle.o, candle.h, candle.l, candle.c
        return [Kline(symbol, update.E * 1000, frame.recv, start, *ohlc, candle.v, candle.q, closed=candle.x)]
