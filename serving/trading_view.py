"""What the API knows of trading at this moment: the newest decisions and signals, settings in force, holdings."""

from collections import Counter, deque
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

import structlog

from operators.trading.holding import Holding
from schemas.account import AccountConfigured, AnyAccount, BalanceEvent, Execution, OrderEvent, PositionEvent
from schemas.decision import Decision
from schemas.events import AnyEvent
from schemas.model import ModelActivated
from schemas.signal import TradingSignal
from schemas.strategy import StrategyConfigured
from serving.times import now

KEPT = 1_000
"""So many of the newest decisions, and of the newest signals, are kept in memory."""
REPLAYED = 3_600.0
"""A signal that is older than this many seconds when it arrives comes from a replay of the past."""
ALERT = 300.0
"""Seconds from a signal's time to its arrival that deserve a warning."""
BUCKETS = (("<1s", 1.0), ("1-5s", 5.0), ("5-30s", 30.0), ("30-120s", 120.0), (">120s", float("inf")))


R = TypeVar("R", Decision, TradingSignal)


class Newest(Generic[R]):
    """The newest records of all shards. Each shard has its own place: they are caught up with one after the other."""

    def __init__(self) -> None:
        self._shards: dict[int, deque[R]] = {}

    def add(self, record: R) -> None:
        """Take one in; those of a shard come in order."""
        self._shards.setdefault(record.origin.shard, deque(maxlen=KEPT)).append(record)

    def all(self) -> list[R]:
        """The newest first, at most ``KEPT``."""
        found = [record for kept in self._shards.copy().values() for record in kept.copy()]
        return sorted(found, key=lambda record: (record.ts, record.origin), reverse=True)[:KEPT]

    def clear(self) -> None:
        """Forget them all."""
        self._shards.clear()


class Delays:
    """How long signals took from their time to their arrival on the log, as the API saw it, in seconds."""

    def __init__(self) -> None:
        self.since = now()
        self.count = 0
        self.total = 0.0
        self.longest = 0.0
        self.buckets = {name: 0 for name, _ in BUCKETS}
        self._lock = Lock()

    def add(self, seconds: float) -> None:
        """Count one signal; a clock that is a little behind ours gives no negative delay."""
        seconds = max(seconds, 0.0)
        with self._lock:
            self.count += 1
            self.total += seconds
            self.longest = max(self.longest, seconds)
            self.buckets[next(name for name, bound in BUCKETS if seconds < bound)] += 1


@dataclass
class ShardAccount:
    """What one shard tells of the account. Sizes in base currency."""

    holdings: dict[tuple[str, str], Holding] = field(default_factory=dict)
    positions: dict[str, PositionEvent] = field(default_factory=dict)
    balances: dict[tuple[str, str], BalanceEvent] = field(default_factory=dict)
    complete: bool = True
    """Whether its executions were read from the first one on."""


class TradingView:
    """Filled by the follower, read by the routes. One writer a topic and shard."""

    def __init__(self) -> None:
        self.since = now()
        self.signals: Newest[TradingSignal] = Newest()
        self.decisions: Newest[Decision] = Newest()
        self.skips: Counter[tuple[str, str, str]] = Counter()
        self.delays = Delays()
        self.shards: dict[int, ShardAccount] = {}
        self.account: AccountConfigured | None = None
        self.strategies: dict[str, StrategyConfigured] = {}
        self.models: dict[tuple[str, str], str] = {}

    def add_signal(self, signal: TradingSignal, received: int | None) -> None:
        """Take a signal in. ``received``: when it arrived, in microseconds UTC; None while catching up."""
        self.signals.add(signal)
        if received is None or (delay := (received - signal.ts) / 1e6) > REPLAYED:
            return
        self.delays.add(delay)
        if delay > ALERT:
            structlog.get_logger().warning(
                "signal.delayed", signal_id=signal.signal_id, signal_trace_id=signal.trace_id, seconds=round(delay, 1)
            )

    def add_decision(self, decision: Decision, live: bool) -> None:
        """Take a decision in; live ones not to trade are counted by the step that decided."""
        self.decisions.add(decision)
        if live and decision.outcome == "skip":
            self.skips[decision.strategy, decision.symbol, decision.step] += 1

    def add_account(self, record: AnyAccount, shard: int) -> None:
        """Take in what the flow wrote of the account."""
        known = self.of(shard)
        if isinstance(record, Execution):
            holding = known.holdings.setdefault((record.strategy, record.symbol), Holding())
            holding.trade(record.side, record.size, record.price, record.ts)
            holding.fees += record.fee
        else:
            self._add_told(record, known)

    def add_event(self, event: AnyEvent, shard: int) -> None:
        """Take in what stands on ``events`` of account and settings."""
        if isinstance(event, AccountConfigured):
            self.account = event
        elif isinstance(event, StrategyConfigured):
            self.strategies[event.settings.strategy] = event
        elif isinstance(event, ModelActivated):
            self._activate(event)
        elif isinstance(event, OrderEvent | PositionEvent | BalanceEvent) and not self.paper:
            self._add_told(event, self.of(shard))

    @property
    def paper(self) -> bool:
        """Whether the flow's own paper exchange executes: what the bridge hears is somebody else's then."""
        return self.account is not None and self.account.kind == "paper"

    def model(self, strategy: str, symbol: str) -> str | None:
        """The model that a strategy uses for a symbol: its own, else the one for all symbols."""
        return self.models.get((strategy, symbol)) or self.models.get((strategy, ""))

    @property
    def warming_up(self) -> bool:
        """Whether any strategy that may enter does so without a model."""
        return any(
            settings.enabled
            and settings.mode != "exits"
            and (settings.mode == "warmup" or any(self.model(name, symbol) is None for symbol in settings.symbols))
            for name, settings in ((name, event.settings) for name, event in self.strategies.copy().items())
        )

    def of(self, shard: int) -> ShardAccount:
        """The account as one shard tells it."""
        return self.shards.setdefault(shard, ShardAccount())

    def begun_anew(self, shard: int, derived: bool) -> None:
        """The log lost this shard and began again: what came from it, ``derived`` or not, counts no more."""
        known = self.of(shard)
        if derived:
            known.holdings.clear()
        for kept in (known.positions, known.balances):
            for key in [key for key, event in kept.items() if (event.origin is not None) is derived]:
                del kept[key]  # type: ignore[arg-type]

    def _add_told(self, record: OrderEvent | PositionEvent | BalanceEvent, known: ShardAccount) -> None:
        if isinstance(record, PositionEvent):
            known.positions[record.symbol] = record
        elif isinstance(record, BalanceEvent):
            known.balances[record.coin, record.symbol or ""] = record

    def _activate(self, event: ModelActivated) -> None:
        key = event.strategy, event.symbol or ""
        if event.version is None:
            self.models.pop(key, None)
        else:
            self.models[key] = event.version
