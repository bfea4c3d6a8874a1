"""An order on its way to, or on, the paper exchange."""

import msgspec

from operators.paper.grid import whole_steps
from schemas.account import AccountConfigured, OrderStatus
from schemas.market import Side
from schemas.signal import TradingSignal


class PaperOrder(msgspec.Struct, array_like=True):
    """Sizes in base, prices and fees in quote currency, times in microseconds on the shard's clock.

    ``arrival`` is when it may reach the exchange, then when it did. ``price`` is the limit price, or for a market order
    the mid of its signal. ``ahead`` is what stands before a ``resting`` order at its price, None while the book does
    not reach as far as that price.
    """

    order_id: str
    signal_id: str
    strategy: str
    symbol: str
    side: Side
    market: bool
    reduce_only: bool
    quantity: float
    price: float
    mid: float
    arrival: int
    trace_id: str
    deadline: int = 0
    status: OrderStatus = "pending"
    resting: bool = False
    ahead: float | None = None
    filled: float = 0.0
    average: float | None = None
    fees: float = 0.0

    @property
    def sign(self) -> int:
        """1 for a buy, -1 for a sell."""
        return 1 if self.side == "buy" else -1

    @property
    def remaining(self) -> float:
        """What is left to fill."""
        return whole_steps(self.quantity - self.filled)

    def fill(self, size: float, price: float, fee: float) -> None:
        """Count an execution."""
        if self.average is None:
            self.average = price
        elif price != self.average:
            self.average = (self.filled * self.average + size * price) / (self.filled + size)
        self.filled = whole_steps(self.filled + size)
        self.fees += fee
        self.status = "partially_filled" if self.remaining else "filled"


def order_for(signal: TradingSignal, terms: AccountConfigured, clock: int) -> PaperOrder:
    """The order that an order-manager makes of a signal.

    The quantity is ``amount / snapshot.price`` in whole steps. It is a market order when the signal is confident
    (``market_confidence``), urgent, or the spread is narrow (``market_spread``, per cent) or unknown; otherwise a
    post-only limit order, ``limit_offset`` of the spread away from the mid.
    """
    mid, spread, sign = signal.snapshot.price, signal.snapshot.spread_percent, 1 if signal.side == "sell" else -1
    narrow = spread is None or spread < terms.market_spread
    return PaperOrder(
        str(signal.origin.uuid("order")),
        signal.signal_id,
        signal.strategy,
        signal.symbol,
        signal.side,
        narrow or signal.urgent or signal.confidence >= terms.market_confidence,
        signal.kind == "exit",
        whole_steps(signal.amount / mid),
        mid + sign * mid * (spread or 0.0) / 100 * terms.limit_offset,
        mid,
        clock + terms.latency,
        signal.trace_id,
    )
