"""``execution_events``: what our signals came to; without these rows every profit panel is empty."""

from uuid import UUID

from connectors.postgres.columns import Row, decimal, json, moment, upsert
from schemas.account import Execution

WRITE = upsert(
    "execution_events",
    "id",
    (
        "id", "signal_id", "strategy_id", "asset", "side", "execution_price", "execution_quantity", "execution_fees",
        "executed_at", "signal_price", "signal_timestamp", "performance",
    ),
)  # fmt: skip


def execution_rows(execution: Execution) -> list[Row]:
    """The row of an execution that serves one of our signals; none for anybody else's.

    A maker's rebate is a fee of 0 in its column, which takes no negative number; ``performance`` has the true one.

    Raises:
        ValueError: when the id of its signal is no UUID.
    """
    known = execution.signal_id, execution.signal_price, execution.signal_ts
    signal_id, signal_price, signal_ts = known
    if not execution.strategy or signal_id is None or signal_price is None or signal_ts is None:
        return []
    row = {
        "id": execution.origin.uuid("execution"),
        "signal_id": UUID(signal_id),
        "strategy_id": execution.strategy,
        "asset": execution.symbol,
        "side": execution.side,
        "execution_price": decimal(execution.price),
        "execution_quantity": decimal(execution.size),
        "execution_fees": decimal(max(0.0, execution.fee)),
        "executed_at": moment(execution.ts),
        "signal_price": decimal(signal_price),
        "signal_timestamp": moment(signal_ts),
        "performance": json(performance(execution, signal_price)),
    }
    return [Row(WRITE, row)]


def performance(execution: Execution, signal_price: float) -> dict[str, object]:
    """How well it went, in quote currency and per cent.

    ``slippage`` per unit of base currency is positive where the price was worse than at the signal. Only what closes a
    position has ``realized_pnl`` (before fees) and ``return_percent`` (of the entry value of what it closed).
    """
    against = execution.price - signal_price if execution.side == "buy" else signal_price - execution.price
    found: dict[str, object] = {
        "slippage": against,
        "slippage_percent": against / signal_price * 100,
        "fees": execution.fee,
        "maker": execution.maker,
        "order_id": execution.order_id,
        "signal_kind": execution.signal_kind,
        "is_warmup": execution.is_warmup,
        "model_version": execution.model_version,
        "trace_id": execution.trace_id,
    }
    if execution.closed:
        long = execution.side == "sell"
        entered = execution.closed * execution.price + (-execution.realized if long else execution.realized)
        found["realized_pnl"] = execution.realized
        found["closed_quantity"] = execution.closed
        found["return_percent"] = execution.realized / entered * 100 if entered > 0 else None
    return found
