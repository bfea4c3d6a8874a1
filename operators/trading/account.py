"""The account as the log tells it: orders, positions, balances, and what each strategy holds."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import msgspec

from operators.spans import SECOND
from operators.trading.holding import Holding
from schemas.account import OPEN, BalanceEvent, Execution, OrderEvent, PositionEvent
from schemas.market import Side
from schemas.origin import Origin
from schemas.signal import TradingSignal

REMEMBER = 3600 * SECOND
"""How long a closed order is remembered, so that a repeated event of it changes nothing, and a signal without one."""

LOST = 24 * REMEMBER
"""How long an open order is remembered that nobody hears of."""


class OpenOrder(msgspec.Struct, array_like=True):
    """An order, or a signal that is not one yet (``order_id`` empty). Sizes in base; ``at``: last heard of.

    The rest is what its signal said, where it was ours: an order of somebody else has an empty ``strategy``.
    """

    signal_id: str | None
    order_id: str
    strategy: str
    symbol: str
    side: Side
    quantity: float
    status: str
    at: int
    filled: float = 0.0
    average: float = 0.0
    fees: float = 0.0
    kind: Literal["entry", "exit"] | None = None
    signal_price: float | None = None
    signal_ts: int | None = None
    model_version: str | None = None
    is_warmup: bool = False
    trace_id: str | None = None

    @property
    def open(self) -> bool:
        """Whether it can still trade."""
        return self.status in OPEN


class Position(NamedTuple):
    """What the account reported of one symbol, and when (shard's clock). ``entry`` None: not told."""

    size: float
    entry: float | None
    at: int


class Balance(NamedTuple):
    """What the account reported of one coin, and when (shard's clock)."""

    available: float
    wallet: float
    at: int


class Account:
    """Folds account events and our own signals into what decisions need. Times are the shard's clock, microseconds.

    An order belongs to the strategy whose signal it serves. Executions reach ``holdings`` once, however often an event
    is repeated: an order event says how much is filled in all.
    """

    def __init__(self) -> None:
        self.orders: dict[str, OpenOrder] = {}
        self.waiting: dict[str, OpenOrder] = {}
        self.active: dict[str, dict[tuple[str, str], OpenOrder]] = {}
        """Those of both that can still trade, by symbol and (order, signal): found again from both after a restart."""
        self.holdings: dict[tuple[str, str], Holding] = {}
        self.positions: dict[str, Position] = {}
        self.balances: dict[tuple[str, str], Balance] = {}

    # --- events ---

    def signalled(self, signal: TradingSignal) -> None:
        """A signal of ours left: an order may follow."""
        order = OpenOrder(
            signal.signal_id,
            "",
            signal.strategy,
            signal.symbol,
            signal.side,
            signal.amount / signal.snapshot.price,
            "pending",
            signal.ts,
            kind=signal.kind,
            signal_price=signal.snapshot.price,
            signal_ts=signal.ts,
            model_version=signal.model_version,
            is_warmup=signal.is_warmup,
            trace_id=signal.trace_id,
        )
        self.waiting[signal.signal_id] = order
        self._open(order)

    def order(self, event: OrderEvent, clock: int, origin: Callable[[], Origin]) -> Execution | None:
        """Take an order event; returns what it executed that was not known yet, with an origin of its own."""
        order = self.orders.get(event.order_id)
        if order is None:
            order = self._begin(event, clock)
        if order.open:
            order.status, order.at, order.quantity = event.status, clock, event.quantity
            if not order.open:
                self._settled(order)
        if event.filled <= order.filled or event.average_price is None:
            return None
        size = event.filled - order.filled
        price = (event.filled * event.average_price - order.filled * order.average) / size
        fee = event.fees - order.fees
        order.filled, order.average, order.fees = event.filled, event.average_price, event.fees
        return self._execute(event, order, size, price, fee, clock, origin())

    def position(self, event: PositionEvent, clock: int) -> None:
        """Take what the account reports of a position."""
        self.positions[event.symbol] = Position(event.size, event.entry, clock)

    def balance(self, event: BalanceEvent, clock: int) -> None:
        """Take what the account reports of a coin."""
        self.balances[event.coin, event.symbol or ""] = Balance(event.available, event.wallet, clock)

    def clear(self) -> None:
        """Another account counts from here on: nothing of this one is in it."""
        for part in (self.orders, self.waiting, self.active, self.holdings, self.positions, self.balances):
            part.clear()

    def forget(self, clock: int) -> None:
        """Drop what is old enough: closed orders, signals that never became one, orders nobody hears of. Called now and
        then."""
        for orders in (self.orders, self.waiting):
            old = [name for name, order in orders.items() if abs(clock - order.at) > self._memory(order)]
            for name in old:
                self._settled(orders.pop(name))

    @staticmethod
    def _memory(order: OpenOrder) -> int:
        return LOST if order.open and order.order_id else REMEMBER

    # --- reads ---

    def open_orders(self, symbol: str, clock: int, patience: int) -> list[OpenOrder]:
        """Orders of the symbol, and signals that are none yet, that can still trade, the latter first.

        One that was not heard of for ``patience`` microseconds is given up, and so is one from a time that the clock
        has not reached.
        """
        candidates = self.active.get(symbol)
        if not candidates:
            return []
        found = [order for order in candidates.values() if abs(clock - order.at) < patience]
        return sorted(found, key=_is_order)  # the same order also where both were loaded from a snapshot

    def available(self, coin: str, symbol: str) -> Balance | None:
        """The balance of a coin for trading ``symbol``: the symbol's own account if it has one."""
        return self.balances.get((coin, symbol)) or self.balances.get((coin, ""))

    def holding(self, strategy: str, symbol: str) -> Holding:
        """What a strategy holds; an empty holding when nothing."""
        return self.holdings.get((strategy, symbol)) or Holding()

    # --- state ---

    def snapshot(self) -> Any:
        """The state as plain data."""
        to_list = msgspec.structs.astuple
        return (
            [to_list(order) for order in self.orders.values()],
            [to_list(order) for order in self.waiting.values()],
            [(*key, *vars(holding).values()) for key, holding in self.holdings.items()],
            self.positions,
            [(*key, *balance) for key, balance in self.balances.items()],
        )

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        orders, waiting, holdings, positions, balances = state
        self.orders = {order.order_id: order for order in (OpenOrder(*data) for data in orders)}
        self.waiting = {order.signal_id or "": order for order in (OpenOrder(*data) for data in waiting)}
        self.holdings = {(data[0], data[1]): Holding(*data[2:]) for data in holdings}
        self.active = {}
        for order in (*self.waiting.values(), *self.orders.values()):
            if order.open:
                self._open(order)
        self.positions = {symbol: Position(*data) for symbol, data in positions.items()}
        self.balances = {(data[0], data[1]): Balance(*data[2:]) for data in balances}

    def _begin(self, event: OrderEvent, clock: int) -> OpenOrder:
        """The order of an event that is the first of its id: the signal it serves tells the rest."""
        order = self.waiting.pop(event.signal_id, None) if event.signal_id else None
        if order is None:
            order = OpenOrder(event.signal_id, "", "", event.symbol, event.side, event.quantity, "pending", clock)
        self._settled(order)
        order.order_id = event.order_id
        order.strategy = event.strategy or order.strategy
        self.orders[event.order_id] = order
        self._open(order)
        return order

    def _open(self, order: OpenOrder) -> None:
        self.active.setdefault(order.symbol, {})[order.order_id, order.signal_id or ""] = order

    def _settled(self, order: OpenOrder) -> None:
        self.active.get(order.symbol, {}).pop((order.order_id, order.signal_id or ""), None)

    def _execute(
        self, event: OrderEvent, order: OpenOrder, size: float, price: float, fee: float, clock: int, origin: Origin
    ) -> Execution:
        holding = self.holdings.setdefault((order.strategy, event.symbol), Holding())
        profit, closed = holding.trade(event.side, size, price, clock)
        holding.fees += fee
        return Execution(
            event.symbol,
            clock,
            order.strategy,
            event.side,
            size,
            price,
            fee,
            event.order_id,
            origin,
            profit,
            closed,
            event.signal_id,
            order.signal_price,
            order.signal_ts,
            order.kind,
            order.model_version,
            order.is_warmup,
            event.maker,
            event.trace_id or order.trace_id,
        )


def _is_order(order: OpenOrder) -> bool:
    return bool(order.order_id)
