"""Bybit v5's market data over REST: history where there is one, and how things stand now."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, TypeVar

import httpx

from connectors.bybit import answers, reading
from connectors.bybit.answers import Answer
from connectors.bybit.asking import Asker, Patience, Query
from connectors.bybit.errors import Kind, MissingRows, RestError
from connectors.bybit.funding import EIGHT_HOURS, HOUR, truly_missing
from connectors.bybit.gather import CONFIRM, gather
from connectors.bybit.instruments import Instrument
from connectors.bybit.keys import Keys
from connectors.bybit.offered import RECENT_TRADES, RECENT_TRADES_SPOT, available
from connectors.bybit.place import PLACES
from connectors.bybit.rows import MINUTE
from connectors.bybit.skew import SAMPLES
from connectors.bybit.spans import Span, grid, runs
from connectors.bybit.topics import their_name
from connectors.pace import wall_clock
from schemas.market import BookSnapshot, Funding, Kline, Ticker, Trade

KLINES_A_PAGE = 1_000
FUNDING_A_PAGE = 200
INSTRUMENTS_A_PAGE = 1_000
MOST_PAGES = 100
DEPTH, DEPTH_SPOT = 500, 200
LONG = 30 * 1_440 * MINUTE
"""Of a longer span, what lies before the listing is not asked for to begin with."""
FOUNDED = 1_519_862_400_000_000
"""Bybit's first month (March 2018): there is nothing before."""
SETTLING = MINUTE
"""A rate that was due less long ago may not be listed yet."""

T = TypeVar("T")


class BybitMarket:
    """A client of ``/v5/market``. Use it as an asynchronous context manager; it may be used by several tasks at once.

    Symbols are our names: ``BTCUSDT`` is the linear contract, ``BTCUSDT-SPOT`` the spot pair. Times are integer
    microseconds UTC, spans [start, end). Events come oldest first; ``recv`` is the moment at which what they say was
    known (a candle: its end), and they are marked ``backfilled``. Only what is over counts, by the exchange's clock:
    an ``end`` in the future gives what there is so far.

    A request that fails in passing is tried again as ``patience`` says; so is an answer that cannot be true. What an
    answer leaves out is asked for again, and what still does not come is named by ``MissingRows``.

    Args:
        url: of the REST interface.
        patience: see there; ``delay`` seconds lie between two requests.
        keys: requests are signed with them; none are needed.
        klines_a_page, funding_a_page: rows asked for at once.
        sleep, clock, transport: replaceable for tests; the clock in microseconds UTC.

    Raises:
        ValueError: when ``url`` is no address.
    """

    def __init__(
        self,
        url: str = PLACES["mainnet"].rest,
        *,
        patience: Patience | None = None,
        keys: Keys | None = None,
        klines_a_page: int = KLINES_A_PAGE,
        funding_a_page: int = FUNDING_A_PAGE,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], int] = wall_clock,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.asker = Asker(url, patience or Patience(), keys, sleep, clock, transport)
        self.klines_a_page = min(klines_a_page, KLINES_A_PAGE)
        self.funding_a_page = min(funding_a_page, FUNDING_A_PAGE)
        self._listed: dict[str, Instrument | None] = {}
        self._measuring = asyncio.Lock()

    async def __aenter__(self) -> "BybitMarket":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.asker.close()

    @staticmethod
    def available(kind: Kind) -> str | None:
        """Why past data of this kind cannot be fetched; None where they can (``klines``, ``funding``)."""
        return available(kind)

    async def time(self) -> int:
        """The exchange's time, microseconds UTC. It also measures how far its clock is from ours.

        Raises:
            RestError: as every method here, when Bybit refuses, keeps failing, or answers what makes no sense.
        """
        return await self.asker.get("/v5/market/time", {}, lambda answer: answers.read_now(answer.result).nanos // 1000)

    async def now(self) -> int:
        """The exchange's time by our clock and the difference between the two, which every answer measures.

        Microseconds UTC; asks for the time only as long as too few answers agree on it.
        """
        async with self._measuring:
            for _ in range(SAMPLES):
                if self.asker.skew.believed:
                    break
                await self.time()
        return self.asker.now()

    @property
    def skew(self) -> int:
        """How far the exchange's clock is ahead of ours, microseconds; 0 as long as nothing was asked."""
        return self.asker.skew.offset

    async def klines(self, symbol: str, start: int, end: int) -> list[Kline]:
        """Every closed one-minute candle that begins in [start, end).

        None are missed that begin before the symbol was listed.

        Raises:
            MissingRows: when Bybit leaves out some of them, however often it is asked.
        """
        end = min(end, await self.now() // MINUTE * MINUTE)
        if end - start > LONG:
            listed = await self._instrument(symbol)
            start = max(start, (listed and listed.launch) or FOUNDED)
        wanted = grid(start, end, MINUTE)

        async def ask(span: Span) -> dict[int, Kline]:
            return await self._kline_page(symbol, span)

        async def doubt(missing: list[int], fruitless: int) -> list[int]:
            listed = await self._instrument(symbol)
            await self._breathe(fruitless)
            first = listed.launch if listed and listed.launch else 0
            return [time for time in missing if first <= time <= self.asker.now() - MINUTE]

        found, missing = await gather(wanted, MINUTE, self.klines_a_page, ask, doubt)
        klines = [found[time] for time in sorted(found)]
        if missing:
            raise MissingRows("klines", symbol, runs(missing, MINUTE), klines)
        return klines

    async def recent_klines(self, symbol: str, count: int, since: int = 0) -> list[Kline]:
        """The last ``count`` closed candles that begin at or after ``since``; as ``klines`` otherwise."""
        over = await self.now() // MINUTE * MINUTE
        return await self.klines(symbol, max(since, over - count * MINUTE), over)

    async def funding(self, symbol: str, start: int, end: int) -> list[Funding]:
        """Every funding rate that was paid in [start, end).

        Rates are paid every 8 hours at least: where one of those is absent it is missing. Whether there were others in
        between, Bybit alone knows, for it changes the interval of a contract now and then; what it does not give
        three times running is missing where rates of that hour came on the days before and after.

        Raises:
            MissingRows: when Bybit leaves out some of them, however often it is asked.
            RestError: also at spot, where there is no funding.
        """
        market, _ = their_name(symbol)
        if market == "spot":
            raise RestError(f"{symbol}: there is no funding at spot; ask for the contract")
        end = min(end, await self.now() + 1)
        if end <= start:
            return []
        listed = await self._instrument(symbol)
        start = max(start, (listed and listed.launch) or FOUNDED)
        step = min(EIGHT_HOURS, (listed and listed.funding_interval) or EIGHT_HOURS)
        wanted = grid(start, end, step)

        async def ask(span: Span) -> dict[int, Funding]:
            return await self._funding_page(symbol, (span[0], min(span[1], end)))

        async def doubt(missing: list[int], fruitless: int) -> list[int]:
            await self._breathe(fruitless)
            return missing

        found, missing = await gather(wanted, step, self.funding_a_page, ask, doubt, HOUR, start)
        if not wanted:
            found = await ask((start, end))
        rates = [found[time] for time in sorted(found)]
        lost = truly_missing(missing, found, listed.launch if listed else None)
        if lost := [time for time in lost if time + SETTLING <= self.asker.now()]:
            raise MissingRows("funding", symbol, runs(lost, step), rates)
        return rates

    async def recent_trades(self, symbol: str, limit: int = RECENT_TRADES) -> list[Trade]:
        """The last ``limit`` trades (at most 1,000; 60 at spot) without block trades, which are agreed off the book.

        There is no way to ask for older ones, and none to see whether one is left out.
        """
        market, _ = their_name(symbol)
        limit = max(1, min(limit, RECENT_TRADES_SPOT if market == "spot" else RECENT_TRADES))
        return await self._get("recent-trade", symbol, {"limit": limit}, reading.trades_of(symbol, limit))

    async def orderbook(self, symbol: str, depth: int = 50) -> BookSnapshot:
        """The order book as it stands: ``depth`` levels a side (at most 500, 200 at spot).

        Its ``u`` counts as the deepest book on the WebSocket does, not as ``orderbook.50``.
        """
        market, _ = their_name(symbol)
        limit = max(1, min(depth, DEPTH_SPOT if market == "spot" else DEPTH))
        return await self._get("orderbook", symbol, {"limit": limit}, reading.book_of(symbol))

    async def ticker(self, symbol: str) -> Ticker:
        """The ticker as it stands."""
        return await self._get("tickers", symbol, {}, reading.ticker_of(symbol))

    async def instruments(self, symbol: str | None = None, market: str = "linear") -> list[Instrument]:
        """Everything that is traded on ``market`` (``linear`` or ``spot``) by name, or ``symbol`` alone."""
        named, theirs = their_name(symbol) if symbol else (None, "")
        market = named or market
        query: dict[str, str | int] = {"category": market}
        query |= {"symbol": theirs} if theirs else {"limit": INSTRUMENTS_A_PAGE} if market != "spot" else {}
        read = reading.instruments_of(market, theirs)
        found: dict[str, Instrument] = {}
        for _ in range(MOST_PAGES):
            page, cursor = await self.asker.get("/v5/market/instruments-info", query, read)
            found |= {one.symbol: one for one in page}
            if not cursor or theirs or not page:
                return [found[name] for name in sorted(found)]
            query["cursor"] = cursor
        raise RestError(f"Bybit's list of {market} instruments has no end after {MOST_PAGES} pages; ask for one symbol")

    async def _breathe(self, fruitless: int) -> None:
        """A growing pause before the same is asked again; none when it is not."""
        if fruitless < CONFIRM:
            await self.asker.pause(fruitless)

    async def _instrument(self, symbol: str) -> Instrument | None:
        """What is known of a symbol; None when Bybit no longer lists it, or does not say."""
        if symbol not in self._listed:
            try:
                self._listed[symbol] = next(iter(await self.instruments(symbol)), None)
            except RestError as error:
                self.asker.log.warning("bybit.instrument.unknown", symbol=symbol, problem=str(error))
                return None
        return self._listed[symbol]

    async def _kline_page(self, symbol: str, span: Span) -> dict[int, Kline]:
        """The closed candles of one answer that begin in the span, by their start. Both ends are part of the query."""
        first, last = span[0], span[1] - MINUTE
        query: Query = {
            "interval": "1",
            "start": first // 1000,
            "end": last // 1000,
            "limit": (last - first) // MINUTE + 1,
        }
        return await self._get("kline", symbol, query, reading.klines_in(symbol, span, self.asker.now()))

    async def _funding_page(self, symbol: str, span: Span) -> dict[int, Funding]:
        """The rates of one answer that were paid in the span, by when. Both ends are part of the query."""
        query = {"startTime": -(-span[0] // 1000), "endTime": (span[1] - 1) // 1000, "limit": self.funding_a_page}
        return await self._get("funding/history", symbol, query, reading.funding_in(symbol, span))

    async def _get(self, page: str, symbol: str, query: Query, read: Callable[[Answer], T]) -> T:
        """One answer about one symbol."""
        market, theirs = their_name(symbol)
        full: dict[str, Any] = {"category": market or "linear", "symbol": theirs, **query}
        return await self.asker.get(f"/v5/market/{page}", full, read)
