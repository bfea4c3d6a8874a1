"""Nothing leaves that an order-manager would refuse."""

import re
from collections.abc import Iterator
from math import isfinite

from operators.decide.case import Case, Verdict
from schemas.signal import MarketSnapshot

SYMBOL = re.compile(r"[A-Z0-9]{4,20}")
"""Letters and digits, 4 to 20 (contracts: rabbitmq 6.2)."""
LONGEST_ID = 100
SMALLEST = 0.01
"""Quote currency: what an order-manager takes at least."""


def valid(case: Case) -> Verdict:
    """Stops what is not complete, not finite or out of range; names every fault."""
    plan = case.plan
    faults = [*_order_faults(case), *_snapshot_faults(case.market)]
    limits = case.strategy.amount
    numbers = {"amount": plan.amount, "minimum": limits.minimum, "maximum": limits.maximum}
    return Verdict({**numbers, "confidence": plan.confidence}, "not valid: " + "; ".join(faults) if faults else None)


def _order_faults(case: Case) -> Iterator[str]:
    plan, limits = case.plan, case.strategy.amount
    if not case.strategy.strategy.strip() or len(case.strategy.strategy) > LONGEST_ID:
        yield f"the strategy's name is blank or longer than {LONGEST_ID} characters"
    if not SYMBOL.fullmatch(case.symbol):
        yield f"symbol {case.symbol} is not 4 to 20 capital letters and digits"
    if plan.side not in ("buy", "sell"):
        yield f"side {plan.side} is neither buy nor sell"
    if not isfinite(plan.amount) or plan.amount < SMALLEST or not limits.minimum <= plan.amount <= limits.maximum:
        yield f"amount {plan.amount:.2f} is not between {limits.minimum:g} and {limits.maximum:g}"
    if not 0 <= plan.confidence <= 1:
        yield f"confidence {plan.confidence:g} is not between 0 and 1"
    if not plan.reason:
        yield "no reason"


def _snapshot_faults(market: MarketSnapshot | None) -> Iterator[str]:
    if market is None:
        yield "no market snapshot: no price"
        return
    if not (isfinite(market.price) and market.price > 0):
        yield f"price {market.price:g} is not above 0"
    for name in ("spread", "spread_percent", "volume_24h", "volatility", "bid_depth", "ask_depth"):
        value = getattr(market, name)
        if value is not None and not (isfinite(value) and value >= 0):
            yield f"{name} {value:g} of the market snapshot is below 0"
