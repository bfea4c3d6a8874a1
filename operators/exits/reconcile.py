"""What strategies hold, against what the account reports.

Both are right in the end, but they arrive by different ways: as long as something was executed since the last report,
or an order of ours is open that could explain the difference, nothing is concluded.
"""

from typing import Any

from operators.exits.records import Records, facts
from operators.exits.report import SAME
from operators.exits.sight import Sights
from operators.exits.stake import EntryFrom, Stake
from operators.exits.watch import Watch
from operators.spans import SECOND
from operators.trading.account import OpenOrder
from operators.trading.holding import Holding
from operators.trading.stage import AccountStage
from schemas.strategy import Strategy

PATIENCE = 300.0
"""Seconds, for orders of a strategy whose settings are not known."""
FOREVER = 2**62


class Reconciler:
    """Writes off what was closed elsewhere, adopts what nobody holds, and reports sizes that do not match."""

    def __init__(self, accounts: AccountStage, sights: Sights, records: Records) -> None:
        self.accounts = accounts
        self.sights = sights
        self.records = records

    @property
    def clock(self) -> int:
        """The shard's clock, microseconds."""
        return self.sights.quotes.clock

    def open_orders(self, symbol: str) -> list[OpenOrder]:
        """Orders and signals of our strategies that may still trade: each strategy has a patience of its own."""
        orders = self.accounts.account.open_orders(symbol, self.clock, FOREVER)
        return [order for order in orders if order.strategy and self.clock - order.at < self._patience(order.strategy)]

    def check(self, watch: Watch, out: list[Any]) -> None:
        """Compare, and draw the conclusions."""
        report, held = watch.report, watch.held
        report.settle(self.clock)
        if report.size is None or (report.agrees(held) and not (report.flat and watch.stakes)):
            watch.mismatch = None
            return
        if report.stale or self._explained(watch):
            return
        report.ahead = 0.0
        if report.flat:
            self._write_off(watch, out)
            watch.mismatch = None
        elif watch.stakes or watch.mismatch:
            self._mismatch(watch, report.size, held, out)
        else:
            self._adopt(watch, report.size, out)

    def _patience(self, strategy: str) -> float:
        settings = self.accounts.strategies.get(strategy)
        return (PATIENCE if settings is None else settings.orders.patience) * SECOND

    def _explained(self, watch: Watch) -> bool:
        """Whether an open order of ours may have been executed without our knowing yet."""
        missing = (watch.report.size or 0.0) - watch.held
        side = "buy" if missing > 0 else "sell"
        return abs(missing) > SAME and any(order.side == side for order in self.open_orders(watch.symbol))

    def _write_off(self, watch: Watch, out: list[Any]) -> None:
        """The account is flat: whatever strategies hold is gone."""
        price = self.sights.of(watch.symbol).price
        for name, stake in watch.stakes.items():
            reason = (
                f"the account reports no position: the {stake.size:.9g} that {name} held were closed elsewhere,"
                " or offset by another strategy"
            )
            numbers = facts(stake, watch.report, self.clock, price)
            out.append(self.records.decision(stake, "closed_elsewhere", reason, numbers))
            holding = self.accounts.account.holdings[name, watch.symbol]
            holding.size, holding.entry, holding.opened = 0.0, 0.0, 0
        watch.stakes = {}

    def _mismatch(self, watch: Watch, reported: float, held: float, out: list[Any]) -> None:
        if watch.mismatch != (reported, held):
            watch.mismatch = reported, held
            out.append(self.records.quality(watch.symbol, "position.mismatch", reported=reported, held=held))

    def _adopt(self, watch: Watch, size: float, out: list[Any]) -> None:
        """Give a position that nobody holds to the first strategy that trades the symbol and has exits."""
        settings = self._adopter(watch.symbol)
        if settings is None:
            return
        sight = self.sights.of(watch.symbol)
        price = sight.price if sight.fresh(settings.data.max_age * SECOND) else None
        entry = price if watch.report.entry is None else watch.report.entry
        if entry is None:
            return
        source: EntryFrom = "price" if watch.report.entry is None else "report"
        stake = self._take(watch, settings.strategy, size, entry, source)
        if price is not None:
            stake.see(price)
        why = "as reported" if source == "report" else "the price now: the report names none"
        reason = f"a position of {size:.9g} that no strategy holds is adopted at {entry:g} ({why})"
        numbers = facts(stake, watch.report, self.clock, price)
        out.append(self.records.decision(stake, "adopted", reason, numbers, "changed"))

    def _take(self, watch: Watch, strategy: str, size: float, entry: float, source: EntryFrom) -> Stake:
        """Open the holding that the strategy's own fills would have opened."""
        holding = self.accounts.account.holdings.setdefault((strategy, watch.symbol), Holding())
        holding.size, holding.entry, holding.opened = size, entry, self.clock
        return watch.open(Stake(strategy, watch.symbol, size, entry, self.clock, source))

    def _adopter(self, symbol: str) -> Strategy | None:
        for settings in self.accounts.strategies.values():
            if settings.enabled and settings.exits.enabled and symbol in settings.symbols:
                return settings
        return None
