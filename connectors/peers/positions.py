"""position-manager: what the account's position in a symbol is."""

from typing import Any
from urllib.parse import quote

import msgspec

from connectors.peers.peer import Peer, PeerError
from connectors.peers.values import number, number_or_none
from schemas.account import PositionEvent
from schemas.codec import UNREADABLE

SOURCE = "position-manager"


class _Position(msgspec.Struct):
    asset: str
    size: Any
    average_entry_price: Any = None
    unrealized_pnl: Any = None
    realized_pnl: Any = None


_read = msgspec.json.Decoder(_Position).decode


async def read_position(peer: Peer, symbol: str, recv: int, trace_id: str | None = None) -> PositionEvent:
    """The position as it is now. No such row, and size 0, mean flat.

    Raises:
        PeerError: for everything else: the position is not known then, which is not the same as flat.
    """
    response = await peer.ask("GET", f"/api/v1/positions/{quote(symbol, safe='')}", params={"mode": "one-way"})
    if response.status_code == 404:
        return PositionEvent(symbol, recv, recv, 0.0, trace_id=trace_id, source=SOURCE)
    if response.status_code != 200:
        raise peer.unexpected(response)
    try:
        found = _read(response.content)
        if found.asset.upper() != symbol:
            raise ValueError(f"the answer is about {found.asset[:40]!r}")
        size = number(found.size, "size")
        return PositionEvent(
            symbol,
            recv,
            recv,
            size,
            entry=(number_or_none(found.average_entry_price, "average_entry_price") or None) if size else None,
            realized_pnl=number_or_none(found.realized_pnl, "realized_pnl"),
            unrealized_pnl=number_or_none(found.unrealized_pnl, "unrealized_pnl"),
            trace_id=trace_id,
            source=SOURCE,
        )
    except (ValueError, *UNREADABLE) as error:
        raise PeerError(f"{peer.name} position of {symbol}: unreadable answer: {error}") from error
