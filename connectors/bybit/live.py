"""Bybit live: every channel of some symbols over as many connections as it takes, without a hole that is not known."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import structlog
from msgspec import structs

from connectors.bybit.connection import Connection, Timing
from connectors.bybit.errors import MissingRows, RestError
from connectors.bybit.market import BybitMarket
from connectors.bybit.place import PLACES
from connectors.bybit.requests import share_out
from connectors.bybit.topics import their_name
from connectors.feeds import CHANNELS, Item
from connectors.inbox import Inbox
from connectors.pace import wall_clock
from schemas.market import Channel, Kline

TOPICS_A_CONNECTION = 100
_MINUTE = 60_000_000
_SECOND = 1_000_000
_AT_ONCE = 4
CANDLES = 1_500
"""Closed candles of each symbol that are fetched to begin with."""


class BybitFeed:
    """A live feed of Bybit's public streams; no key is needed.

    Args:
        symbols: our names (``BTCUSDT``, ``BTCUSDT-SPOT``).
        depth: of the order books: 1, 50, 200 or 1000.
        url: of the WebSocket, up to the market's name.
        rest_url: of the REST interface.
        topics_a_connection: where to begin another connection.
    """

    live = True

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        depth: int = 50,
        url: str = PLACES["mainnet"].websocket,
        rest_url: str = PLACES["mainnet"].rest,
        topics_a_connection: int = TOPICS_A_CONNECTION,
        timing: Timing | None = None,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        if not symbols:
            raise ValueError("the Bybit feed needs at least one symbol, for instance BTCUSDT")
        self.symbols: Sequence[str] | None = list(symbols)
        self.clock = clock
        self.rest_url = rest_url
        self.inbox: Inbox[Item] = Inbox()
        self.connections: list[Connection] = []
        self.channels: tuple[Channel, ...] = CHANNELS
        self.catching_up: set[asyncio.Task[None]] = set()
        self.log = structlog.get_logger().bind(venue="bybit")
        for market, names in _by_market(symbols).items():
            for number, share in enumerate(share_out(names, depth, topics_a_connection), start=1):
                conn = market if number == 1 else f"{market}/{number}"
                self.connections.append(
                    Connection(f"{url}/{market}", conn, share, depth, self.inbox, self._caught_up, timing, clock)
                )

    async def history(self) -> list[Kline]:
        """The last 1,500 closed candles of each symbol. A symbol whose candles cannot be had is logged and left out:
        live data are worth having without them."""
        names = [name for connection in self.connections for name in connection.names]
        return await self._klines(names, 0)

    def resume(self, since: int) -> None:
        """The first data of each connection end a gap that begins here."""
        for connection in self.connections:
            connection.lost_since = since

    async def choose(self, channels: frozenset[Channel]) -> None:
        """Subscribe to these channels, and to no others; candles begin with their history."""
        chosen = tuple(channel for channel in CHANNELS if channel in channels)
        added = set(chosen) - set(self.channels)
        self.channels = chosen
        for connection in self.connections:
            await connection.choose(chosen)
            if "kline" in added and connection.flowing:
                self._caught_up(list(connection.names), 0)
        self.log.info("bybit.channels", chosen=list(chosen))

    async def batches(self) -> AsyncIterator[list[Item]]:
        """What came, at least once a second; closing the iterator closes the connections."""
        tasks = [asyncio.create_task(connection.run()) for connection in self.connections]
        try:
            while True:
                to_next_second = (_SECOND - self.clock() % _SECOND) / 1e6
                batch = await self.inbox.take(to_next_second)
                _raise_failures(tasks)
                yield batch
        finally:
            tasks += self.catching_up
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def resync(self, symbol: str) -> None:
        """Subscribe to the symbol's book anew: Bybit then sends it whole."""
        for connection in self.connections:
            if symbol in connection.names:
                asked = await connection.resync(symbol)
                self.log.info("bybit.resync", symbol=symbol, asked=asked)

    def _caught_up(self, symbols: list[str], since: int) -> None:
        """Data flow: fetch the candles that closed in the meantime, beside the stream."""
        if "kline" not in self.channels:
            return
        task = asyncio.create_task(self._catch_up(symbols, max(0, since // _MINUTE * _MINUTE - _MINUTE)))
        self.catching_up.add(task)
        task.add_done_callback(self.catching_up.discard)

    async def _catch_up(self, symbols: list[str], since: int) -> None:
        self.inbox.put(*await self._klines(symbols, since))

    async def _klines(self, symbols: Sequence[str], since: int) -> list[Kline]:
        """Closed candles of several symbols, a few symbols at a time, received now; none when nobody answers."""
        turn = asyncio.Semaphore(_AT_ONCE)
        async with BybitMarket(self.rest_url, clock=self.clock) as market:
            try:
                await market.now()
            except RestError as error:
                self.log.error("bybit.klines.missing", symbols=len(symbols), problem=str(error))
                return []

            async def one(symbol: str) -> list[Kline]:
                async with turn:
                    return await self._candles(market, symbol, since)

            found = await asyncio.gather(*(one(symbol) for symbol in symbols))
        now = self.clock()
        return [structs.replace(kline, recv=now) for klines in found for kline in klines]

    async def _candles(self, market: BybitMarket, symbol: str, since: int) -> list[Kline]:
        """What can be had of one symbol's candles."""
        try:
            return await market.recent_klines(symbol, CANDLES, since)
        except RestError as error:
            self.log.error("bybit.klines.missing", symbol=symbol, problem=str(error))
            return (
                [event for event in error.found if isinstance(event, Kline)] if isinstance(error, MissingRows) else []
            )


def _by_market(symbols: Sequence[str]) -> dict[str, list[str]]:
    """The exchange's names by market; each symbol once."""
    markets: dict[str, list[str]] = {}
    for symbol in dict.fromkeys(symbols):
        market, name = their_name(symbol)
        markets.setdefault(market or "linear", []).append(name)
    return markets


def _raise_failures(tasks: Sequence[asyncio.Task[None]]) -> None:
    """A connection never ends by itself: when one does, a mistake of ours ended it."""
    for task in tasks:
        if task.done():
            task.result()
