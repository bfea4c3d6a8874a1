"""What a trading decision may know of the market beyond the feature vector."""

from collections.abc import Mapping
from typing import Any

from operators.book import OrderBook
from operators.market import MarketStage
from schemas.market import Ticker, Trade
from schemas.signal import MarketSnapshot
from schemas.vector import FeatureVector

KEPT = ("volatility_1m", "volatility_5m", "returns_1m", "returns_5m", "vwap_1m", "price_zscore_20", "rsi_14", "RSI_14")
"""The features that a signal's snapshot may need between two vectors."""


class Quotes:
    """The newest prices of each symbol, read from the market stage's books or remembered from trades and tickers.

    A stage: it stands right behind ``market`` and passes everything on. Prices in quote currency, sizes in base, times
    in microseconds on the shard's clock.
    """

    layout = 1
    takes = frozenset({Trade, Ticker, FeatureVector})

    def __init__(self, market: MarketStage) -> None:
        self.market = market
        self.last: dict[str, float] = {}
        self.volumes: dict[str, float] = {}
        self.kept: dict[str, dict[str, float | None]] = {}

    def feed(self, record: Any, out: list[Any]) -> None:
        """Remember what the market stage does not keep."""
        kind = type(record)
        if kind is Trade:
            if not record.backfilled:
                self.last[record.symbol] = record.price
        elif kind is Ticker:
            if record.volume_24h is not None:
                self.volumes[record.symbol] = record.volume_24h
        elif kind is FeatureVector:
            features = record.features
            self.kept[record.symbol] = {name: features[name] for name in KEPT if name in features}
        out.append(record)

    @property
    def clock(self) -> int:
        """The shard's clock; 0 before its first event."""
        return self.market.clock or 0

    def book(self, symbol: str) -> OrderBook | None:
        """The order book while it is synchronised and has both sides."""
        state = self.market.symbols.get(symbol)
        if state is None or not state.book.synchronised:
            return None
        book = state.book
        return None if book.best_bid is None or book.best_ask is None else book

    def price(self, symbol: str) -> float | None:
        """The mid, or the last trade's price while the book is away."""
        book = self.book(symbol)
        if book is not None and book.best_bid is not None and book.best_ask is not None:
            return (book.best_bid + book.best_ask) / 2
        return self.last.get(symbol)

    def age(self, symbol: str) -> int | None:
        """Microseconds since the last live event of the symbol; None before the first."""
        state = self.market.symbols.get(symbol)
        if state is None or state.last_heard is None:
            return None
        return self.clock - state.last_heard

    def taint(self, symbol: str) -> list[str]:
        """Why the symbol's data are unsound now; empty when they are sound."""
        state = self.market.symbols.get(symbol)
        return [] if state is None else state.taint(self.clock)

    def market_snapshot(
        self, symbol: str, features: Mapping[str, float | None] | None = None, indicators: tuple[str, ...] = ()
    ) -> MarketSnapshot | None:
        """The market for a signal; None without a price. ``indicators`` names the features that were used.

        Without ``features`` (between two vectors) those of the last vector count.
        """
        price = self.price(symbol)
        if price is None:
            return None
        known = self.kept.get(symbol, {}) if features is None else features
        book = self.book(symbol)
        spread = bid_depth = ask_depth = None
        if book is not None and book.best_bid is not None and book.best_ask is not None:
            spread = book.best_ask - book.best_bid
            bids, asks = book.top(5)
            bid_depth, ask_depth = (sum(size for _, size in side) for side in (bids, asks))
        return MarketSnapshot(
            price,
            spread,
            None if spread is None else spread / price * 100,
            self.volumes.get(symbol),
            known.get("volatility_1m"),
            bid_depth,
            ask_depth,
            {name: known.get(name) for name in indicators},
        )

    def snapshot(self) -> Any:
        """The state as plain data; books are the market stage's."""
        return self.last, self.volumes, self.kept

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        self.last, self.volumes, self.kept = state
