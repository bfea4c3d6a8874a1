"""Account events: what happened to our orders, positions and balances, from an order-manager or the paper exchange.

They stand on ``events``, written by the bridge, or on ``account``, derived by the paper exchange of a flow; only the
latter carry an origin. Prices and amounts are in quote currency, sizes in base currency, times in microseconds UTC. An
account event takes effect at the shard's clock; its own times never turn it.
"""

from typing import Annotated, Literal

from msgspec import Meta

from schemas.bounds import LARGEST, Amount, Price, Size, Text, Time
from schemas.market import Event, Side
from schemas.origin import Origin

Signed = Annotated[float, Meta(gt=-LARGEST, lt=LARGEST)]
"""A sum or a size with a sign."""
OrderStatus = Literal["pending", "partially_filled", "filled", "cancelled", "rejected", "dry_run"]
OPEN: frozenset[OrderStatus] = frozenset({"pending", "partially_filled"})
"""The states in which an order can still trade."""


class OrderEvent(Event, frozen=True, gc=False, omit_defaults=True, tag="order"):
    """What became of an order.

    ``filled`` is cumulative, ``average_price`` is over all of it, ``fees`` in quote currency (negative: a rebate).
    ``signal_id`` says which signal it serves, and ``strategy`` whose that was, where the writer knows; ``reduce_only``
    orders never open a position.
    """

    symbol: Text
    ts: Time
    recv: Time
    order_id: Text
    side: Side
    order_type: Literal["market", "limit"]
    quantity: Size
    status: OrderStatus
    filled: Size = 0.0
    price: Price | None = None
    average_price: Price | None = None
    fees: Signed = 0.0
    signal_id: Text | None = None
    strategy: Text | None = None
    reduce_only: bool = False
    maker: bool | None = None
    reason: Text = ""
    trace_id: Text | None = None
    source: Text = ""
    origin: Origin | None = None


class PositionEvent(Event, frozen=True, gc=False, omit_defaults=True, tag="position"):
    """The account's position in one symbol: ``size`` is signed, 0 is flat.

    Without an ``entry`` price, what our own fills say counts.
    """

    symbol: Text
    ts: Time
    recv: Time
    size: Signed
    entry: Price | None = None
    realized_pnl: Signed | None = None
    unrealized_pnl: Signed | None = None
    trace_id: Text | None = None
    source: Text = ""
    origin: Origin | None = None


class BalanceEvent(Event, frozen=True, gc=False, omit_defaults=True, tag="balance"):
    """What the account holds of one coin.

    Written to every shard, unless ``symbol`` names the only one it is for: on the paper exchange each symbol trades an
    account of its own, because shards share nothing.
    """

    coin: Text
    ts: Time
    recv: Time
    available: Amount
    wallet: Amount
    symbol: Text | None = None
    trace_id: Text | None = None
    source: Text = ""
    origin: Origin | None = None


class AccountConfigured(Event, frozen=True, gc=False, omit_defaults=True, tag="account.configured"):
    """Which account the signals of a log trade: written to every shard, in force from here on.

    ``live``: an order-manager executes, and the bridge writes what it did. ``paper``: the flow's own paper exchange
    executes, and account events on ``events`` are passed over. Fees are fractions of the traded value (negative: a
    rebate); ``latency`` is microseconds from a signal to the exchange; ``cash`` is what each symbol begins with.
    """

    recv: Time
    kind: Literal["paper", "live"]
    cash: Amount = 10_000.0
    maker_fee: Annotated[float, Meta(ge=-0.01, le=0.1)] = 0.0002
    taker_fee: Annotated[float, Meta(ge=0, le=0.1)] = 0.00055
    latency: Annotated[int, Meta(ge=0, le=60_000_000)] = 50_000
    order_life: Annotated[int, Meta(gt=0, le=86_400_000_000)] = 300_000_000
    market_confidence: Annotated[float, Meta(ge=0, le=1)] = 0.9
    market_spread: Annotated[float, Meta(ge=0, le=100)] = 0.1
    limit_offset: Annotated[float, Meta(ge=0, le=1)] = 0.5


class Execution(Event, frozen=True, gc=False, omit_defaults=True, tag="execution"):
    """A part of an order that was executed, as the flow understood it: joined with the signal that it serves.

    ``size`` in base, ``price`` and ``fee`` in quote currency; ``closed`` is the part of ``size`` that closed a position
    of the strategy and ``realized`` the profit of that part, before fees. ``signal_price`` is the mid when the signal
    was made, ``signal_ts`` that moment; ``strategy`` is empty for an order that none of our signals asked for.
    """

    symbol: Text
    ts: Time
    strategy: Text
    side: Side
    size: Size
    price: Price
    fee: Signed
    order_id: Text
    origin: Origin
    realized: Signed = 0.0
    closed: Size = 0.0
    signal_id: Text | None = None
    signal_price: Price | None = None
    signal_ts: Time | None = None
    signal_kind: Literal["entry", "exit"] | None = None
    model_version: Text | None = None
    is_warmup: bool = False
    maker: bool | None = None
    trace_id: Text | None = None


AccountEvent = OrderEvent | PositionEvent | BalanceEvent
"""What the bridge brings in and the paper exchange makes."""
AnyAccount = AccountEvent | Execution
"""What stands on ``account``."""
