"""What a Bybit WebSocket server says to requests: subscribe, unsubscribe, ping."""

from collections.abc import Collection
from typing import Any

import msgspec

_BATCH = 10


class Request(msgspec.Struct):
    """What a client sent."""

    op: str
    args: list[str] = []
    req_id: str = ""


_read = msgspec.json.Decoder(Request).decode


def read_request(message: str | bytes) -> Request | None:
    """The request, or nothing when it is none."""
    try:
        return _read(message)
    except msgspec.DecodeError:
        return None


def reply(request: Request, conn_id: str, problem: str = "") -> bytes:
    """The acknowledgement of a request, as the linear stream writes it; ``problem`` says why it failed."""
    body: dict[str, Any] = {
        "success": not problem,
        "ret_msg": problem or ("pong" if request.op == "ping" else ""),
        "conn_id": conn_id,
        "req_id": request.req_id,
        "op": request.op,
    }
    return msgspec.json.encode(body)


def problem_with(request: Request, topics: Collection[str], subscribed: Collection[str]) -> str:
    """Why the request cannot be done, in Bybit's words; empty when it can.

    >>> problem_with(Request("subscribe", ["tickers.NONE"]), {"tickers.BTCUSDT"}, set())
    'error:handler not found,topic:tickers.NONE'
    """
    if request.op == "ping":
        return ""
    if request.op not in ("subscribe", "unsubscribe"):
        return f"error:unknown op,op:{request.op}"
    if not request.args or len(request.args) > _BATCH:
        return f"error:args size must be in 1..{_BATCH}"
    for topic in request.args:
        if topic not in topics:
            return f"error:handler not found,topic:{topic}"
        if request.op == "subscribe" and topic in subscribed:
            return f"error:already subscribed,topic:{topic}"
    return ""
