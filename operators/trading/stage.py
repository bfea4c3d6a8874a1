"""The stage that keeps the account and the strategies in force."""

from typing import Any

import msgspec

from operators.engine import Cursor
from operators.spans import MINUTE, SECOND
from operators.trading.account import Account
from operators.trading.quotes import Quotes
from schemas.account import AccountConfigured, BalanceEvent, OrderEvent, PositionEvent
from schemas.market import Tick
from schemas.strategy import ModelActivated, Strategy, StrategyConfigured


class AccountStage:
    """Takes account and control events in, and passes everything on, so that later stages can react to it.

    What an order event executed follows it as an ``Execution``.
    """

    layout = 2
    takes = frozenset(
        {OrderEvent, PositionEvent, BalanceEvent, Tick, StrategyConfigured, ModelActivated, AccountConfigured}
    )

    def __init__(self, cursor: Cursor, quotes: Quotes) -> None:
        self.cursor = cursor
        self.quotes = quotes
        self.account = Account()
        self.kind = "live"
        self.strategies: dict[str, Strategy] = {}
        self.models: dict[tuple[str, str], str] = {}

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
        elif kind is AccountConfigured:
            if record.kind != self.kind:
                account.clear()
            self.kind = record.kind
        out.append(record)

    def model(self, strategy: str, symbol: str) -> str | None:
        """The model that a strategy uses for a symbol: its own, else the one for all symbols."""
        return self.models.get((strategy, symbol)) or self.models.get((strategy, ""))

    def snapshot(self) -> Any:
        """The state as plain data."""
        strategies = [msgspec.to_builtins(settings) for settings in self.strategies.values()]
        return self.kind, self.account.snapshot(), strategies, [(*key, version) for key, version in self.models.items()]

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        self.kind, account, strategies, models = state
        self.account.restore(account)
        found = [msgspec.convert(data, Strategy) for data in strategies]
        self.strategies = {settings.strategy: settings for settings in found}
        self.models = {(strategy, symbol): version for strategy, symbol, version in models}

    def _activate(self, event: ModelActivated) -> None:
        key = event.strategy, event.symbol or ""
        if event.version is None:
            self.models.pop(key, None)
        else:
            self.models[key] = event.version
