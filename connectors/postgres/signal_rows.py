"""``trading_signals``: what left for execution, as dashboards and other services read it."""

from uuid import UUID

from connectors.postgres.columns import Row, decimal, json, moment, upsert
from schemas.signal import MarketSnapshot, TradingSignal

WRITE = upsert(
    "trading_signals",
    "signal_id",
    (
        "signal_id", "id", "strategy_id", "asset", "side", "price", "confidence", "timestamp", "model_version",
        "is_warmup", "market_data_snapshot", "metadata", "trace_id",
    ),
)  # fmt: skip
EXITED = """
update position_states set last_exit_signal_time = %(at)s, updated_at = now() at time zone 'utc'
where asset = %(asset)s and entry_time <= %(at)s
    and (last_exit_signal_time is null or last_exit_signal_time < %(at)s)
"""


def signal_rows(signal: TradingSignal) -> list[Row]:
    """The signal's row, and for an exit the time of the last exit signal of its position.

    The table has no column for the amount; it stands in ``metadata`` with everything else that only we know.

    Raises:
        ValueError: when its id is no UUID.
    """
    row = {
        "signal_id": UUID(signal.signal_id),
        "id": UUID(signal.signal_id),
        "strategy_id": signal.strategy,
        "asset": signal.symbol,
        "side": signal.side,
        "price": decimal(signal.snapshot.price),
        "confidence": decimal(signal.confidence),
        "timestamp": moment(signal.ts),
        "model_version": signal.model_version,
        "is_warmup": signal.is_warmup,
        "market_data_snapshot": json(snapshot(signal.snapshot)),
        "metadata": json(metadata(signal)),
        "trace_id": signal.trace_id,
    }
    rows = [Row(WRITE, row)]
    if signal.kind == "exit":
        rows.append(Row(EXITED, {"asset": signal.symbol, "at": moment(signal.ts)}))
    return rows


def snapshot(market: MarketSnapshot) -> dict[str, object]:
    """The market as the other services know it: ``spread`` in per cent of the price, ours beside it."""
    return {
        "price": market.price,
        "spread": market.spread_percent,
        "spread_absolute": market.spread,
        "volume_24h": market.volume_24h,
        "volatility": market.volatility,
        "orderbook_depth": {"bid_depth": market.bid_depth, "ask_depth": market.ask_depth},
        "technical_indicators": market.indicators,
    }


def metadata(signal: TradingSignal) -> dict[str, object]:
    """What the table has no column for. Amounts are quote currency."""
    return {
        "reasoning": signal.reason,
        "kind": signal.kind,
        "rule": signal.rule,
        "amount": signal.amount,
        "requested": signal.requested,
        "urgency": signal.urgent,
        "feature_registry_version": signal.feature_registry_version,
        "origin": signal.origin.header().decode(),
        "details": signal.details,
    }
