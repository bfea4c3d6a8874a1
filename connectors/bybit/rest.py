"""Bybit v5 over REST: closed one-minute candles."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from random import Random
from types import TracebackType
from typing import Annotated

import httpx
import msgspec
import structlog

from connectors.bybit.topics import their_name
from connectors.quantities import Price, Size
from schemas.market import Kline

URL = "https://api.bybit.com"
PAGE = 1_000
MINUTE_MS = 60_000

_TOO_OFTEN = frozenset({10000, 10006, 10016, 10018})
"""Codes that pass: server timeout, too many visits, server error, too many visits from this address."""

_Row = tuple[Annotated[int, msgspec.Meta(gt=0)], Price, Price, Price, Price, Size, Size]
"""start (ms), open, high, low, close, volume, turnover"""


class _List(msgspec.Struct):
    rows: list[_Row] = msgspec.field(name="list", default_factory=list)


class _Answer(msgspec.Struct):
    code: int = msgspec.field(name="retCode")
    message: str = msgspec.field(name="retMsg")
    time: int
    result: msgspec.Raw = msgspec.Raw(b"{}")


_read_answer = msgspec.json.Decoder(_Answer).decode
_read_list = msgspec.json.Decoder(_List, strict=False).decode


class RestError(Exception):
    """Bybit did not give what was asked; the message says what and why."""


class _Passing(Exception):
    """A failure that may be gone in a moment."""


class BybitRest:
    """A small client. Use it as an asynchronous context manager.

    A request that fails in passing (no connection, timeout, 429, 5xx, "too many visits") is tried ``attempts`` times
    with growing, random pauses.
    """

    def __init__(
        self,
        url: str = URL,
        *,
        timeout: float = 10.0,
        attempts: int = 5,
        pause: float = 0.5,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.http = httpx.AsyncClient(base_url=url, timeout=timeout)
        self.attempts = attempts
        self.pause = pause
        self.sleep = sleep
        self.clock = clock
        self.rng = Random()

    async def __aenter__(self) -> "BybitRest":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    async def klines(self, symbol: str, count: int = 1_500, since: int = 0) -> list[Kline]:
        """The last ``count`` closed candles of ``symbol`` (our name) that begin at or after ``since`` (microseconds).

        They come oldest first as backfilled events: ``ts`` is the candle's end, ``recv`` the time of the answer.

        Raises:
            RestError: when Bybit refuses, keeps failing, or answers what cannot be read.
        """
        market, theirs = their_name(symbol)
        found: dict[int, _Row] = {}
        end: int | None = None
        while len(found) < count:
            limit = min(PAGE, count - len(found) + 1)
            query: dict[str, str | int] = {
                "category": market or "linear",
                "symbol": theirs,
                "interval": "1",
                "limit": limit,
            }
            if since:
                query["start"] = since // 1000
            if end is not None:
                query["end"] = end
            now, rows = await self._rows(query)
            found |= {row[0]: row for row in rows if row[0] + MINUTE_MS <= now}
            if len(rows) < limit:
                break
            end = min(row[0] for row in rows) - 1
        recv = self.clock()
        return [_kline(symbol, recv, found[start]) for start in sorted(found)][-count:]

    async def _rows(self, query: dict[str, str | int]) -> tuple[int, list[_Row]]:
        """The exchange's time (ms) and one page of candles."""
        answer = await self._get("/v5/market/kline", query)
        try:
            return answer.time, _read_list(answer.result).rows
        except msgspec.DecodeError as error:
            raise RestError(f"Bybit candles of {query['symbol']}: unreadable answer: {error}") from error

    async def _get(self, path: str, query: dict[str, str | int]) -> _Answer:
        """One answer, with patience.

        Raises:
            RestError: when Bybit refuses, or still fails at the last attempt.
        """
        for attempt in range(self.attempts):
            try:
                return await self._try(path, query)
            except _Passing as error:
                problem = str(error)
                structlog.get_logger().warning("bybit.rest.failed", path=path, problem=problem, attempt=attempt + 1)
            if attempt + 1 < self.attempts:
                await self.sleep(self.pause * 2**attempt * self.rng.uniform(0.5, 1.5))
        raise RestError(f"Bybit {path} {query}: {problem}, {self.attempts} times; try again later")

    async def _try(self, path: str, query: dict[str, str | int]) -> _Answer:
        try:
            response = await self.http.get(path, params=query)
        except httpx.TransportError as error:
            raise _Passing(f"{type(error).__name__} {error}".strip()) from error
        status = response.status_code
        if status in (403, 429) or status >= 500:
            raise _Passing(f"HTTP {status}")
        if status != 200:
            raise RestError(f"Bybit {path} {query}: HTTP {status}; check the address and the request")
        try:
            answer = _read_answer(response.content)
        except msgspec.DecodeError as error:
            raise _Passing(f"unreadable answer: {error}") from error
        if answer.code in _TOO_OFTEN:
            raise _Passing(f"retCode {answer.code} {answer.message}")
        if answer.code:
            raise RestError(f"Bybit {path} {query}: retCode {answer.code} {answer.message}; check the symbol")
        return answer


def _kline(symbol: str, recv: int, row: _Row) -> Kline:
    """A closed candle as an event."""
    start, opening, high, low, close, volume, turnover = row
    return Kline(
        symbol=symbol,
        ts=(start + MINUTE_MS) * 1000,
        recv=recv,
        start=start * 1000,
        open=opening,
        high=high,
        low=low,
        close=close,
        volume=volume,
        turnover=turnover,
        closed=True,
        backfilled=True,
    )
