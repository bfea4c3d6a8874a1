"""Money that came or went without an execution: funding."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from schemas.account import BalanceEvent, OrderEvent, PositionEvent

ROUNDING = 1e-9
"""Differences below this part of a balance are rounding errors."""


class Payment(NamedTuple):
    """``amount`` quote currency received (negative: paid) at ``ts``, microseconds UTC, for holding ``symbol``."""

    symbol: str
    ts: int
    amount: float


class Wallet:
    """What one symbol's account should hold, and what it did hold."""

    def __init__(self, cash: float) -> None:
        self.cash = cash
        self.realized = 0.0
        self.orders: dict[str, float] = {}
        self.fees = 0.0
        self.received = 0.0

    def charged(self, order_id: str, fees: float) -> None:
        """An order cost ``fees`` in all until now."""
        self.fees += fees - self.orders.get(order_id, 0.0)
        self.orders[order_id] = fees

    def unexplained(self, wallet: float) -> float:
        """What the balance holds more than cash, profits and fees say, and than was known before."""
        more = wallet - (self.cash + self.realized - self.fees) - self.received
        if abs(more) <= ROUNDING * max(abs(wallet), abs(self.cash), 1.0):
            return 0.0
        self.received += more
        return more


def payments(records: Iterable[Any], cash: float) -> list[Payment]:
    """The payments between the account events of symbols with an account of their own, each begun with ``cash``.

    Orders come before the position that they made, and that before the balance. A balance of 0 tells nothing: it may
    stand for less.
    """
    wallets: dict[str, Wallet] = {}
    found = []
    for record in records:
        if not isinstance(record, OrderEvent | PositionEvent | BalanceEvent) or record.symbol is None:
            continue
        wallet = wallets.setdefault(record.symbol, Wallet(cash))
        if isinstance(record, OrderEvent):
            wallet.charged(record.order_id, record.fees)
        elif isinstance(record, PositionEvent):
            wallet.realized = record.realized_pnl or 0.0
        elif record.wallet > 0 and (amount := wallet.unexplained(record.wallet)):
            found.append(Payment(record.symbol, record.ts, amount))
    return found
