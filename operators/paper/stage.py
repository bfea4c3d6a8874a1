"""The two ends of the paper exchange in the chain of stages: one fills orders, the other takes signals."""

from typing import Any

from operators.engine import Cursor
from operators.paper.exchange import PaperExchange
from operators.paper.reports import Reports
from operators.trading.quotes import Quotes
from schemas.account import AccountConfigured, BalanceEvent, OrderEvent, PositionEvent
from schemas.market import BookDelta, BookSnapshot, Funding, Gap, Kline, Tick, Ticker, Trade
from schemas.quality import QualityRecord
from schemas.signal import TradingSignal
from schemas.vector import FeatureVector

MARKET: frozenset[type] = frozenset({BookDelta, BookSnapshot, Funding, Gap, Kline, Ticker, Trade})
ACCOUNT: frozenset[type] = frozenset({BalanceEvent, OrderEvent, PositionEvent})


class PaperFront:
    """Lets paper orders trade before anybody sees the event that they trade on.

    In force while the account is ``paper``: from an ``AccountConfigured`` that says so up to one that says ``live``.
    Meanwhile account events of the bridge (those without an origin) are swallowed. On becoming ``live`` open orders are
    cancelled, and the accounts are gone: another change to ``paper`` begins with new ones.

    The account events that it makes come before the record that caused them, and are those that the bridge would write
    of a real account. The first live event, or vector, of a symbol opens an account of its quote coin.
    """

    layout = 1
    takes = MARKET | ACCOUNT | {Tick, FeatureVector, QualityRecord, AccountConfigured}

    def __init__(self, cursor: Cursor, quotes: Quotes) -> None:
        self.quotes = quotes
        self.reports = Reports(cursor)
        self.exchange: PaperExchange | None = None
        self.repeated = False

    def feed(self, record: Any, out: list[Any]) -> None:
        """Work what is due and what the record causes, then pass it on."""
        kind = type(record)
        exchange = self.exchange
        if exchange is not None:
            if kind in ACCOUNT and record.origin is None:
                return
            self._work(exchange, kind, record, out)
        if kind is AccountConfigured:
            self._configure(record, out)
        out.append(record)

    def submit(self, signal: TradingSignal) -> None:
        """Send a signal to the exchange; without one, nothing."""
        if self.exchange is not None:
            self.exchange.submit(signal, self.quotes.clock)

    def snapshot(self) -> Any:
        """The state as plain data; None while the account is live."""
        return None if self.exchange is None else self.exchange.snapshot()

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        self.exchange = None if state is None else PaperExchange.restore(state, self.quotes, self.reports)

    def _work(self, exchange: PaperExchange, kind: type, record: Any, out: list[Any]) -> None:
        reports = self.reports
        reports.clock, reports.out = self.quotes.clock, out
        if kind in MARKET:
            exchange.advance(reports.clock)
            exchange.hear(record.symbol)
            exchange.market(record, self.repeated)
            self.repeated = False
        elif kind is FeatureVector:
            exchange.advance(reports.clock)
            exchange.hear(record.symbol)
        elif kind is Tick:
            exchange.advance(reports.clock)
        elif kind is QualityRecord:
            # The market stage says so right before the trade itself.
            self.repeated = record.problem == "trade.duplicate"

    def _configure(self, terms: AccountConfigured, out: list[Any]) -> None:
        if terms.kind == "paper":
            if self.exchange is None:
                self.exchange = PaperExchange(terms, self.quotes, self.reports)
            self.exchange.terms = terms
        elif self.exchange is not None:
            self.reports.clock, self.reports.out = self.quotes.clock, out
            self.exchange.close("the account went live")
            self.exchange = None


class PaperBack:
    """Hands the signals that come by to the paper exchange, and passes everything on."""

    layout = 1
    takes = frozenset({TradingSignal})

    def __init__(self, front: PaperFront) -> None:
        self.front = front

    def feed(self, record: Any, out: list[Any]) -> None:
        """Submit a signal."""
        if type(record) is TradingSignal:
            self.front.submit(record)
        out.append(record)

    def snapshot(self) -> Any:
        """There is no state: what was submitted is the front's."""
        return None

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
