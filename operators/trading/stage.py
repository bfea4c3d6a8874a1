"""The stage that keeps the account and the strategies in force."""

from typing import Any, NamedTuple

import msgspec

from operators.engine import Cursor
from operators.spans import MINUTE, SECOND
from operators.trading.account import Account
from operators.trading.quotes import Quotes
from schemas.account import AccountConfigured, BalanceEvent, OrderEvent, PositionEvent
from schemas.market import Tick
from schemas.model import ModelActivated, ModelShadowed
from schemas.strategy import Strategy, StrategyConfigured


class InForce(NamedTuple):
    """A model by its version and the hash of its file."""

    version: str
    sha256: str


class AccountStage:
    """Takes account and control events in, and passes everything on, so that later stages can react to it.

    What an order event executed follows it as an ``Execution``.
    """

    layout = 3
    takes = frozenset(
        {
            OrderEvent,
            PositionEvent,
            BalanceEvent,
            Tick,
            StrategyConfigured,
            ModelActivated,
            ModelShadowed,
            AccountConfigured,
        }
    )

    def __init__(self, cursor: Cursor, quotes: Quotes) -> None:
        self.cursor = cursor
        self.quotes = quotes
        self.account = Account()
        self.kind = "live"
        self.strategies: dict[str, Strategy] = {}
        self.models: dict[tuple[str, str], InForce] = {}
        """The champions, by strategy and symbol (empty: all of its symbols)."""
        self.shadows: dict[tuple[str, str], dict[str, InForce]] = {}
        """The candidates that predict beside them, by the same key and version."""

    def feed(self, record: Any, out: list[Any]) -> None:
        """Take what concerns the account or the strategies."""
        kind, account = type(record), self.account
        if kind is OrderEvent:
            out.append(record)
            execution = account.order(record, self.quotes.clock, self.cursor.next)
            if execution is not None:
                out.append(execution)
            return
        if kind is PositionEvent:
            account.position(record, self.quotes.clock)
        elif kind is BalanceEvent:
            account.balance(record, self.quotes.clock)
        elif kind is Tick:
            if self.quotes.clock % MINUTE < SECOND:
                account.forget(self.quotes.clock)
        elif kind is StrategyConfigured:
            self.strategies[record.settings.strategy] = record.settings
            self.strategies = dict(sorted(self.strategies.items()))
        elif kind is ModelActivated:
            self._activate(record)
        elif kind is ModelShadowed:
            self._shadow(record)
        elif kind is AccountConfigured:
            if record.kind != self.kind:
                account.clear()
            self.kind = record.kind
        out.append(record)

    def model(self, strategy: str, symbol: str) -> str | None:
        """The version of the model that a strategy uses for a symbol: its own, else the one for all symbols."""
        found = self.champion(strategy, symbol)
        return None if found is None else found.version

    def champion(self, strategy: str, symbol: str) -> InForce | None:
        """As ``model``, with the hash."""
        return self.models.get((strategy, symbol)) or self.models.get((strategy, ""))

    def candidates(self, strategy: str, symbol: str) -> list[InForce]:
        """The models in shadow for a symbol, in the order in which they came."""
        found = {**self.shadows.get((strategy, ""), {}), **self.shadows.get((strategy, symbol), {})}
        return list(found.values())

    def snapshot(self) -> Any:
        """The state as plain data."""
        strategies = [msgspec.to_builtins(settings) for settings in self.strategies.values()]
        models = [(*key, *found) for key, found in self.models.items()]
        shadows = [(*key, *found) for key, candidates in self.shadows.items() for found in candidates.values()]
        return self.kind, self.account.snapshot(), strategies, models, shadows

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        self.kind, account, strategies, models, shadows = state
        self.account.restore(account)
        found = [msgspec.convert(data, Strategy) for data in strategies]
        self.strategies = {settings.strategy: settings for settings in found}
        self.models = {(strategy, symbol): InForce(*found) for strategy, symbol, *found in models}
        self.shadows = {}
        for strategy, symbol, version, sha256 in shadows:
            self.shadows.setdefault((strategy, symbol), {})[version] = InForce(version, sha256)

    def _activate(self, event: ModelActivated) -> None:
        key = event.strategy, event.symbol or ""
        if event.version is None:
            self.models.pop(key, None)
        else:
            self.models[key] = InForce(event.version, event.sha256)

    def _shadow(self, event: ModelShadowed) -> None:
        key = event.strategy, event.symbol or ""
        if event.watching:
            self.shadows.setdefault(key, {})[event.version] = InForce(event.version, event.sha256)
            return
        candidates = self.shadows.get(key, {})
        candidates.pop(event.version, None)
        if not candidates:
            self.shadows.pop(key, None)
