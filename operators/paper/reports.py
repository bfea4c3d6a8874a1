"""What the paper exchange says: the account events that the live bridge would write."""

from typing import Any

from operators.engine import Cursor
from operators.paper.ledger import Ledger
from operators.paper.order import PaperOrder
from schemas.account import BalanceEvent, OrderEvent, PositionEvent

SOURCE = "paper"


class Reports:
    """Appends account events to ``out``, the stream of the record at hand, at ``clock``."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.clock = 0
        self.out: list[Any] = []

    def order(self, order: PaperOrder, reason: str = "") -> None:
        """The state of an order."""
        event = OrderEvent(
            order.symbol,
            self.clock,
            self.clock,
            order.order_id,
            order.side,
            "market" if order.market else "limit",
            order.quantity,
            order.status,
            order.filled,
            None if order.market or order.price <= 0 else order.price,
            order.average,
            order.fees,
            order.signal_id,
            order.strategy,
            order.reduce_only,
            None if order.average is None else not order.market,
            reason,
            order.trace_id,
            SOURCE,
            self.cursor.next(),
        )
        self.out.append(event)

    def position(self, symbol: str, ledger: Ledger, mark: float, trace_id: str | None = None) -> None:
        """The position; profits are before fees and funding, the realised one since the account began."""
        holding = ledger.holding
        event = PositionEvent(
            symbol,
            self.clock,
            self.clock,
            holding.size,
            holding.entry if holding.size else None,
            holding.realized,
            holding.profit(mark),
            trace_id,
            SOURCE,
            self.cursor.next(),
        )
        self.out.append(event)

    def balance(self, symbol: str, coin: str, ledger: Ledger, mark: float, trace_id: str | None = None) -> None:
        """What the symbol's account holds of its quote coin."""
        event = BalanceEvent(
            coin,
            self.clock,
            self.clock,
            ledger.available(mark),
            max(0.0, ledger.wallet),
            symbol,
            trace_id,
            SOURCE,
            self.cursor.next(),
        )
        self.out.append(event)
