"""The demo exchange on loopback: Bybit's public WebSocket and its REST interface on one port."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from http import HTTPStatus
from random import Random
from types import TracebackType

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from connectors.demo.control import problem_with, read_request, reply
from connectors.demo.exchange_history.faults import Reply, RestFaults
from connectors.demo.exchange_history.lived import Lived
from connectors.demo.exchange_history.server import Desk
from connectors.demo.faults import FaultRates, Faults
from connectors.demo.market import CONN, VENUE, Market
from connectors.demo.symbol import Message
from connectors.frames import Frame

WS_PATH = "/v5/public/linear"
_LONGEST_NAP = 0.05


def wall_clock() -> int:
    """Microseconds UTC."""
    return time.time_ns() // 1000


class Client:
    """One connection: what it subscribed to, and the faults between it and the exchange."""

    def __init__(self, socket: ServerConnection, number: int, faults: Faults) -> None:
        self.socket = socket
        self.conn_id = f"demo-{number}"
        self.faults = faults
        self.topics: set[str] = set()

    def send(self, data: bytes) -> None:
        """Send a message unless the connection is closed. Bytes that are no text go as a binary message."""
        try:
            broadcast([self.socket], data.decode())
        except UnicodeDecodeError:
            broadcast([self.socket], data)

    def publish(self, data: bytes, now: int) -> None:
        """Send market data through the faults."""
        for frame in self.faults.feed(Frame(VENUE, CONN, now, data)):
            self.send(frame.data)


class DemoServer:
    """Serves a ``Market`` that runs by the wall clock, from the moment at which the server starts.

    Use it as an asynchronous context manager; ``ws_url`` and ``rest_url`` say where it is.

    Args:
        symbols: what is listed.
        seed: of the market and of the faults.
        rates: faults of the market data of each connection.
        drop_rate: probability, per market data message, that its connection breaks.
        rest_faults: what goes wrong with REST answers.
        rate: how often things happen (1: about 35 messages a second and symbol).
        port: 0 takes a free one.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        seed: int = 1,
        *,
        rates: FaultRates | None = None,
        drop_rate: float = 0.0,
        rest_faults: RestFaults | None = None,
        rate: float = 1.0,
        depth: int = 50,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        self.seed = seed
        self.rates = rates or FaultRates()
        self.drop_rate = drop_rate
        self.host, self.port = host, port
        self.clock = clock
        self.market = Market(symbols, seed, clock(), rate, depth)
        self.rng = Random(f"{seed}/server")
        self.topics = {topic for symbol in self.market.symbols.values() for topic in symbol.wire.topics}
        self.clients: dict[ServerConnection, Client] = {}
        self.accepted = 0
        self.pings = 0
        self.answer_pings = True
        self.silent_until = 0
        self.desk = Desk(Lived(self.market, clock), rest_faults)
        self._server: Server | None = None
        self._clockwork: asyncio.Task[None] | None = None

    @property
    def ws_url(self) -> str:
        """Where subscribers connect, up to the market's name."""
        return f"ws://{self.host}:{self.port}/v5/public"

    @property
    def rest_url(self) -> str:
        """Where the REST interface is."""
        return f"http://{self.host}:{self.port}"

    @property
    def refuse(self) -> deque[int]:
        """HTTP statuses with which the next requests are refused, WebSocket handshakes included."""
        return self.desk.refuse

    @property
    def requests(self) -> list[str]:
        """Paths of the HTTP requests so far."""
        return self.desk.requests

    async def __aenter__(self) -> "DemoServer":
        self._server = await serve(
            self._talk, self.host, self.port, process_request=self._http, compression=None, ping_interval=None
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._clockwork = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server and self._clockwork
        self._clockwork.cancel()
        self.drop()
        self._server.close()
        await self._server.wait_closed()

    def drop(self) -> None:
        """Break every connection, without a goodbye."""
        for client in self.clients.values():
            client.socket.transport.abort()

    def stall(self, seconds: float) -> None:
        """Say nothing to anybody for a while: market data of that time are lost, requests go unanswered."""
        self.silent_until = self.clock() + int(seconds * 1e6)

    @property
    def stalled(self) -> bool:
        """Whether the server says nothing at the moment."""
        return self.clock() < self.silent_until

    async def _run(self) -> None:
        """Let the market happen when it is due."""
        while True:
            while self.market.due <= self.clock():
                self._publish(self.market.step())
            wait = (self.market.due - self.clock()) / 1e6
            await asyncio.sleep(min(_LONGEST_NAP, max(0.0, wait)))

    def _publish(self, messages: list[Message]) -> None:
        if self.stalled:
            return
        now = self.clock()
        for topic, data in messages:
            for client in self.clients.values():
                if topic not in client.topics:
                    continue
                client.publish(data, now)
                if self.drop_rate and self.rng.random() < self.drop_rate:
                    client.socket.transport.abort()

    async def _talk(self, socket: ServerConnection) -> None:
        """Serve one connection until it closes."""
        self.accepted += 1
        client = Client(socket, self.accepted, Faults(self.rates, self.seed + self.accepted))
        self.clients[socket] = client
        try:
            async for message in socket:
                self._obey(client, message)
        except ConnectionClosed:
            pass
        finally:
            del self.clients[socket]

    def _obey(self, client: Client, message: str | bytes) -> None:
        """Do what the client asks, acknowledge it, and send the snapshots of what is new."""
        request = read_request(message)
        if request is None or self.stalled:
            return
        if request.op == "ping":
            self.pings += 1
            if not self.answer_pings:
                return
        problem = problem_with(request, self.topics, client.topics)
        client.send(reply(request, client.conn_id, problem))
        if problem:
            return
        if request.op == "unsubscribe":
            client.topics -= set(request.args)
        elif request.op == "subscribe":
            client.topics |= set(request.args)
            for symbol in self.market.symbols.values():
                for topic, data in symbol.snapshots():
                    if topic in request.args:
                        client.publish(data, self.clock())

    async def _http(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer plain HTTP here; let WebSocket handshakes through."""
        if request.path.split("?")[0] == WS_PATH:
            return _sent(Reply(b"{}", HTTPStatus(self.refuse.popleft()))) if self.refuse else None
        reply = self.desk.reply(request.path)
        await asyncio.sleep(reply.delay)
        if reply.cut is not None:
            connection.transport.abort()
        return _sent(reply)


def _sent(reply: Reply) -> Response:
    headers = Headers(
        [("Content-Type", "application/json"), ("Content-Length", str(len(reply.data))), ("Connection", "close")]
    )
    headers.update(reply.headers)
    return Response(reply.status.value, reply.status.phrase, headers, reply.data)
