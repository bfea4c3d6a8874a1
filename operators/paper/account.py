"""One symbol's account on the paper exchange: its money, its funding, and when it is told of."""

from typing import Any

from operators.paper.ledger import Ledger
from operators.paper.reports import Reports
from operators.paper.settlements import NEVER, Settlements
from operators.spans import SECOND
from operators.symbol import SILENCE
from operators.trading.holding import Holding
from operators.trading.pair import split
from operators.trading.quotes import Quotes

ANNOUNCE = 30 * SECOND
"""How often balances and positions are repeated: half the age at which a balance counts as unknown."""


def quote_of(symbol: str) -> str:
    """The coin that a symbol's account is kept in: USDT where the symbol does not tell.

    >>> quote_of("ETHBTC"), quote_of("SOLUSDC-SPOT"), quote_of("AAA")
    ('BTC', 'USDC', 'USDT')
    """
    try:
        return split(symbol.partition("-")[0])[1]
    except ValueError:
        return "USDT"


class PaperAccount:
    """An isolated account, which reports whatever changes it. ``due`` is when it is to be announced again."""

    def __init__(self, symbol: str, cash: float, quotes: Quotes, reports: Reports) -> None:
        self.symbol = symbol
        self.coin = quote_of(symbol)
        self.quotes = quotes
        self.reports = reports
        self.ledger = Ledger(cash)
        self.settlements = Settlements()
        self.last_mark = 0.0
        self.due = 0

    @property
    def size(self) -> float:
        """The signed position."""
        return self.ledger.holding.size

    @property
    def alive(self) -> bool:
        """Whether the symbol was heard of within the last minute."""
        age = self.quotes.age(self.symbol)
        return age is not None and age < SILENCE

    def mark(self) -> float:
        """The price that the position is valued at: the mid, the last trade's while the book is away, the last known
        when the market is forgotten; 0 before the first."""
        self.last_mark = self.quotes.price(self.symbol) or self.last_mark
        return self.last_mark

    def announce(self, clock: int, busy: bool) -> None:
        """Tell balance and position if it is time. A flat account that is not ``busy`` keeps silent with its symbol."""
        if clock < self.due:
            return
        if not busy and not self.size and not self.alive:
            self.due = NEVER
            return
        first, self.due = self.due == 0, clock + ANNOUNCE
        self._tell_balance(None)
        if first or self.size:
            self._tell_position(None)

    def heard(self, clock: int) -> None:
        """The symbol speaks: an account that was silent with it is announced again."""
        if self.due == NEVER:
            self.due = clock

    def tell(self, trace_id: str) -> None:
        """Report position and balance after an execution, with its trace."""
        self._tell_position(trace_id)
        self._tell_balance(trace_id)

    def pass_time(self, clock: int) -> None:
        """Pay the funding that became due."""
        rate = self.settlements.pass_due(clock)
        if rate is not None:
            self._pay(rate)

    def settled(self, clock: int, rate: float, at: int) -> None:
        """The venue told of a settlement: a position that was opened after it does not pay."""
        due = self.settlements.told(clock, rate, at)
        if due is not None and self.ledger.holding.opened < at:
            self._pay(due)

    def _pay(self, rate: float) -> None:
        if self.size:
            self.ledger.pay_funding(self.mark(), rate)
            self._tell_balance(None)

    def _tell_balance(self, trace_id: str | None) -> None:
        self.reports.balance(self.symbol, self.coin, self.ledger, self.mark(), trace_id)

    def _tell_position(self, trace_id: str | None) -> None:
        self.reports.position(self.symbol, self.ledger, self.mark(), trace_id)

    def snapshot(self) -> Any:
        """The state as plain data."""
        ledger = self.ledger
        money = ledger.cash, ledger.funding, *vars(ledger.holding).values()
        return money, self.settlements.snapshot(), self.last_mark, self.due

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        (cash, funding, *holding), settlements, self.last_mark, self.due = state
        self.ledger = Ledger(cash, funding, Holding(*holding))
        self.settlements.restore(settlements)
