"""The last price that is known of each symbol, for labels."""

from typing import Any, NamedTuple

from operators.spans import MINUTE
from schemas.market import Kline, Trade

LIFE = MINUTE
"""A price that is older is not known any more: one candle's interval (contracts: features 8)."""
SKEW = MINUTE
"""How far the exchange's clock may run ahead of ours before a candle counts as wrong."""


class Known(NamedTuple):
    """A price in quote currency and since when it was known, in microseconds UTC."""

    at: int
    price: float


class Prices:
    """Of each symbol the newest live trade and the newest closed candle.

    A trade is known at its ``recv``; the close of a candle at the candle's end, or at its ``recv`` where the exchange's
    clock runs ahead of ours. The newer of the two counts, the trade where they are equal. Of several at the same time
    the last one on the log counts. So the price at t depends on the last minute only, and a replay that begins a minute
    earlier finds the same.

    Backfilled trades do not count: nobody knew them when they happened, and the features do not see them either. A
    backfilled candle counts like any other: from where it stands on the log, dated by its end, so that it only tells
    the price of the minute after it. Trades that a venue repeats after a reconnect stand behind a gap, which no label
    reaches across.

    >>> prices = Prices()
    >>> prices.feed(Trade("BTCUSDT", ts=1, recv=5_000_000, id="a", side="buy", price=100.0, size=1.0))
    >>> prices.at("BTCUSDT", 65_000_000), prices.at("BTCUSDT", 65_000_001), prices.at("BTCUSDT", 4_999_999)
    (100.0, None, None)
    """

    def __init__(self) -> None:
        self.trades: dict[str, Known] = {}
        self.candles: dict[str, Known] = {}

    def feed(self, record: Trade | Kline) -> None:
        """Take a price in, in the order of the log."""
        if type(record) is Trade:
            if not record.backfilled:
                _keep(self.trades, record.symbol, Known(record.recv, record.price))
        elif type(record) is Kline and record.closed:
            end = record.start + MINUTE
            if record.start % MINUTE == 0 and end <= record.recv + SKEW:
                _keep(self.candles, record.symbol, Known(min(end, record.recv), record.close))

    def at(self, symbol: str, t: int) -> float | None:
        """The last price known at ``t`` (microseconds UTC), which must not lie before what was fed."""
        trade, candle = self.trades.get(symbol), self.candles.get(symbol)
        known = trade if candle is None or (trade is not None and trade.at >= candle.at) else candle
        return known.price if known is not None and 0 <= t - known.at <= LIFE else None

    def forget_after(self, symbol: str, t: int) -> None:
        """A price that lies after a vector is of a clock that the first tick of the log put right."""
        for kept in (self.trades, self.candles):
            if (known := kept.get(symbol)) is not None and known.at > t:
                del kept[symbol]

    def snapshot(self) -> Any:
        """The state as plain data."""
        return [[(symbol, *known) for symbol, known in kept.items()] for kept in (self.trades, self.candles)]

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        self.trades, self.candles = ({symbol: Known(at, price) for symbol, at, price in kept} for kept in state)


def _keep(kept: dict[str, Known], symbol: str, known: Known) -> None:
    before = kept.get(symbol)
    if before is None or known.at >= before.at:
        kept[symbol] = known
