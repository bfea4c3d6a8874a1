"""The paper exchange: signals on their way to it, and a desk for each symbol."""

from typing import Any

import msgspec

from operators.paper.desk import Desk
from operators.paper.order import PaperOrder, order_for
from operators.paper.reports import Reports
from operators.paper.settlements import NEVER
from operators.trading.quotes import Quotes
from schemas.account import AccountConfigured
from schemas.market import AnyMarketEvent, Funding, Gap, Tick, Ticker, Trade
from schemas.signal import TradingSignal


class PaperExchange:
    """Works what is due whenever the clock moves, and what an event means for its symbol.

    Orders reach the exchange in the order of their signals. ``terms`` can change at any time; the cash of an account
    that was opened before stays what it is.
    """

    def __init__(self, terms: AccountConfigured, quotes: Quotes, reports: Reports) -> None:
        self.terms = terms
        self.quotes = quotes
        self.reports = reports
        self.desks: dict[str, Desk] = {}
        self.sent: list[PaperOrder] = []
        self.clock = 0
        self.wake = 0

    def submit(self, signal: TradingSignal, clock: int) -> None:
        """Send a signal: it arrives ``latency`` later."""
        order = order_for(signal, self.terms, clock)
        self.sent.append(order)
        self.wake = min(self.wake, order.arrival)

    def close(self, reason: str) -> None:
        """Cancel everything that is open, and reject what is on its way."""
        for symbol in sorted(self.desks):
            self.desks[symbol].cancel(reason)
        for order in self.sent:
            order.status = "rejected"
            self.reports.order(order, reason)

    # --- the clock ---

    def advance(self, clock: int) -> None:
        """Do what is due at ``clock``: funding and old orders, arrivals, announcements."""
        if clock < self.clock:
            self._turn_back(clock)
        self.clock = clock
        if clock < self.wake:
            return
        for _, desk in sorted(self.desks.items()):
            desk.pass_time(clock)
        arrived = [order for order in self.sent if order.arrival <= clock]
        self.sent = [order for order in self.sent if order.arrival > clock]
        for order in arrived:
            self.desk(order.symbol).arrive(order, clock, self.terms)
        for _, desk in sorted(self.desks.items()):
            desk.announce(clock)
        wakes = [desk.wake for desk in self.desks.values()]
        self.wake = min([NEVER, *wakes, *(order.arrival for order in self.sent)])

    def _turn_back(self, clock: int) -> None:
        """The first tick may find that the events before it were dated in the future."""
        for desk in self.desks.values():
            desk.turn_back(clock, self.terms.order_life)
        for order in self.sent:
            order.arrival = min(order.arrival, clock + self.terms.latency)
        self.wake = clock

    # --- events ---

    def hear(self, symbol: str) -> None:
        """Something of a symbol: once it is live it has an account, and is told of it."""
        desk = self.desks.get(symbol)
        if (desk is not None and desk.account.due != NEVER) or self.quotes.age(symbol) is None:
            return
        desk = self.desk(symbol)
        desk.account.heard(self.clock)
        desk.announce(self.clock)
        self.wake = min(self.wake, desk.wake)

    def market(self, event: AnyMarketEvent, repeated: bool) -> None:
        """What an event of a symbol means for its account and its order; a ``repeated`` trade means nothing."""
        desk = None if isinstance(event, Tick) else self.desks.get(event.symbol)
        if desk is None:
            return
        if isinstance(event, Trade):
            if not event.backfilled and not repeated:
                desk.traded(event, self.terms)
        elif isinstance(event, Ticker | Funding | Gap):
            self._funding(event, desk)
        if desk.busy:
            desk.look(self.terms)
        self.wake = min(self.wake, desk.account.settlements.due)

    def _funding(self, event: Ticker | Funding | Gap, desk: Desk) -> None:
        account = desk.account
        if isinstance(event, Ticker):
            if event.funding_rate is not None:
                account.settlements.announced(self.clock, event.funding_rate, event.next_funding)
        elif isinstance(event, Gap):
            if event.channel in ("ticker", "funding"):
                account.settlements.lose()
        elif event.backfilled:
            return
        elif event.settled:
            account.settled(self.clock, event.rate, event.ts)
        else:
            account.settlements.announced(self.clock, event.rate, event.next_funding)

    def desk(self, symbol: str) -> Desk:
        """The symbol's desk, opened with the cash of the terms when it is the first time."""
        desk = self.desks.get(symbol)
        if desk is None:
            desk = self.desks[symbol] = Desk(symbol, self.terms.cash, self.quotes, self.reports)
        return desk

    # --- state ---

    def snapshot(self) -> Any:
        """The state as plain data, the terms included."""
        desks = [(symbol, desk.snapshot()) for symbol, desk in self.desks.items()]
        sent = [msgspec.structs.astuple(order) for order in self.sent]
        return msgspec.to_builtins(self.terms), desks, sent, self.clock

    @classmethod
    def restore(cls, state: Any, quotes: Quotes, reports: Reports) -> "PaperExchange":
        """The inverse of ``snapshot``."""
        terms, desks, sent, clock = state
        exchange = cls(msgspec.convert(terms, AccountConfigured), quotes, reports)
        exchange.clock = clock
        exchange.sent = [PaperOrder(*order) for order in sent]
        for symbol, data in desks:
            exchange.desk(symbol).restore(data)
        return exchange
