"""The paper exchange for one symbol: how its open order trades."""

from typing import Any

import msgspec

from operators.book import OrderBook
from operators.paper.account import PaperAccount
from operators.paper.grid import tick_of, whole_steps
from operators.paper.liquidity import Liquidity, displayed, opposite_best
from operators.paper.order import PaperOrder
from operators.paper.reports import Reports
from operators.paper.settlements import NEVER
from operators.paper.sizing import fit_balance, fit_position
from operators.trading.quotes import Quotes
from schemas.account import AccountConfigured, OrderStatus
from schemas.market import Level, Trade


class Desk:
    """Executes the orders of one symbol for its account. A new order cancels the one before, so at most one is open.

    A market order takes what is displayed, and what it does not get is cancelled. A limit order joins the queue behind
    everything displayed at its price, and only trades at that price move it forward; it is filled by what trades after
    the queue, by trades beyond its price, and by opposite orders displayed at its price or beyond, always at its own
    price. Whatever it meets, it fills no more than was traded or displayed there. What executes at one moment is one
    execution at its mean price.
    """

    def __init__(self, symbol: str, cash: float, quotes: Quotes, reports: Reports) -> None:
        self.symbol = symbol
        self.quotes = quotes
        self.reports = reports
        self.account = PaperAccount(symbol, cash, quotes, reports)
        self.liquidity = Liquidity()
        self.order: PaperOrder | None = None

    # --- the clock ---

    @property
    def wake(self) -> int:
        """When something is to be done even if nothing happens in the market."""
        deadline = NEVER if self.order is None else self.order.deadline
        return min(self.account.due, self.account.settlements.due, deadline)

    @property
    def busy(self) -> bool:
        """Whether the market concerns it: an order is open, or liquidity is taken."""
        return self.order is not None or self.liquidity.used

    def pass_time(self, clock: int) -> None:
        """What became due: funding first, then the end of an old order."""
        self.account.pass_time(clock)
        if self.order is not None and clock >= self.order.deadline:
            self.cancel("the order grew too old")

    def announce(self, clock: int) -> None:
        """Tell balance and position if it is time."""
        self.account.announce(clock, busy=self.order is not None)

    def turn_back(self, clock: int, life: int) -> None:
        """The shard began anew at an earlier time: nothing may wait for the one that was wrong."""
        self.account.due = min(self.account.due, clock)
        self.account.settlements.lose()
        if self.order is not None:
            self.order.arrival = min(self.order.arrival, clock)
            self.order.deadline = min(self.order.deadline, clock + life)

    # --- orders ---

    def arrive(self, order: PaperOrder, clock: int, terms: AccountConfigured) -> None:
        """Take an order that reached the exchange."""
        self.cancel(f"replaced by signal {order.signal_id}")
        order.arrival, order.deadline = clock, clock + terms.order_life
        problem = fit_position(order, self.account.size)
        if problem:
            self._end(order, "rejected", problem)
            return
        self.order = order
        if not self._work(order, terms):
            self.reports.order(order, "waits for a synchronised book")

    def cancel(self, reason: str) -> None:
        """Cancel the open order, if there is one."""
        if self.order is not None:
            self._end(self.order, "cancelled", reason)

    # --- the market ---

    def look(self, terms: AccountConfigured) -> None:
        """The market changed: let the open order act on it."""
        order = self.order
        self.liquidity.refresh(self.quotes.book(self.symbol))
        if order is None:
            return
        if order.resting:
            self._meet(order, terms)
        else:
            self._work(order, terms)

    def traded(self, trade: Trade, terms: AccountConfigured) -> None:
        """A trade on the log. One that was received no later than the order arrived was not for it."""
        order = self.order
        if order is None or not order.resting or trade.side == order.side or trade.recv <= order.arrival:
            return
        beyond = order.sign * (order.price - trade.price)
        if beyond < 0 or (beyond == 0 and order.ahead is None):
            return
        ahead = 0.0 if beyond > 0 or order.ahead is None else order.ahead
        order.ahead = max(0.0, ahead - trade.size)
        size = whole_steps(min(order.remaining, trade.size - ahead))
        if size > 0:
            self._fill(order, [(order.price, size)], terms)

    # --- working ---

    def _work(self, order: PaperOrder, terms: AccountConfigured) -> bool:
        """Execute or place an order; false when there is no sound book to do it with."""
        book = self.quotes.book(self.symbol) if self.account.alive else None
        if book is None:
            return False
        if not order.market:
            order.price = tick_of([*book.bids, *book.asks]).passive(order.price, order.side)
        wanted = order.quantity
        problem = self._fit(order, book, terms)
        if problem:
            self._end(order, "rejected", problem)
            return True
        reduced = order.quantity < wanted
        self.reports.order(order, f"reduced from {wanted} to what the balance allows" if reduced else "")
        if order.market:
            self._take(order, book, terms)
        else:
            self._rest(order, book)
        return True

    def _fit(self, order: PaperOrder, book: OrderBook, terms: AccountConfigured) -> str:
        """Make an order fit the balance; returns why that cannot be."""
        if order.price <= 0:
            return "the limit price is below one tick"
        if order.reduce_only:
            return ""
        price, fee = (
            (opposite_best(book, order.side), terms.taker_fee) if order.market else (order.price, terms.maker_fee)
        )
        return fit_balance(order, self.account.ledger, price, self.account.mark(), fee)

    def _take(self, order: PaperOrder, book: OrderBook, terms: AccountConfigured) -> None:
        """Execute at once what is displayed, and cancel the rest."""
        parts = self.liquidity.take(book, order.side, order.remaining)
        if parts:
            self._fill(order, parts, terms)
        if order.remaining:
            self._end(order, "cancelled", f"the visible book holds no more: {order.remaining} not filled")

    def _rest(self, order: PaperOrder, book: OrderBook) -> None:
        """Join the queue, or be refused by it: a post-only order never takes."""
        opposite = opposite_best(book, order.side)
        if order.sign * (order.price - opposite) >= 0:
            self._end(order, "cancelled", f"post-only: it would take from {opposite}")
            return
        order.resting, order.ahead = True, displayed(book, order.side, order.price)

    def _meet(self, order: PaperOrder, terms: AccountConfigured) -> None:
        """Fill a resting order from what is displayed on the other side at its price or beyond."""
        book = self.quotes.book(self.symbol)
        if book is None:
            return
        if order.ahead is None:
            order.ahead = displayed(book, order.side, order.price)
        if order.sign * (order.price - opposite_best(book, order.side)) < 0:
            return
        parts = self.liquidity.take(book, order.side, order.remaining, limit=order.price)
        if parts:
            self._fill(order, [(order.price, sum(size for _, size in parts))], terms)

    def _fill(self, order: PaperOrder, parts: list[Level], terms: AccountConfigured) -> None:
        """Execute parts of an order, and report what it changed."""
        size = whole_steps(sum(part for _, part in parts))
        price = parts[0][0] if len(parts) == 1 else sum(price * part for price, part in parts) / size
        fee = price * size * (terms.taker_fee if order.market else terms.maker_fee)
        self.account.ledger.trade(order.side, size, price, fee, self.reports.clock)
        order.fill(size, price, fee)
        if not order.remaining:
            self.order = None
        self.reports.order(order)
        self.account.tell(order.trace_id)

    def _end(self, order: PaperOrder, status: OrderStatus, reason: str) -> None:
        self.order = None
        order.status = status
        self.reports.order(order, reason)

    # --- state ---

    def snapshot(self) -> Any:
        """The state as plain data."""
        order = None if self.order is None else msgspec.structs.astuple(self.order)
        return self.account.snapshot(), self.liquidity.snapshot(), order

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        account, liquidity, order = state
        self.account.restore(account)
        self.liquidity.restore(liquidity)
        self.order = None if order is None else PaperOrder(*order)
