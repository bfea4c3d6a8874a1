"""What an exchange knows, as the REST interface lists it; and the same as events, for comparison."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from connectors.demo.candles import MINUTE
from connectors.demo.exchange_history.past import Past
from connectors.demo.instrument import Instrument, instrument
from connectors.demo.tape import Fill
from connectors.demo.wire import Wire, trade_id
from connectors.pace import wall_clock
from schemas.market import Funding, Kline

LAUNCH = 1_577_836_800_000_000
"""When the demo exchange opened (2020-01-01)."""
FUNDING_INTERVAL = 480 * MINUTE
TRADES = 1_000
LEVELS = 500

Row = list[str]
"""start (ms), open, high, low, close, volume, turnover"""


class Truth(Protocol):
    """All times in microseconds UTC; rows newest first; spans [start, end]. An unknown symbol is a ``KeyError``."""

    category: str
    """The market: ``linear`` or ``spot``."""

    def now(self) -> int:
        """The exchange's clock."""

    def candles(self, symbol: str, start: int, end: int, limit: int) -> list[Row]:
        """The newest ``limit`` candles that begin in the span, the running one too."""

    def funding(self, symbol: str, start: int, end: int, limit: int) -> list[tuple[int, str]]:
        """The newest ``limit`` payments in the span: when, and the rate."""

    def trades(self, symbol: str, limit: int) -> list[dict[str, Any]]:
        """The newest trades as Bybit lists them."""

    def book(self, symbol: str, depth: int) -> dict[str, Any]:
        """The order book."""

    def ticker(self, symbol: str) -> dict[str, Any]:
        """The ticker."""

    def instruments(self, symbol: str | None = None) -> Sequence[Mapping[str, Any]]:
        """What is traded, by name."""


class Generated:
    """The demo exchange without a session: its past goes on until now, as a function of the minute.

    Args:
        symbols: what is listed.
        seed: of everything.
        clock: the exchange's, microseconds UTC.
        launch: since when the symbols are listed.
        funding_interval: microseconds from one payment to the next.
    """

    category = "linear"

    def __init__(
        self,
        symbols: Sequence[str],
        seed: int = 1,
        clock: Callable[[], int] = wall_clock,
        launch: int = LAUNCH,
        funding_interval: int = FUNDING_INTERVAL,
    ) -> None:
        self.now = clock
        self.launch = launch
        self.funding_interval = funding_interval
        self.listed = {name: instrument(name) for name in sorted(symbols)}
        self.pasts = {name: Past(one, seed) for name, one in self.listed.items()}
        self.wires = {name: Wire(one, LEVELS) for name, one in self.listed.items()}

    def candles(self, symbol: str, start: int, end: int, limit: int) -> list[Row]:
        past, wire, now = self.pasts[symbol], self.wires[symbol], self.now()
        first = max(-(-start // MINUTE), -(-self.launch // MINUTE)) * MINUTE
        last = min(end, now) // MINUTE * MINUTE
        first = max(first, last - (limit - 1) * MINUTE)
        return [wire.row(past.candle(minute, now)) for minute in range(last, first - 1, -MINUTE)]

    def funding(self, symbol: str, start: int, end: int, limit: int) -> list[tuple[int, str]]:
        past, step = self.pasts[symbol], self.funding_interval
        first = -(-max(start, self.launch + 1) // step) * step
        last = min(end, self.now()) // step * step
        first = max(first, last - (limit - 1) * step)
        return [(time, f"{past.rate(time):.8f}") for time in range(last, first - 1, -step)]

    def trades(self, symbol: str, limit: int) -> list[dict[str, Any]]:
        past, wire, now = self.pasts[symbol], self.wires[symbol], self.now()
        found: list[dict[str, Any]] = []
        minute = now // MINUTE * MINUTE
        while len(found) < limit and minute >= self.launch:
            done = [fill for fill in past.trades(minute) if fill.time <= now]
            found += [trade_row(wire, fill) for fill in reversed(done)]
            minute -= MINUTE
        return found[:limit]

    def book(self, symbol: str, depth: int) -> dict[str, Any]:
        one, wire, now = self.listed[symbol], self.wires[symbol], self.now()
        last = self._last(symbol)
        gap, lots = one.level_gap, max(1, int(one.level_lots))
        bids = [[wire.price(last - rank * gap), wire.size(lots + rank)] for rank in range(depth) if last > rank * gap]
        asks = [[wire.price(last + 1 + rank * gap), wire.size(lots + rank)] for rank in range(depth)]
        return {"s": symbol, "b": bids, "a": asks, "ts": now // 1000, "u": now // 1_000_000, "seq": now // 1000}

    def ticker(self, symbol: str) -> dict[str, Any]:
        wire, now = self.wires[symbol], self.now()
        last = self._last(symbol)
        upcoming = (now // self.funding_interval + 1) * self.funding_interval
        return {
            "symbol": symbol,
            "lastPrice": wire.price(last),
            "markPrice": wire.price(last),
            "indexPrice": wire.price(last),
            "bid1Price": wire.price(last),
            "ask1Price": wire.price(last + 1),
            "bid1Size": wire.size(10),
            "ask1Size": wire.size(10),
            "fundingRate": f"{self.pasts[symbol].rate(upcoming):.8f}",
            "nextFundingTime": str(upcoming // 1000),
        }

    def instruments(self, symbol: str | None = None) -> list[dict[str, Any]]:
        names = list(self.listed) if symbol is None else [symbol]
        return [instrument_row(self.listed[name], self.launch, self.funding_interval) for name in names]

    def _last(self, symbol: str) -> int:
        """The price of the last trade, in ticks."""
        past, now = self.pasts[symbol], self.now()
        minute = now // MINUTE * MINUTE
        done = [trade for trade in past.trades(minute - MINUTE) + past.trades(minute) if trade.time <= now]
        return done[-1].price


def trade_row(wire: Wire, fill: Fill) -> dict[str, Any]:
    """A trade as ``recent-trade`` lists it."""
    return {
        "execId": trade_id(wire.symbol, fill.number),
        "symbol": wire.symbol,
        "price": wire.price(fill.price),
        "size": wire.size(fill.lots),
        "side": "Buy" if fill.buys else "Sell",
        "time": str(fill.time // 1000),
        "isBlockTrade": False,
        "isRPITrade": False,
        "seq": str(fill.seq),
    }


def instrument_row(one: Instrument, launch: int, funding_interval: int) -> dict[str, Any]:
    """A contract as ``instruments-info`` lists it, as far as anybody reads it."""
    tick, lot = f"{one.price(1):.{one.price_digits}f}", f"{one.size(1):.{one.size_digits}f}"
    base = one.symbol.removesuffix("USDT")
    return {
        "symbol": one.symbol,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": base,
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
        "launchTime": str(launch // 1000),
        "deliveryTime": "0",
        "priceScale": str(one.price_digits),
        "priceFilter": {"minPrice": tick, "maxPrice": f"{one.opening * 100:.{one.price_digits}f}", "tickSize": tick},
        "lotSizeFilter": {"minOrderQty": lot, "qtyStep": lot, "minNotionalValue": "5"},
        "fundingInterval": funding_interval // MINUTE,
    }


def true_klines(truth: Truth, symbol: str, start: int, end: int) -> list[Kline]:
    """The closed candles that begin in [start, end), oldest first: what a client without fault returns."""
    now = truth.now()
    listed = truth.candles(symbol, start, end - 1, 2**31)
    return [kline for kline in map(_kline(symbol), reversed(listed)) if kline.ts <= now]


def true_funding(truth: Truth, symbol: str, start: int, end: int) -> list[Funding]:
    """The payments in [start, end), oldest first."""
    listed: Iterable[tuple[int, str]] = reversed(truth.funding(symbol, start, end - 1, 2**31))
    return [
        Funding(symbol=symbol, ts=time, recv=time, rate=float(rate), settled=True, backfilled=True)
        for time, rate in listed
    ]


def _kline(symbol: str) -> Callable[[Row], Kline]:
    def made(row: Row) -> Kline:
        start = int(row[0]) * 1000
        opening, high, low, close, volume, turnover = map(float, row[1:])
        return Kline(
            symbol=symbol,
            ts=start + MINUTE,
            recv=start + MINUTE,
            start=start,
            open=opening,
            high=high,
            low=low,
            close=close,
            volume=volume,
            turnover=turnover,
            closed=True,
            backfilled=True,
        )

    return made
