"""A truth as Bybit's REST interface tells it: pages, limits and refusals."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from connectors.demo.exchange_history.truth import Truth

KLINES_MOST, FUNDING_MOST, TRADES_MOST, DEPTH_MOST, INSTRUMENTS_MOST = 1_000, 200, 1_000, 500, 1_000
KLINES_USUAL, FUNDING_USUAL, TRADES_USUAL, DEPTH_USUAL, INSTRUMENTS_USUAL = 200, 200, 500, 25, 500
_FOREVER = 2**53

Query = dict[str, str]
Body = dict[str, Any]


class Refused(Exception):
    """The request makes no sense; the text is Bybit's."""


def answer(truth: Truth, path: str) -> Body | None:
    """The JSON body for a GET of ``path`` (with its query); None: no such page."""
    url = urlsplit(path)
    query = {name: values[-1] for name, values in parse_qs(url.query).items()}
    if not (page := PAGES.get(url.path)):
        return None
    try:
        return body(page(truth, query), truth.now())
    except Refused as refused:
        return body({}, truth.now(), 10001, str(refused))
    except KeyError:
        return body({}, truth.now(), 10001, "params error: Symbol Invalid")


def body(result: Body, now: int, code: int = 0, message: str = "OK") -> Body:
    """The outside of every answer; ``now`` in microseconds."""
    return {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": now // 1000}


def _time(truth: Truth, query: Query) -> Body:
    now = truth.now()
    return {"timeSecond": str(now // 1_000_000), "timeNano": str(now * 1000)}


def _klines(truth: Truth, query: Query) -> Body:
    """One-minute candles that begin in [start, end], newest first."""
    symbol = _symbol(truth, query)
    if query.get("interval") != "1":
        raise Refused("Invalid period!")
    start, end = _number(query, "start", 0) * 1000, _number(query, "end", _FOREVER) * 1000
    rows = truth.candles(symbol, start, end, _limit(query, KLINES_USUAL, KLINES_MOST))
    return {"symbol": symbol, "category": truth.category, "list": rows}


def _funding(truth: Truth, query: Query) -> Body:
    """Payments in [startTime, endTime], newest first. A start without an end is refused, as Bybit does."""
    symbol = _symbol(truth, query)
    if "startTime" in query and "endTime" not in query:
        raise Refused("params error: endTime")
    start, end = _number(query, "startTime", 0) * 1000, _number(query, "endTime", _FOREVER) * 1000
    paid = truth.funding(symbol, start, end, _limit(query, FUNDING_USUAL, FUNDING_MOST))
    rows = [{"symbol": symbol, "fundingRate": rate, "fundingRateTimestamp": str(time // 1000)} for time, rate in paid]
    return {"category": truth.category, "list": rows}


def _trades(truth: Truth, query: Query) -> Body:
    symbol = _symbol(truth, query)
    return {"category": truth.category, "list": truth.trades(symbol, _limit(query, TRADES_USUAL, TRADES_MOST))}


def _book(truth: Truth, query: Query) -> Body:
    return truth.book(_symbol(truth, query), _limit(query, DEPTH_USUAL, DEPTH_MOST))


def _tickers(truth: Truth, query: Query) -> Body:
    return {"category": truth.category, "list": [truth.ticker(_symbol(truth, query))]}


def _instruments(truth: Truth, query: Query) -> Body:
    """What is traded, by name; ``cursor`` is the place of the next page."""
    if "symbol" in query:
        return {
            "category": truth.category,
            "list": list(truth.instruments(_symbol(truth, query))),
            "nextPageCursor": "",
        }
    _check_category(truth, query)
    first, limit = _number(query, "cursor", 0), _limit(query, INSTRUMENTS_USUAL, INSTRUMENTS_MOST)
    rows = list(truth.instruments())
    last = first + limit
    return {
        "category": truth.category,
        "list": rows[first:last],
        "nextPageCursor": str(last) if last < len(rows) else "",
    }


PAGES = {
    "/v5/market/time": _time,
    "/v5/market/kline": _klines,
    "/v5/market/funding/history": _funding,
    "/v5/market/recent-trade": _trades,
    "/v5/market/orderbook": _book,
    "/v5/market/tickers": _tickers,
    "/v5/market/instruments-info": _instruments,
}


def _check_category(truth: Truth, query: Query) -> None:
    if query.get("category") != truth.category:
        raise Refused("params error: Category is invalid")


def _symbol(truth: Truth, query: Query) -> str:
    """The symbol that is asked about; whether there is one of that name, the truth says."""
    _check_category(truth, query)
    return query.get("symbol", "")


def _limit(query: Query, usual: int, most: int) -> int:
    limit = _number(query, "limit", usual)
    if limit < 1:
        raise Refused("params error: limit")
    return min(limit, most)


def _number(query: Query, name: str, usual: int) -> int:
    text = query.get(name)
    if text is None:
        return usual
    if not (text.isascii() and text.isdecimal() and len(text) <= 16):
        raise Refused(f"params error: {name}")
    return int(text)
