"""The demo exchange's REST interface: Bybit v5's answers for candles and for the time."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from connectors.demo.market import Market

_LARGEST_PAGE = 1_000
_PAGE = 200
_FOREVER = 2**62


def answer(market: Market, path: str, now: int) -> dict[str, Any] | None:
    """The JSON body for a GET of ``path`` (with its query) at ``now`` (microseconds UTC); None: no such page."""
    url = urlsplit(path)
    query = {name: values[-1] for name, values in parse_qs(url.query).items()}
    if url.path == "/v5/market/time":
        return _body({"timeSecond": str(now // 1_000_000), "timeNano": str(now * 1000)}, now)
    if url.path == "/v5/market/kline":
        return _klines(market, query, now)
    return None


def _klines(market: Market, query: dict[str, str], now: int) -> dict[str, Any]:
    """Up to ``limit`` one-minute candles that begin in [start, end] (milliseconds), newest first."""
    symbol = market.symbols.get(query.get("symbol", ""))
    if symbol is None or query.get("category", "linear") != "linear":
        return _body({}, now, 10001, "params error: Symbol Invalid")
    if query.get("interval") != "1":
        return _body({}, now, 10001, "Invalid period!")
    try:
        limit = min(_LARGEST_PAGE, int(query.get("limit", _PAGE)))
        start, end = int(query.get("start", 0)) * 1000, int(query.get("end", _FOREVER)) * 1000
    except ValueError as error:
        return _body({}, now, 10001, f"params error: {error}")
    rows = symbol.rows(start, end, limit)
    return _body({"symbol": query["symbol"], "category": "linear", "list": rows}, now)


def _body(result: dict[str, Any], now: int, code: int = 0, message: str = "OK") -> dict[str, Any]:
    return {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": now // 1000}
