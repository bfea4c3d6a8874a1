"""The exits stage: closes what strategies hold, when a rule says so."""

from collections.abc import Callable, Iterable
from typing import Any

from operators.engine import Cursor
from operators.exits.judge import Judge
from operators.exits.reconcile import Reconciler
from operators.exits.records import Records
from operators.exits.rule import Rule, in_order
from operators.exits.rules import RULES
from operators.exits.sight import Sights
from operators.exits.watch import Watch
from operators.spans import SECOND
from operators.trading.quotes import Quotes
from operators.trading.stage import AccountStage
from schemas.account import OPEN, AccountConfigured, Execution, OrderEvent, PositionEvent
from schemas.market import BookDelta, BookSnapshot, Gap, Tick, Trade
from schemas.vector import FeatureVector

SILENCE = 120.0
"""Seconds, for a strategy whose settings are not known."""


class ExitsStage:
    """Evaluates exit rules for every strategy and symbol that holds something.

    It does so on position updates (debounced, see ``Stake.update``), on executions, whenever the price changed, and
    with every vector and tick; peaks follow every price. An exit is a ``Decision`` and its ``TradingSignal``, both with
    the origin of the event that caused them. What a strategy holds is known from executions of its own signals and
    never more than what the account reports is closed. If the reports stop, the last known position counts: prices and
    ticks evaluate it, and a quality record says so.

    Settings that are disabled, or that no longer list a symbol, still close what they hold.
    """

    layout = 2

    def __init__(self, cursor: Cursor, quotes: Quotes, accounts: AccountStage, rules: Iterable[Rule] = RULES) -> None:
        self.quotes = quotes
        self.accounts = accounts
        self.sights = Sights(quotes)
        self.records = Records(cursor, quotes)
        self.reconciler = Reconciler(accounts, self.sights, self.records)
        self.judge = Judge(accounts, self.sights, self.records, self.reconciler.open_orders, in_order(rules))
        self.watches: dict[str, Watch] = {}
        self.kind = "live"
        self._take: dict[type, Callable[[Any, list[Any]], None]] = {
            BookDelta: self._price,
            BookSnapshot: self._price,
            Gap: self._price,
            Trade: self._trade,
            FeatureVector: self._second,
            Tick: self._tick,
            OrderEvent: self._order,
            Execution: self._execution,
            PositionEvent: self._position,
            AccountConfigured: self._account,
        }
        self.takes = frozenset(self._take)

    def feed(self, record: Any, out: list[Any]) -> None:
        """Pass a record on and do what it asks for."""
        out.append(record)
        take = self._take.get(type(record))
        if take is not None:
            take(record, out)

    def snapshot(self) -> Any:
        """The state as plain data."""
        return self.kind, self.sights.snapshot(), [watch.snapshot() for watch in self.watches.values()]

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        self.kind, sights, watches = state
        self.sights.restore(sights)
        self.watches = {watch.symbol: watch for watch in map(Watch.restore, watches)}

    # --- the market ---

    def _price(self, record: Any, out: list[Any]) -> None:
        watch = self.watches.get(record.symbol)
        if watch is not None and watch.stakes and self.quotes.price(record.symbol) != watch.price:
            self.judge.all(watch, out)

    def _trade(self, record: Trade, out: list[Any]) -> None:
        self.sights.trade(record)
        self._price(record, out)

    def _second(self, record: FeatureVector, out: list[Any]) -> None:
        watch = self.watches.get(record.symbol)
        if watch is not None and watch.stakes:
            self.judge.once(watch, out)

    def _tick(self, record: Tick, out: list[Any]) -> None:
        for watch in self.watches.values():
            self.reconciler.check(watch, out)
            if watch.stakes:
                self._listen(watch, out)
                self.judge.once(watch, out)

    def _listen(self, watch: Watch, out: list[Any]) -> None:
        """Say once when the reports of a position stop coming; what the paper exchange tells cannot get lost."""
        if watch.silent or watch.report.exact:
            return
        quiet = self.quotes.clock - max(watch.report.heard or 0, watch.since)
        if quiet >= min(map(self._silence, watch.stakes)) * SECOND:
            watch.silent = True
            detail = {"seconds": quiet / SECOND, "held": watch.held, "reported": watch.report.size}
            known = {name: value for name, value in detail.items() if value is not None}
            out.append(self.records.quality(watch.symbol, "position.silent", **known))

    def _silence(self, strategy: str) -> float:
        settings = self.accounts.strategies.get(strategy)
        return SILENCE if settings is None else settings.exits.silence

    # --- the account ---

    def _account(self, record: AccountConfigured, out: list[Any]) -> None:
        """Another account: nothing of the one before is in it, and what is in it is not known yet."""
        if record.kind != self.kind:
            self.watches.clear()
        self.kind = record.kind

    def _order(self, record: OrderEvent, out: list[Any]) -> None:
        if record.origin is not None:
            self._exactly(self._watch(record.symbol))
        elif record.status not in OPEN:
            watch = self.watches.get(record.symbol)
            if watch is not None and watch.report.ahead and not self._executing(watch):
                # It cannot explain any more what the report has and we have not.
                self.reconciler.check(watch, out)

    def _executing(self, watch: Watch) -> bool:
        """Whether an execution of this event, that the account has already, is still on its way here."""
        holdings = self.accounts.account.holdings.items()
        known = {name: stake.size for name, stake in watch.stakes.items()}
        return any(
            held.size != known.get(name, 0.0) for (name, symbol), held in holdings if name and symbol == watch.symbol
        )

    def _execution(self, record: Execution, out: list[Any]) -> None:
        if not record.strategy:
            return
        watch = self._watch(record.symbol)
        watch.report.executed(record.size if record.side == "buy" else -record.size, self.quotes.clock)
        holding = self.accounts.account.holdings.get((record.strategy, record.symbol))
        stake = watch.follow(record.strategy, holding)
        if stake is not None:
            if record.signal_id is not None and record.signal_id == stake.partial:
                stake.partial_done = True
            self.judge.one(watch, stake, out)

    def _position(self, record: PositionEvent, out: list[Any]) -> None:
        watch = self._watch(record.symbol)
        report, before = watch.report, watch.report.size
        if record.origin is not None:
            self._exactly(watch)
        else:
            report.told(record.size, record.entry, self.quotes.clock)
        if watch.silent:
            watch.silent = False
            out.append(self.records.quality(watch.symbol, "position.heard", reported=record.size, held=watch.held))
        self.reconciler.check(watch, out)
        self.judge.updated(watch, report.size != before, out)

    def _exactly(self, watch: Watch) -> None:
        """What the paper exchange reports holds at once: the account has all of this event already."""
        position = self.accounts.account.positions.get(watch.symbol)
        if position is not None:
            watch.report.told(position.size, position.entry, self.quotes.clock, exact=True)

    def _watch(self, symbol: str) -> Watch:
        watch = self.watches.get(symbol)
        if watch is None:
            watch = self.watches[symbol] = Watch(symbol)
        return watch
