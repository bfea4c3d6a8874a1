"""``order-manager.order_events``: what became of an order, in the format that is sent and in the one that was meant."""

from typing import Any

import msgspec

from connectors.peers.orders import SIDES, order_event
from connectors.peers.times import micros
from connectors.peers.values import number, number_or_none, text
from schemas.account import OrderEvent

QUEUE = "order-manager.order_events"

_read = msgspec.json.Decoder(dict[str, Any]).decode


def order_message(body: bytes, recv: int, trace_id: str | None = None) -> OrderEvent:
    """The event of a message: nested under ``order``, or flat as an execution.

    The trace id of a nested message is that of the gateway's message, not of the signal; the signal's id leads there.

    Raises:
        ValueError: when what an order must have is missing or cannot be read.
    """
    message = _read(body)
    try:
        if "execution_quantity" in message:
            return _flat(message, recv, trace_id)
        order = message["order"]
        if not isinstance(order, dict):
            raise ValueError("order is no object")
        found = dict(order)
        found["rejection_reason"] = message.get("rejection_reason")
        found["trace_id"] = message.get("trace_id") or trace_id
        for name in ("updated_at", "executed_at"):
            found[name] = micros(found[name]) if found.get(name) else None
        found["updated_at"] = found["updated_at"] or micros(message["timestamp"])
        return order_event(found, recv, QUEUE)
    except KeyError as error:
        raise ValueError(f"{error.args[0]} is missing") from None


def _flat(message: dict[str, Any], recv: int, trace_id: str | None) -> OrderEvent:
    """An execution: one fill that is all of the order, as far as it says."""
    size = number(message["execution_quantity"], "execution_quantity")
    price = number(message["execution_price"], "execution_price")
    return OrderEvent(
        str(message["asset"]).upper(),
        micros(str(message["executed_at"])),
        recv,
        str(message["order_id"]),
        SIDES[str(message["side"]).lower()],
        "market",
        size,
        "filled",
        filled=size,
        average_price=price,
        fees=number_or_none(message.get("execution_fees"), "execution_fees") or 0.0,
        signal_id=text(message.get("signal_id")),
        strategy=text(message.get("strategy_id")),
        trace_id=text(message.get("trace_id")) or trace_id,
        source=QUEUE,
    )
