"""A trading signal as the order-manager reads it."""

import math
from typing import Any
from uuid import UUID

import msgspec

from connectors.peers.times import zulu
from connectors.rabbitmq.publish import Outgoing
from schemas.codec import decode_signal
from schemas.signal import MarketSnapshot, TradingSignal

QUEUE = "model-service.trading_signals"


def signal_message(value: bytes) -> Outgoing:
    """The message for a record of ``signals``. The same record gives the same bytes, whenever it is sent.

    Raises:
        msgspec.DecodeError: when the record is no signal.
        ValueError: when the order-manager would refuse it: it drops such a message without a word.
    """
    signal = decode_signal(value)
    if problem := refusal(signal):
        raise ValueError(f"signal {signal.signal_id}: {problem}; the order-manager would drop it without a word")
    return Outgoing(signal.symbol, msgspec.json.encode(body(signal)), signal.trace_id, signal.ts)


def body(signal: TradingSignal) -> dict[str, Any]:
    """The message: ``amount`` in quote currency for buys and sells, ``spread`` in per cent of the price."""
    return {
        "signal_id": signal.signal_id,
        "signal_type": signal.side,
        "asset": signal.symbol,
        "amount": signal.amount,
        "confidence": signal.confidence,
        "timestamp": zulu(signal.ts),
        "strategy_id": signal.strategy,
        "model_version": signal.model_version,
        "is_warmup": signal.is_warmup,
        "market_data_snapshot": market(signal.snapshot),
        "metadata": metadata(signal),
        "trace_id": signal.trace_id,
    }


def market(snapshot: MarketSnapshot) -> dict[str, Any]:
    """The market at the decision. What is not known is left out; the order-manager takes a missing spread as 0."""
    known = {
        "price": snapshot.price,
        "spread": snapshot.spread_percent,
        "volume_24h": snapshot.volume_24h,
        "volatility": snapshot.volatility,
    }
    depth = None
    if snapshot.bid_depth is not None and snapshot.ask_depth is not None:
        depth = {"bid_depth": snapshot.bid_depth, "ask_depth": snapshot.ask_depth}
    return {name: value for name, value in known.items() if value is not None} | {
        "orderbook_depth": depth,
        "technical_indicators": snapshot.indicators or None,
    }


def metadata(signal: TradingSignal) -> dict[str, Any]:
    """Why, and what was asked for. Of all this the order-manager reads ``urgency`` alone, and only when it is true."""
    found: dict[str, Any] = {"reasoning": signal.reason}
    if signal.model_version is not None:
        found |= {"model_version": signal.model_version, "inference_timestamp": zulu(signal.ts)}
    found["feature_registry_version"] = signal.feature_registry_version
    if signal.kind == "exit":
        found |= {"exit_strategy": True, "rule_triggered": signal.rule, "exit_decision_metadata": signal.details}
    else:
        found |= signal.details
    if signal.requested is not None:
        found["original_amount"] = signal.requested
    if signal.urgent:
        found["urgency"] = True
    return found | {"origin": list(signal.origin)}


def refusal(signal: TradingSignal) -> str | None:
    """Why the order-manager would drop the signal, or None."""
    snapshot = signal.snapshot
    if not is_uuid(signal.signal_id):
        return "its id is no UUID"
    if not (signal.symbol.isalnum() and signal.symbol.isascii() and 4 <= len(signal.symbol) <= 20):
        return f"asset {signal.symbol!r} is not 4 to 20 letters and digits"
    if not (math.isfinite(signal.amount) and signal.amount >= 0.01):
        return f"amount {signal.amount} is below 0.01"
    if not 0 <= signal.confidence <= 1:
        return f"confidence {signal.confidence} is not between 0 and 1"
    if not (signal.strategy.strip() and len(signal.strategy) <= 100):
        return "strategy_id is blank or longer than 100 characters"
    if not snapshot.price > 0:
        return f"the snapshot's price {snapshot.price} is not above 0"
    for name in ("spread_percent", "volume_24h", "volatility"):
        if (value := getattr(snapshot, name)) is not None and value < 0:
            return f"the snapshot's {name} {value} is negative"
    return None


def is_uuid(text: str) -> bool:
    """Whether a text is what the other services take for an id of a signal."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
