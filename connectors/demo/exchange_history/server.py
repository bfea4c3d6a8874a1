"""The stand-in on loopback: Bybit's REST interface over plain HTTP, with whatever faults one likes."""

import asyncio
from collections import deque
from http import HTTPStatus
from types import TracebackType

import msgspec

from connectors.demo.exchange_history.answers import answer
from connectors.demo.exchange_history.faults import Reply, RestFaults
from connectors.demo.exchange_history.truth import Truth

_LONGEST_REQUEST = 64 * 1024


class Desk:
    """Answers GETs from a truth, through faults; ``requests`` are the paths so far.

    ``refuse`` holds HTTP statuses with which the next requests are refused.
    """

    def __init__(self, truth: Truth, faults: RestFaults | None = None) -> None:
        self.truth = truth
        self.faults = faults or RestFaults()
        self.requests: list[str] = []
        self.refuse: deque[int] = deque()

    def reply(self, path: str) -> Reply:
        """What goes back for a GET of ``path``, with its query."""
        self.requests.append(path)
        if self.refuse:
            return Reply(msgspec.json.encode({"retMsg": "refused"}), HTTPStatus(self.refuse.popleft()))
        found = answer(self.truth, path)
        return Reply(b"{}", HTTPStatus.NOT_FOUND) if found is None else self.faults.reply(found, self.truth.now())


class HistoryServer:
    """Serves a ``Desk``. Use it as an asynchronous context manager; ``rest_url`` says where it is.

    Args:
        truth: what the exchange knows; ``connectors.demo.exchange_history.truth`` says it as events, for comparison.
        faults: what goes wrong; by default nothing.
        port: 0 takes a free one.
    """

    def __init__(
        self, truth: Truth, faults: RestFaults | None = None, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.desk = Desk(truth, faults)
        self.host, self.port = host, port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def truth(self) -> Truth:
        """What the exchange knows."""
        return self.desk.truth

    @property
    def rest_url(self) -> str:
        """Where it is."""
        return f"http://{self.host}:{self.port}"

    async def __aenter__(self) -> "HistoryServer":
        self._server = await asyncio.start_server(self._accept, self.host, self.port, limit=_LONGEST_REQUEST)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        try:
            while path := await _request(reader):
                reply = self.desk.reply(path)
                await asyncio.sleep(reply.delay)
                if not _write(writer, reply):
                    break
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.transport.abort() if writer.transport.is_closing() else writer.close()


async def _request(reader: asyncio.StreamReader) -> str:
    """The path of the next request; empty when there is none, or when it is no GET."""
    head = await reader.readuntil(b"\r\n\r\n")
    method, _, rest = head.partition(b" ")
    return rest.partition(b" ")[0].decode("ascii", "replace") if method == b"GET" else ""


def _write(writer: asyncio.StreamWriter, reply: Reply) -> bool:
    """Send it; whether the connection still stands."""
    if reply.cut == 0:
        writer.transport.abort()
        return False
    lines = [f"HTTP/1.1 {reply.status.value} {reply.status.phrase}", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(reply.data)}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + reply.data[: reply.cut])
    return reply.cut is None
