"""What we say to Bybit's WebSocket, and its replies."""

from collections.abc import Sequence

import msgspec

from schemas.market import Channel

ARGS_LIMIT = 20_000
"""Characters of topics on one connection; Bybit cuts at 21,000."""
PING = '{"op":"ping"}'


class Reply(msgspec.Struct):
    """An answer to a request; market data have none of these fields."""

    op: str = ""
    success: bool | None = None
    ret_msg: str = ""
    req_id: str = ""


_read = msgspec.json.Decoder(Reply).decode


def read_reply(data: bytes) -> Reply | None:
    """The reply in a message, or nothing when it is market data or unreadable (the parser says so)."""
    if data.startswith(b'{"topic"'):
        return None
    try:
        reply = _read(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return reply if reply.op else None


def topics_of(symbol: str, depth: int) -> dict[Channel, str]:
    """The topics that carry the channels of one symbol (the exchange's name).

    >>> topics_of("BTCUSDT", 50)["orderbook"]
    'orderbook.50.BTCUSDT'
    """
    return {
        "orderbook": f"orderbook.{depth}.{symbol}",
        "trades": f"publicTrade.{symbol}",
        "kline": f"kline.1.{symbol}",
        "ticker": f"tickers.{symbol}",
    }


def request(op: str, topics: Sequence[str]) -> str:
    """One request for some topics. Ten at most: more are refused on some of Bybit's streams.

    >>> request("subscribe", ["tickers.BTCUSDT"])
    '{"op":"subscribe","args":["tickers.BTCUSDT"]}'
    """
    return msgspec.json.encode({"op": op, "args": topics}).decode()


def share_out(symbols: Sequence[str], depth: int, most: int) -> list[list[str]]:
    """Symbols for each connection, in order: at most ``most`` topics and ``ARGS_LIMIT`` characters a connection.

    >>> share_out(["AUSDT", "BUSDT", "CUSDT"], depth=50, most=8)
    [['AUSDT', 'BUSDT'], ['CUSDT']]
    """
    shares: list[list[str]] = []
    topics = length = 0
    for symbol in symbols:
        names = topics_of(symbol, depth).values()
        size = sum(len(name) + 3 for name in names)
        if not shares or topics + len(names) > most or length + size > ARGS_LIMIT:
            shares.append([])
            topics = length = 0
        shares[-1].append(symbol)
        topics += len(names)
        length += size
    return shares
