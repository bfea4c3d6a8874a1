"""An engine of market, quotes, account and exits over one shard, and the events that tests put in."""

from collections.abc import Iterable
from typing import Any

import msgspec

from operators.engine import Cursor, Engine, Stage
from operators.exits import ExitsStage
from operators.exits.rule import Rule
from operators.exits.rules import RULES
from operators.features.catalogue import FEATURES
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from operators.trading.quotes import Quotes
from operators.trading.stage import AccountStage
from schemas.account import OrderEvent, PositionEvent
from schemas.codec import decode_account, decode_decision, decode_quality, decode_signal, encode
from schemas.decision import Decision
from schemas.market import BookSnapshot, Tick, Trade
from schemas.output import Output
from schemas.quality import QualityRecord
from schemas.signal import TradingSignal
from schemas.strategy import Strategy, StrategyConfigured

SECOND = 1_000_000
START = 1_700_000_000 * SECOND
DECODE = {"decisions": decode_decision, "signals": decode_signal, "quality": decode_quality, "account": decode_account}


class Desk:
    """Feeds events at rising offsets and remembers what came out."""

    def __init__(self, *settings: Strategy, rules: Iterable[Rule] = RULES) -> None:
        self.rules = tuple(rules)
        self.engine = Engine(0, self._build)
        self.offset = 0
        self.outputs: list[Output] = []
        self.events: list[Any] = []
        self.sent: list[TradingSignal] = []
        self.feed(*(StrategyConfigured(START, found) for found in settings))

    def _build(self, cursor: Cursor) -> list[Stage]:
        features = FeatureSet("9.9.9", [("mid_price", FEATURES["mid_price"], None)])
        self.market = MarketStage(features, cursor)
        self.quotes = Quotes(self.market)
        self.accounts = AccountStage(cursor, self.quotes)
        self.exits = ExitsStage(cursor, self.quotes, self.accounts, self.rules)
        return [self.market, self.quotes, self.accounts, self.exits]

    def feed(self, *events: Any) -> list[Output]:
        """What came of these events."""
        found = []
        for event in events:
            made = self.engine.feed([(self.offset, event if isinstance(event, bytes) else encode(event))])
            found += made
            self.sent += decoded(made, "signals")
            self.offset += 1
            self.events.append(event)
        self.outputs += found
        return found

    def restart(self) -> None:
        """Go on with stages that were restored from a snapshot."""
        state = self.engine.snapshot()
        self.engine = Engine(0, self._build)
        self.engine.restore(state)
        assert self.engine.snapshot() == state

    @property
    def decisions(self) -> list[Decision]:
        return decoded(self.outputs, "decisions")

    @property
    def signals(self) -> list[TradingSignal]:
        return list(self.sent)

    @property
    def quality(self) -> list[QualityRecord]:
        return decoded(self.outputs, "quality")

    @property
    def steps(self) -> list[str]:
        return [decision.step for decision in self.decisions]

    def stake(self, strategy: str = "s", symbol: str = "BTCUSDT"):
        return self.exits.watches[symbol].stakes.get(strategy)


def decoded(outputs: Iterable[Output], topic: str) -> list[Any]:
    return [DECODE[topic](output.value) for output in outputs if output.topic == topic]


def strategy(name: str = "s", symbols: tuple[str, ...] = ("BTCUSDT",), **exits: Any) -> Strategy:
    """A strategy whose exit blocks are given as mappings: ``take_profit={"percent": 5.0}``."""
    top = {key: exits.pop(key) for key in ("enabled", "mode", "amount", "data", "orders") if key in exits}
    return msgspec.convert({"strategy": name, "symbols": symbols, "exits": exits, **top}, Strategy)


def configured(settings: Strategy, second: float = 0) -> StrategyConfigured:
    return StrategyConfigured(at(second), settings)


def at(second: float) -> int:
    return START + round(second * SECOND)


def tick(second: float) -> Tick:
    return Tick(at(second))


def ticks(first: int, last: int) -> list[Tick]:
    """One a second, both ends included."""
    return [tick(second) for second in range(first, last + 1)]


def price(second: float, mid: float, symbol: str = "BTCUSDT") -> BookSnapshot:
    """A book whose mid is exactly ``mid`` for the prices used here."""
    bids = [(mid - 0.25 * i, 2.0) for i in range(1, 6)]
    asks = [(mid + 0.25 * i, 2.0) for i in range(1, 6)]
    return BookSnapshot(symbol, at(second), at(second), round(second * 1000) + 1, bids, asks)


def trade(second: float, at_price: float, symbol: str = "BTCUSDT") -> Trade:
    return Trade(symbol, at(second), at(second), f"{second}", "buy", at_price, 1.0)


def position(second: float, size: float, entry: float | None = None, symbol: str = "BTCUSDT") -> PositionEvent:
    return PositionEvent(symbol, at(second), at(second), size, entry)


def fill(
    second: float,
    side: str,
    size: float,
    at_price: float,
    strategy: str = "s",
    symbol: str = "BTCUSDT",
    order: str = "",
    signal: str | None = None,
    status: str = "filled",
    of: float | None = None,
) -> OrderEvent:
    """An order of a strategy that was executed: ``size`` is what is filled in all, ``of`` the order's quantity."""
    id = order or f"{strategy}-{second}-{side}"
    return OrderEvent(
        symbol, at(second), at(second), id, side, "market", of or size, status, size, average_price=at_price,
        signal_id=signal, strategy=strategy,
    )  # fmt: skip


def answer(second: float, signal: TradingSignal, status: str = "filled", part: float = 1.0) -> OrderEvent:
    """What the order-manager makes of a signal: ``part`` of it filled at the signal's price."""
    quantity = signal.amount / signal.snapshot.price
    filled = quantity * part if status in ("filled", "partially_filled") else 0.0
    return OrderEvent(
        signal.symbol, at(second), at(second), f"o-{signal.signal_id}", signal.side, "market", quantity, status, filled,
        average_price=signal.snapshot.price if filled else None, signal_id=signal.signal_id, reduce_only=True,
    )  # fmt: skip


def holding(settings: Strategy, size: float = 1.0, entry: float = 100.0, **more: Any) -> Desk:
    """A desk whose strategy opened ``size`` (negative: short) at ``entry``, confirmed by the account at second 1."""
    desk = Desk(settings, **more)
    desk.feed(tick(0), price(0, entry), fill(0.5, "buy" if size > 0 else "sell", abs(size), entry, settings.strategy))
    desk.feed(position(1, size), tick(1))
    assert desk.steps == []
    return desk


FAST = {"debounce": 0.0}


def problems(desk: Desk) -> list[str]:
    return [record.problem for record in desk.quality]
