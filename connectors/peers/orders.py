"""The order-manager's table ``orders``: what became of our signals. It survives restarts and lost messages."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import psycopg
from psycopg.rows import dict_row

from connectors.peers.times import of_datetime
from connectors.peers.values import number, number_or_none, text
from schemas.account import OrderEvent, OrderStatus
from schemas.market import Side

SIDES: dict[str, Side] = {"buy": "buy", "sell": "sell"}
STATUSES: tuple[OrderStatus, ...] = get_args(OrderStatus)
SOURCE = "orders"
QUERY = """
select order_id, signal_id::text as signal_id, asset, side, order_type, quantity, price, status, filled_quantity,
    average_price, fees, updated_at, executed_at, trace_id, rejection_reason
from orders where signal_id = any(%s::uuid[]) order by updated_at, order_id
"""
NET = """
select sum(case when lower(side) = 'buy' then filled_quantity else -filled_quantity end)
from orders where asset = %s and not is_dry_run
"""


def read_orders(connection: psycopg.Connection, signals: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of some signals, by their ids, with times as microseconds UTC.

    Raises:
        psycopg.Error: when the table is not there, or not as it should be.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(QUERY, [list(signals)]).fetchall()
    for row in rows:
        for name in ("updated_at", "executed_at"):
            row[name] = of_datetime(row[name]) if row[name] else None
    return rows


def net_size(connection: psycopg.Connection, symbol: str) -> float:
    """What all orders of a symbol add up to, in base currency: bought less sold."""
    row = connection.execute(NET, [symbol]).fetchone()
    return float(row[0]) if row and row[0] is not None else 0.0


def order_event(row: Mapping[str, Any], recv: int, source: str = SOURCE, strategy: str | None = None) -> OrderEvent:
    """The event of a row. A filled order without an average price was filled at its own.

    Raises:
        KeyError: when a column is missing.
        ValueError: when what it holds cannot be read.
    """
    filled = number_or_none(row["filled_quantity"], "filled_quantity") or 0.0
    price = number_or_none(row["price"], "price") or None
    average = number_or_none(row["average_price"], "average_price") or (price if filled else None)
    if filled and average is None:
        raise ValueError(f"order {row['order_id']!s:.60}: {filled} were filled, but at which price it does not say")
    side, status, kind = str(row["side"]).lower(), str(row["status"]), str(row["order_type"]).lower()
    if side not in SIDES or status not in STATUSES or kind not in ("market", "limit"):
        raise ValueError(
            f"order {row['order_id']!s:.60}: side {side!r:.20}, status {status!r:.20} or type {kind!r:.20}"
        )
    return OrderEvent(
        str(row["asset"]).upper(),
        row["executed_at"] if status == "filled" and row["executed_at"] else row["updated_at"],
        recv,
        str(row["order_id"]),
        SIDES[side],
        kind,  # type: ignore[arg-type]
        number(row["quantity"], "quantity"),
        status,  # type: ignore[arg-type]
        filled=filled,
        price=price,
        average_price=average,
        fees=number_or_none(row["fees"], "fees") or 0.0,
        signal_id=text(row["signal_id"]),
        strategy=strategy,
        reason=str(row["rejection_reason"] or "")[:256],
        trace_id=text(row["trace_id"]),
        source=source,
    )
