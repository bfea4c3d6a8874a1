"""The part of the trading engine that decides needs, over real stages, and a desk to ask single gates at."""

from collections.abc import Iterable
from random import Random
from typing import Any

import msgspec

from operators.decide import DecideStage, Predictor
from operators.decide.bucket import Bucket
from operators.decide.case import Case
from operators.decide.memory import Memory
from operators.engine import Cursor, Engine, Stage
from operators.features.catalogue import FEATURES
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from operators.trading.quotes import Quotes
from operators.trading.stage import AccountStage
from schemas.account import AccountEvent, BalanceEvent, OrderEvent, PositionEvent
from schemas.codec import decode_account, decode_decision, decode_quality, decode_signal, encode
from schemas.decision import Decision
from schemas.market import BookSnapshot, Tick, Trade
from schemas.origin import Origin
from schemas.output import Output
from schemas.signal import TradingSignal
from schemas.strategy import Strategy, StrategyConfigured
from schemas.vector import FeatureVector
from tests.streams import SECOND, START, stream

NAMES = ("mid_price", "returns_1m", "vwap_1m", "volatility_1m", "price_zscore_20")
SYMBOLS = ("BTCUSDT", "ETHUSDT")
MINUTE_AT = 40
"""Seconds after START at which a whole minute begins."""
DECODE = {"decisions": decode_decision, "signals": decode_signal, "quality": decode_quality, "account": decode_account}


class Chain:
    """An engine of market, quotes, account and decide over one shard; remembers what came out of it."""

    def __init__(self, predictor: Predictor | None = None, shard: int = 0) -> None:
        self.predictor = predictor
        self.engine = Engine(shard, self._build)
        self.offset = 0
        self.outputs: list[Output] = []

    def _build(self, cursor: Cursor) -> list[Stage]:
        features = FeatureSet("test", [(name, FEATURES[name], None) for name in NAMES])
        self.market = MarketStage(features, cursor)
        self.quotes = Quotes(self.market)
        self.accounts = AccountStage(cursor, self.quotes)
        self.decide = DecideStage(cursor, self.quotes, self.accounts, self.predictor)
        return [self.market, self.quotes, self.accounts, self.decide]

    def feed(self, *events: Any) -> list[Output]:
        """Feed events at the next offsets; returns what they led to."""
        found = self.engine.feed([(self.offset + i, encode(event)) for i, event in enumerate(events)])
        self.offset += len(events)
        self.outputs += found
        return found

    def restarted(self) -> "Chain":
        """Another chain that begins with the state of this one."""
        other = Chain(self.predictor, self.engine.cursor.shard)
        other.engine.restore(self.engine.snapshot())
        other.offset = self.offset
        other.outputs = list(self.outputs)
        return other

    @property
    def decisions(self) -> list[Decision]:
        return [decision for decision in decoded(self.outputs, "decisions") if decision.kind != "mode"]

    @property
    def modes(self) -> list[Decision]:
        return [decision for decision in decoded(self.outputs, "decisions") if decision.kind == "mode"]

    @property
    def signals(self) -> list[TradingSignal]:
        return decoded(self.outputs, "signals")


def decoded(outputs: Iterable[Output], topic: str) -> list[Any]:
    return [DECODE[topic](output.value) for output in outputs if output.topic == topic]


def strategy(name: str = "s", symbols: tuple[str, ...] = ("BTCUSDT",), **blocks: Any) -> Strategy:
    """A strategy whose blocks are given as mappings: ``warmup={"randomness": 0.0}``."""
    return msgspec.convert({"strategy": name, "symbols": symbols, **blocks}, Strategy)


def eager(name: str = "s", symbols: tuple[str, ...] = ("BTCUSDT",), **blocks: Any) -> Strategy:
    """A strategy that wants to trade each second, by chance alone, and has no account and no limits to look at."""
    warmup = {"frequency": 60, "randomness": 1.0, "threshold": 0.0} | blocks.pop("warmup", {})
    free = {"balance": {"check": False}, "orders": {"skip_if_open": False}, "position": {"max_size": 1e9}}
    return strategy(name, symbols, warmup=warmup, **(free | blocks))


def configured(settings: Strategy, second: float = 0) -> StrategyConfigured:
    return StrategyConfigured(at(second), settings)


def at(second: float) -> int:
    return START + round(second * SECOND)


def book(second: float, mid: float = 100.0, symbol: str = "BTCUSDT", u: int = 1) -> BookSnapshot:
    """A book around ``mid``, one hundredth wide."""
    levels = range(1, 7)
    bids = [(mid - 0.005 * i, 2.0) for i in levels]
    asks = [(mid + 0.005 * i, 2.0) for i in levels]
    return BookSnapshot(symbol, at(second), at(second), u, bids, asks)


def trade(second: float, price: float = 100.0, symbol: str = "BTCUSDT") -> Trade:
    return Trade(symbol, at(second), at(second), f"{second}", "buy", price, 1.0)


def tick(second: float) -> Tick:
    return Tick(at(second))


def balance(second: float, coin: str = "USDT", available: float = 10_000.0, symbol: str | None = None) -> BalanceEvent:
    return BalanceEvent(coin, at(second), at(second), available, available, symbol)


def position(second: float, size: float, entry: float | None = None, symbol: str = "BTCUSDT") -> PositionEvent:
    return PositionEvent(symbol, at(second), at(second), size, entry)


def order(second: float, id: str, status: str = "pending", side: str = "buy", **more: Any) -> OrderEvent:
    """An order for one unit of BTCUSDT at 100, of strategy ``s``; filled wholly when its status says so."""
    filled = {"filled": 1.0, "average_price": 100.0} if status == "filled" else {}
    fields = {"symbol": "BTCUSDT", "strategy": "s", "quantity": 1.0, "order_type": "market"} | filled | more
    return OrderEvent(ts=at(second), recv=at(second), order_id=id, side=side, status=status, **fields)


def case(
    settings: Strategy,
    *events: Any,
    features: dict[str, float | None] | None = None,
    mid: float = 100.0,
    second: float = 10,
    tainted: bool = False,
    index: int = 0,
    symbol: str = "BTCUSDT",
) -> Case:
    """One evaluation of a strategy at ``second``, behind a chain that was fed a book and ``events``."""
    chain = Chain()
    chain.feed(configured(settings), book(0, mid, symbol))
    for event in events:
        # Account events never turn the clock: a tick brings it to where they are meant to take effect.
        chain.feed(*([tick((event.recv - START) / SECOND)] if isinstance(event, AccountEvent) else []), event)
    if chain.quotes.clock < at(second):
        chain.feed(tick(second), trade(second, mid, symbol))
    vector = FeatureVector(
        symbol, at(second), at(second), ["1s"], features or {}, "test", tainted, [], Origin(0, 100, index)
    )
    memory = Memory(Bucket(settings.rate, chain.quotes.clock))
    return Case(settings, vector, chain.quotes, chain.accounts.account, memory)


def seconds_of_market(seconds: int, mid: float = 100.0, symbol: str = "BTCUSDT", start: int = 0) -> list[Any]:
    """A book, and then each second a trade and a tick."""
    events: list[Any] = [book(start, mid, symbol, u=start + 1)]
    for second in range(start + 1, start + seconds + 1):
        events += [trade(second - 0.5, mid, symbol), tick(second)]
    return events


def random_account(random: Random, recv: int, symbols: tuple[str, ...], names: tuple[str, ...]) -> Any:
    """Something that an account may say at ``recv``."""
    symbol = random.choice(symbols)
    kind = random.randrange(4)
    if kind == 0:
        coin = random.choice(["USDT", symbol[:3]])
        amount = random.choice([0.0, 5.0, 60.0, 900.0, 20_000.0])
        return BalanceEvent(coin, recv, recv, amount, amount)
    if kind == 1:
        return PositionEvent(symbol, recv, recv, random.choice([-3.0, -1.0, 0.0, 0.5, 1.999, 2.5]))
    side, status = random.choice(["buy", "sell"]), random.choice(["pending", "filled", "cancelled"])
    id = f"{random.choice(names)}-{random.randrange(30)}"
    filled = {"filled": 1.5, "average_price": 100.0} if status == "filled" else {}
    return OrderEvent(symbol, recv, recv, id, side, "limit", 1.5, status, strategy=id.split("-")[0], **filled)


def random_shard(seed: int, seconds: int, strategies: list[Strategy], symbols: tuple[str, ...] = SYMBOLS) -> list[Any]:
    """A random market with the strategies' settings at its start and account events strewn in."""
    random = Random(seed)
    events: list[Any] = [StrategyConfigured(START, settings) for settings in strategies]
    names = tuple(settings.strategy for settings in strategies) or ("s",)
    for event in stream(seed, seconds, symbols):
        events.append(event)
        if random.random() < 0.15:
            events.append(random_account(random, event.recv, symbols, names))
        if type(event) is Tick and (event.recv - START) // SECOND % 20 == 0:
            events.append(BalanceEvent("USDT", event.recv, event.recv, 5_000.0, 5_000.0))
    return events
