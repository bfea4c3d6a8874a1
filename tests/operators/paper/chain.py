"""A small trading engine around the paper exchange, with a scripted source of signals."""

from collections.abc import Callable
from random import Random
from typing import Any

from operators.engine import Cursor, Engine
from operators.features.catalogue import FEATURES
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from operators.paper.stage import PaperBack, PaperFront
from operators.trading.quotes import Quotes
from operators.trading.stage import AccountStage
from schemas.account import BalanceEvent, Execution, OrderEvent, PositionEvent
from schemas.codec import decode_account, decode_signal, encode
from schemas.market import Tick
from schemas.origin import Origin
from schemas.signal import MarketSnapshot, TradingSignal

Script = Callable[["Chain", Any], list[dict[str, Any]]]
"""What to signal at a record: keyword arguments of ``Chain.signal``."""


class SignalSource:
    """Makes a signal where the script says so, as the decide stage would: a signal behind the record that caused it."""

    layout = 1

    def __init__(self, chain: "Chain", script: Script) -> None:
        self.chain = chain
        self.script = script

    def feed(self, record, out):
        out.append(record)
        for wanted in self.script(self.chain, record):
            signal = self.chain.signal(**wanted)
            if signal is not None:
                self.chain.accounts.account.signalled(signal)
                out.append(signal)

    def snapshot(self):
        return None

    def restore(self, state):
        pass


class Chain:
    """The stages of the trading engine that the paper exchange needs, for one shard."""

    def __init__(self, script: Script = lambda chain, record: []) -> None:
        self.script = script
        self.engine = Engine(0, self.build)
        self.outputs: list = []
        self.offset = 0

    def build(self, cursor: Cursor) -> list:
        self.cursor = cursor
        self.market = MarketStage(FeatureSet("test", [("mid_price", FEATURES["mid_price"], None)]), cursor)
        self.quotes = Quotes(self.market)
        self.front = PaperFront(cursor, self.quotes)
        self.accounts = AccountStage(cursor, self.quotes)
        source = SignalSource(self, self.script)
        return [self.market, self.quotes, self.front, self.accounts, source, PaperBack(self.front)]

    def feed(self, *events) -> list:
        """Feed events; returns the account events and executions that they caused."""
        found = []
        for event in events:
            outputs = self.engine.feed([(self.offset, encode(event))])
            self.offset += 1
            self.outputs += outputs
            found += [decode_account(output.value) for output in outputs if output.topic == "account"]
        return found

    def signal(
        self,
        symbol: str,
        side: str,
        amount: float,
        confidence: float = 0.5,
        kind: str = "entry",
        urgent: bool = False,
        strategy: str = "one",
        snapshot: MarketSnapshot | None = None,
    ) -> TradingSignal | None:
        """A signal at this moment; None without a price."""
        snapshot = snapshot or self.quotes.market_snapshot(symbol)
        if snapshot is None:
            return None
        origin = self.cursor.next()
        return TradingSignal(
            str(origin.uuid("signal")),
            strategy,
            symbol,
            self.quotes.clock,
            side,
            amount,
            confidence,
            kind,
            True,
            "1.0.0",
            snapshot,
            "scripted",
            str(origin.uuid("trace")),
            origin,
            urgent=urgent,
        )

    def records(self, kind: type | tuple[type, ...] = (OrderEvent, PositionEvent, BalanceEvent, Execution)) -> list:
        """Everything on ``account`` so far."""
        decoded = (decode_account(output.value) for output in self.outputs if output.topic == "account")
        return [record for record in decoded if isinstance(record, kind)]

    def signals(self) -> list[TradingSignal]:
        """Every signal so far."""
        return [decode_signal(output.value) for output in self.outputs if output.topic == "signals"]

    def ledger(self, symbol: str):
        return self.front.exchange.desks[symbol].account.ledger


def random_script(seed: int, symbols: tuple[str, ...], strategies: tuple[str, ...] = ("one",), chance: float = 0.1):
    """Signals by chance at ticks and market events, a pure function of the seed and the event's offset."""

    def script(chain: Chain, record: Any) -> list[dict[str, Any]]:
        if isinstance(getattr(record, "origin", None), Origin):
            return []
        random = Random(f"{seed}/{chain.cursor.offset}")
        symbol = getattr(record, "symbol", None) or random.choice(symbols)
        if random.random() > (chance if not isinstance(record, Tick) else chance / 4) or symbol not in symbols:
            return []
        return [
            {
                "symbol": symbol,
                "side": random.choice(["buy", "sell"]),
                "amount": random.choice([3.0, 40.0, 150.0, 700.0, 20_000.0]) * (0.5 + random.random()),
                "confidence": random.choice([0.3, 0.6, 0.95]),
                "kind": random.choice(["entry", "entry", "exit"]),
                "urgent": random.random() < 0.1,
                "strategy": random.choice(strategies),
            }
            for _ in range(random.choice([1, 1, 1, 2]))
        ]

    return script
