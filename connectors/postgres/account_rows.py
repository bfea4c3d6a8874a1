"""``order_events``, ``position_events`` and ``strategy_settings``: our own record of what the log said of them."""

from contextlib import suppress
from uuid import UUID, uuid5

import msgspec

from connectors.postgres.columns import Row, json, moment, upsert
from schemas.account import OrderEvent, PositionEvent
from schemas.origin import NAMESPACE
from schemas.strategy import StrategyConfigured

ORDER = upsert(
    "order_events",
    "id",
    (
        "id", "order_id", "signal_id", "strategy_id", "asset", "side", "order_type", "status", "quantity", "filled",
        "price", "average_price", "fees", "reduce_only", "maker", "reason", "ts", "source", "trace_id", "place",
    ),
)  # fmt: skip
POSITION = upsert(
    "position_events",
    "id",
    ("id", "asset", "ts", "size", "entry", "realized_pnl", "unrealized_pnl", "source", "trace_id", "place"),
)
SETTINGS = upsert("strategy_settings", "id", ("id", "strategy_id", "ts", "enabled", "settings", "changed_by", "place"))


def order_rows(event: OrderEvent, place: str) -> list[Row]:
    """An order event; ``place`` names it for ever: ``account/<origin>`` or ``events/<shard>/<offset>``.

    An order of somebody else may serve a signal whose id is no UUID: then the row has none.
    """
    signal_id = None
    with suppress(ValueError):
        signal_id = UUID(event.signal_id) if event.signal_id else None
    row = {
        "id": uuid5(NAMESPACE, f"order/{place}"),
        "order_id": event.order_id,
        "signal_id": signal_id,
        "strategy_id": event.strategy,
        "asset": event.symbol,
        "side": event.side,
        "order_type": event.order_type,
        "status": event.status,
        "quantity": event.quantity,
        "filled": event.filled,
        "price": event.price,
        "average_price": event.average_price,
        "fees": event.fees,
        "reduce_only": event.reduce_only,
        "maker": event.maker,
        "reason": event.reason,
        "ts": moment(event.ts),
        "source": event.source,
        "trace_id": event.trace_id,
        "place": place,
    }
    return [Row(ORDER, row)]


def position_rows(event: PositionEvent, place: str) -> list[Row]:
    """A position as the account reported it; ``place`` as in ``order_rows``."""
    row = {
        "id": uuid5(NAMESPACE, f"position/{place}"),
        "asset": event.symbol,
        "ts": moment(event.ts),
        "size": event.size,
        "entry": event.entry,
        "realized_pnl": event.realized_pnl,
        "unrealized_pnl": event.unrealized_pnl,
        "source": event.source,
        "trace_id": event.trace_id,
        "place": place,
    }
    return [Row(POSITION, row)]


def settings_rows(event: StrategyConfigured, place: str) -> list[Row]:
    """A strategy's settings, in force from ``recv`` on. Every setting is written, also those left at their default."""
    settings = {name: getattr(event.settings, name) for name in event.settings.__struct_fields__}
    row = {
        "id": uuid5(NAMESPACE, f"settings/{place}"),
        "strategy_id": event.settings.strategy,
        "ts": moment(event.recv),
        "enabled": event.settings.enabled,
        "settings": json(whole(settings)),
        "changed_by": event.by,
        "place": place,
    }
    return [Row(SETTINGS, row)]


def whole(data: object) -> object:
    """Settings as plain data with every default spelled out, which encoding them would leave out."""
    if isinstance(data, msgspec.Struct):
        return {name: whole(getattr(data, name)) for name in data.__struct_fields__}
    if isinstance(data, dict):
        return {name: whole(value) for name, value in data.items()}
    return list(data) if isinstance(data, tuple) else data
