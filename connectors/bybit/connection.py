"""One WebSocket connection to Bybit, kept up for as long as it is wanted."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from connectors.bybit.requests import PING, read_reply, request, topics_of
from connectors.bybit.topics import our_name
from connectors.feeds import CHANNELS, Item, Lost
from connectors.frames import Frame, market_of
from connectors.inbox import Inbox
from connectors.pace import wall_clock
from schemas.market import Channel, Gap

VENUE = "bybit"


@dataclass(frozen=True)
class Timing:
    """Patience, in seconds."""

    heartbeat: float = 20.0
    """Bybit asks for a ping this often."""
    silence: float = 30.0
    """A connection that brings nothing for so long, no pong either, is dead."""
    quiet: float = 120.0
    """One that answers pings but brings no market data for so long is as good as dead."""
    opening: float = 10.0
    """A connection must be made within this time, and once made bring its first data within it again."""
    first_pause: float = 0.5
    longest_pause: float = 30.0
    """Before the n-th attempt to reconnect: a random time up to first_pause * 2 ** n, never above longest_pause."""
    resync_interval: float = 1.0
    """A book is asked for at most this often."""


class Connection:
    """Subscribes to the channels of some symbols, and puts what comes into an inbox, stamped on arrival.

    When the connection is lost it puts ``Lost`` and, for each symbol and channel, a ``Gap`` from the last message until
    then; at the first data afterwards a second ``Gap`` that begins where the first one ends. So the log says at once
    that data are missing, and in the end exactly how long.

    Args:
        url: of the market (``wss://.../v5/public/linear``).
        conn: the connection's name, the market first (``linear``, ``linear/2``).
        symbols: the exchange's names.
        depth: of the order books.
        inbox: takes frames, gaps and losses.
        caught_up: called with our names and the time of the last message before, whenever data flow (again).
    """

    def __init__(
        self,
        url: str,
        conn: str,
        symbols: Sequence[str],
        depth: int,
        inbox: Inbox[Item],
        caught_up: Callable[[list[str], int], None],
        timing: Timing | None = None,
        clock: Callable[[], int] = wall_clock,
        rng: Random | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.url = url
        self.conn = conn
        self.names = {our_name(market_of(conn), symbol): topics_of(symbol, depth) for symbol in symbols}
        self.inbox = inbox
        self.caught_up = caught_up
        self.timing = timing or Timing()
        self.clock = clock
        self.rng = rng or Random()
        self.sleep = sleep
        self.log = structlog.get_logger().bind(venue=VENUE, conn=conn)
        self.socket: ClientConnection | None = None
        self.last = clock()
        """When the last message came; at first, when we began to listen."""
        self.lost_since: int | None = None
        """Where the gap begins that the next data end; what was missing before it is reported already."""
        self.flowing = False
        self.failures = 0
        self.asked: dict[str, float] = {}
        self.channels: tuple[Channel, ...] = CHANNELS
        self.left: dict[Channel, int] = {}
        """Since when a channel is not subscribed to."""
        self.joining: tuple[Channel, ...] = ()
        """What was subscribed to last, and not confirmed yet."""
        self.joined, self.unconfirmed = 0, 0

    async def run(self) -> None:
        """Connect, listen, and connect again, until cancelled."""
        while True:
            try:
                await self._session()
            except TimeoutError as error:
                problem = str(error) or "it brings nothing"
            except (OSError, WebSocketException) as error:
                problem = f"{type(error).__name__}: {error}"
            self._lost(problem)
            ceiling = min(self.timing.longest_pause, self.timing.first_pause * 2**self.failures)
            pause = self.rng.uniform(0.0, ceiling)
            self.failures = min(self.failures + 1, 20)
            self.log.warning("bybit.disconnected", problem=problem, retry_in=round(pause, 3), attempt=self.failures)
            await self.sleep(pause)

    async def choose(self, channels: tuple[Channel, ...]) -> None:
        """Subscribe to these channels of each symbol, and to no others."""
        now = self.clock()
        added = tuple(channel for channel in channels if channel not in self.channels)
        dropped = tuple(channel for channel in self.channels if channel not in channels)
        self.channels = channels
        self.left.update(dict.fromkeys(dropped, now))
        self.joining, self.joined, self.unconfirmed = added, now, len(self.names)
        for channel in added:
            self._gaps(self.left.pop(channel, now), now, "not subscribed to", (channel,))
        if self.socket is None:
            return
        try:
            for topics in self.names.values():
                for op, chosen in (("unsubscribe", dropped), ("subscribe", added)):
                    if chosen:
                        await self.socket.send(request(op, [topics[channel] for channel in chosen]))
        except ConnectionClosed:
            return

    async def resync(self, symbol: str) -> bool:
        """Ask for a fresh snapshot of a book (our name). False: not now, because it was just asked for, because a new
        connection, which brings one, is being made, or because books are not wanted."""
        now = asyncio.get_running_loop().time()
        recent = now - self.asked.get(symbol, -self.timing.resync_interval) < self.timing.resync_interval
        if self.socket is None or recent or "orderbook" not in self.channels:
            return False
        self.asked[symbol] = now
        topic = [self.names[symbol]["orderbook"]]
        try:
            await self.socket.send(request("unsubscribe", topic))
            await self.socket.send(request("subscribe", topic))
        except ConnectionClosed:
            return False
        return True

    async def _session(self) -> None:
        """One connection from its opening to its end.

        Raises:
            TimeoutError: when it goes silent.
            OSError, WebSocketException: when it cannot be made, or breaks.
        """
        timing = self.timing
        async with connect(
            self.url, ping_interval=None, open_timeout=timing.opening, close_timeout=1.0, max_size=2**23, max_queue=1024
        ) as socket:
            self.socket = socket
            heartbeat = asyncio.create_task(self._beat(socket))
            try:
                await self._subscribe(socket)
                await self._listen(socket)
            finally:
                self.socket = None
                heartbeat.cancel()

    async def _subscribe(self, socket: ClientConnection) -> None:
        """One request a symbol: a symbol that Bybit does not know spoils no other."""
        for topics in self.names.values():
            await socket.send(request("subscribe", [topics[channel] for channel in self.channels]))
        self.log.info("bybit.connected", url=self.url, symbols=len(self.names))

    async def _listen(self, socket: ClientConnection) -> None:
        """Receive until the connection breaks or goes silent."""
        loop = asyncio.get_running_loop()
        silence, quiet_until = self.timing.silence, 0.0
        async with asyncio.timeout(self.timing.opening) as deadline:
            while True:
                data = await socket.recv(decode=False)
                recv = self.clock()
                if self._received(recv, data):
                    quiet_until = loop.time() + self.timing.quiet
                if self.flowing:
                    deadline.reschedule(min(loop.time() + silence, quiet_until))

    async def _beat(self, socket: ClientConnection) -> None:
        """Send a ping now and then; a broken connection ends in ``_listen``."""
        while True:
            await asyncio.sleep(self.timing.heartbeat)
            try:
                await socket.send(PING)
            except ConnectionClosed:
                return

    def _received(self, recv: int, data: bytes) -> bool:
        """Pass a message on; returns whether it is market data."""
        if (reply := read_reply(data)) is None:
            if not self.flowing:
                self._flows(recv)
            self.last = recv
        elif reply.success is False:
            self.log.error("bybit.request.refused", op=reply.op, problem=reply.ret_msg)
        elif reply.op == "subscribe" and self.joining:
            self._confirmed(recv)
        self.inbox.put(Frame(VENUE, self.conn, recv, data))
        return reply is None

    def _confirmed(self, recv: int) -> None:
        """One more symbol's new channels are subscribed to: until the last one's are, trades may be missing. A book
        says itself where it begins."""
        self.unconfirmed -= 1
        if not self.unconfirmed:
            self._gaps(self.joined, recv, "subscribed to", [name for name in self.joining if name != "orderbook"])
            self.joining = ()

    def _flows(self, recv: int) -> None:
        """Data flow: for the first time, or again."""
        self.flowing = True
        self.failures = 0
        if self.lost_since is not None:
            self._gaps(self.lost_since, recv, "reconnected")
        self.lost_since = None
        self.caught_up(list(self.names), self.last)

    def _lost(self, problem: str) -> None:
        """Data stopped flowing: say so once."""
        self.joining = ()
        if not self.flowing:
            return
        self.flowing = False
        self.lost_since = max(self.clock(), self.last)
        self.inbox.put(Lost(VENUE, self.conn))
        self._gaps(self.last, self.lost_since, f"connection lost: {problem}")

    def _gaps(self, start: int, end: int, reason: str, channels: Sequence[Channel] | None = None) -> None:
        self.inbox.put(
            *(
                Gap(symbol=symbol, ts=end, recv=end, channel=channel, reason=reason, start=start, end=end)
                for symbol in self.names
                for channel in (self.channels if channels is None else channels)
            )
        )
