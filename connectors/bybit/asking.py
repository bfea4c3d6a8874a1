"""One GET of Bybit's REST interface, with patience: the only place that waits, tries again and gives up."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx
import structlog

from connectors.bybit.answers import Answer, read_answer
from connectors.bybit.errors import Passing, RestError
from connectors.bybit.keys import Keys
from connectors.bybit.limits import BAN_SECONDS, wait_needed, wait_told
from connectors.bybit.skew import Skew
from connectors.pace import wall_clock
from connectors.quantities import MALFORMED

Query = Mapping[str, str | int]
T = TypeVar("T")

LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes. All instruments of a market are about 1 MB."""
WRONG_TIME = 10002
"""Our timestamp is not within the window of a signed request."""
PASSING = frozenset({10000, 10006, 10016, 10018, WRONG_TIME})
"""Codes that pass: server timeout, too many visits, server error, too many visits from this address, wrong time."""
ADVICE = {
    10001: "check the symbol and the request",
    10003: "check BYBIT_API_KEY, or unset it: public data need no key",
    10004: "check BYBIT_API_SECRET",
    10005: "the key in BYBIT_API_KEY lacks the permission to read",
    10009: "this address is banned: ask from another one",
    10010: "the key in BYBIT_API_KEY is not for this address",
    10024: "Bybit does not serve this country",
    33004: "the key in BYBIT_API_KEY has expired",
}


@dataclass(frozen=True)
class Patience:
    """How a request is made and how soon it is given up.

    Args:
        attempts: how often one request is tried.
        pause: seconds before the second attempt; doubled each time, and drawn from half to one and a half of that.
        longest: seconds; when Bybit asks for a longer wait, the request is given up at once and says so.
        timeout: seconds for an answer to begin and between its parts; all of it may take three times that.
        delay: seconds from one request to the next.
    """

    attempts: int = 5
    pause: float = 0.5
    longest: float = 30.0
    timeout: float = 10.0
    delay: float = 0.1

    def __post_init__(self) -> None:
        if self.attempts < 1 or min(self.pause, self.longest, self.delay) < 0 or self.timeout <= 0:
            raise ValueError(f"no such patience: {self}")


class Asker:
    """Asks one Bybit, at most one request each ``patience.delay`` seconds, and keeps an eye on its clock.

    Args:
        url: of the REST interface.
        patience: see there.
        keys: requests are signed with them.
        sleep, clock, transport: replaceable for tests; the clock in microseconds UTC.
    """

    def __init__(
        self,
        url: str,
        patience: Patience,
        keys: Keys | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], int] = wall_clock,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        scheme, host = httpx.URL(url).scheme, httpx.URL(url).host
        if scheme not in ("http", "https") or not host:
            raise ValueError(f"Bybit's address must be http(s)://host, not {url!r}")
        # Without encryption it is a stand-in near by: no certificates to load, and no proxy on the way to it.
        away = scheme == "https"
        self.http = httpx.AsyncClient(
            base_url=url, timeout=patience.timeout, verify=away, trust_env=away, transport=transport
        )
        self.patience = patience
        self.keys = keys
        self.sleep = sleep
        self.clock = clock
        self.skew = Skew()
        self.rng = Random()
        self.free_at = 0.0
        """When the next request may go out, by the monotonic clock."""
        self.log = structlog.get_logger().bind(venue="bybit")

    async def close(self) -> None:
        """Let go of the connections."""
        await self.http.aclose()

    def now(self) -> int:
        """The exchange's time as far as it is known, microseconds UTC."""
        return self.clock() + self.skew.offset

    async def get(self, path: str, query: Query, read: Callable[[Answer], T]) -> T:
        """What ``read`` makes of one answer.

        ``read`` may raise what decoding raises, or ``Passing`` for an answer that makes no sense: it is asked again.

        Raises:
            RestError: when Bybit refuses, or still fails at the last attempt.
        """
        for attempt in range(1, self.patience.attempts + 1):
            try:
                return await self._try(path, query, read)
            except Passing as error:
                failure = error
            self.log.warning("bybit.rest.failed", path=path, problem=str(failure), attempt=attempt, wait=failure.wait)
            if attempt < self.patience.attempts:
                await self._recover(path, query, failure, attempt)
        raise RestError(
            f"Bybit {path} {_said(query)}: {failure}, {self.patience.attempts} times; try again later", failure.wait
        )

    async def pause(self, attempt: int) -> None:
        """The growing, random pause before the next attempt."""
        await self.sleep(self.patience.pause * 2 ** (attempt - 1) * self.rng.uniform(0.5, 1.5))

    async def _recover(self, path: str, query: Query, failure: Passing, attempt: int) -> None:
        """Wait as long as Bybit wants, or a growing while."""
        if failure.wait is None:
            await self.pause(attempt)
        elif failure.wait > self.patience.longest:
            raise RestError(
                f"Bybit {path} {_said(query)}: {failure}; it wants no request for {failure.wait:.0f} s: try again then",
                failure.wait,
            )
        else:
            self._hold(failure.wait)

    async def _turn(self) -> None:
        """Wait until the next request may go out, and take that place."""
        now = time.monotonic()
        wait = self.free_at - now
        self.free_at = max(now, self.free_at) + self.patience.delay
        if wait > 0:
            await self.sleep(wait)

    def _hold(self, seconds: float) -> None:
        """Nobody asks anything for a while."""
        self.free_at = max(self.free_at, time.monotonic() + seconds)

    async def _try(self, path: str, query: Query, read: Callable[[Answer], T]) -> T:
        await self._turn()
        asked = self.clock()
        response, body = await self._fetch(path, urlencode(query))
        self._raise_for_status(path, query, response, body)
        try:
            answer = read_answer(body)
        except MALFORMED as error:
            raise Passing(f"unreadable answer: {error}") from error
        self.skew.feed(asked, self.clock(), answer.time * 1000)
        self._raise_for_code(path, query, response, answer)
        self._hold(min(wait_needed(response.headers, self.now()), self.patience.longest))
        try:
            return read(answer)
        except MALFORMED as error:
            raise Passing(f"unreadable answer: {error}") from error

    async def _fetch(self, path: str, query: str) -> tuple[httpx.Response, bytes]:
        """The status and the body, however slowly it trickles and however long it is: within bounds."""
        headers = self.keys.headers(query, self.now() // 1000) if self.keys else {}
        body = bytearray()
        try:
            async with (
                asyncio.timeout(3 * self.patience.timeout),
                self.http.stream("GET", f"{path}?{query}" if query else path, headers=headers) as response,
            ):
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > LARGEST_ANSWER:
                        raise Passing(f"an answer of more than {LARGEST_ANSWER} bytes")
        except TimeoutError as error:
            raise Passing(f"no whole answer within {3 * self.patience.timeout:g} s") from error
        except httpx.RequestError as error:
            raise Passing(f"{type(error).__name__} {error}".strip()) from error
        return response, bytes(body)

    def _raise_for_status(self, path: str, query: Query, response: httpx.Response, body: bytes) -> None:
        status = response.status_code
        if status in (403, 429) or status >= 500:
            wait = wait_told(response.headers, self.now())
            if status == 403 and wait is None and b"too frequent" in body.lower():
                wait = BAN_SECONDS
            raise Passing(f"HTTP {status}", wait)
        if status != 200:
            raise RestError(f"Bybit {path} {_said(query)}: HTTP {status}; check the address {self.http.base_url}")

    def _raise_for_code(self, path: str, query: Query, response: httpx.Response, answer: Answer) -> None:
        if not answer.code:
            return
        problem = f"retCode {answer.code} {answer.message[:200]}"
        if answer.code == WRONG_TIME:
            self.skew.forget()
            self.skew.feed(now := self.clock(), now, answer.time * 1000)
        if answer.code in PASSING:
            raise Passing(problem, wait_told(response.headers, self.now()))
        raise RestError(f"Bybit {path} {_said(query)}: {problem}; {ADVICE.get(answer.code, 'check the request')}")


def _said(query: Query) -> str:
    """A query for a person; it holds no secret, keys travel in headers."""
    return str(dict[str, Any](query)) if query else "(no query)"
