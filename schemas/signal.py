"""Trading signals: the decisions that became an order for somebody to execute."""

from typing import Any, Literal

import msgspec

from schemas.market import Side
from schemas.origin import Origin


class MarketSnapshot(msgspec.Struct, frozen=True, gc=False):
    """The market when the signal was made. ``price`` is the mid; ``spread`` is absolute, in quote currency;
    ``spread_percent`` in per cent of the price; ``volume_24h`` in base currency; ``volatility`` a fraction; depths are
    the sum of the best five levels in base currency; ``indicators`` are the features that were used."""

    price: float
    spread: float | None
    spread_percent: float | None
    volume_24h: float | None
    volatility: float | None
    bid_depth: float | None
    ask_depth: float | None
    indicators: dict[str, float | None]


class TradingSignal(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="signal"):
    """An order that passed every gate.

    ``amount`` is always quote currency: the base quantity is ``amount / snapshot.price``. ``requested`` is the amount
    before it was fitted to balance and limits. ``urgent`` asks for a market order. An ``exit`` names the ``rule`` that
    closes and only ever reduces a position.
    """

    signal_id: str
    strategy: str
    symbol: str
    ts: int
    side: Side
    amount: float
    confidence: float
    kind: Literal["entry", "exit"]
    is_warmup: bool
    feature_registry_version: str
    snapshot: MarketSnapshot
    reason: str
    trace_id: str
    origin: Origin
    model_version: str | None = None
    requested: float | None = None
    urgent: bool = False
    rule: str | None = None
    details: dict[str, Any] = {}
