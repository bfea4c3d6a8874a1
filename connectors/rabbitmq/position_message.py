"""``position-manager.position_updated``: a hint that the position of a symbol changed."""

from typing import Any

import msgspec

from connectors.peers.times import micros
from connectors.peers.values import number, number_or_none, text
from connectors.validate import is_symbol
from schemas.account import PositionEvent

QUEUE = "position-manager.position_updated"


class _Update(msgspec.Struct):
    asset: str
    size: Any
    mode: str = "one-way"
    unrealized_pnl: Any = None
    realized_pnl: Any = None
    time_held_minutes: Any = None
    trace_id: Any = None
    timestamp: str | None = None


_read = msgspec.json.Decoder(_Update).decode


def position_event(body: bytes, recv: int, trace_id: str | None = None) -> PositionEvent:
    """The event of a message. It has no entry price: the service does not say it here, and how long a position was
    held, which may be negative, counts from its first row ever and is not read.

    Raises:
        ValueError: when the message has no asset or no size, or either cannot be read.
    """
    update = _read(body)
    symbol = update.asset.upper()
    if not is_symbol(symbol):
        raise ValueError(f"asset {update.asset[:60]!r} is no symbol")
    if update.mode != "one-way":
        raise ValueError(f"mode {update.mode[:20]!r}: only one-way positions are understood")
    return PositionEvent(
        symbol,
        micros(update.timestamp) if update.timestamp else recv,
        recv,
        number(update.size, "size"),
        realized_pnl=number_or_none(update.realized_pnl, "realized_pnl"),
        unrealized_pnl=number_or_none(update.unrealized_pnl, "unrealized_pnl"),
        trace_id=text(update.trace_id) or trace_id,
        source=QUEUE,
    )
