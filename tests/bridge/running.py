"""A bridge in a thread of the test's own process, and the services around it as small HTTP servers."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from connectors.log import Log
from connectors.log.span import span
from connectors.postgres.migrate import Migrator
from dataflows.bridge import Bridge, Parts, Status
from schemas.codec import decode_dead_letter, decode_event
from schemas.dead import DeadLetter
from schemas.topics import TOPICS

SHARDS = 2
HANGS = 60.0


def prepare(log: Log, database_url: str) -> None:
    """Topics and tables."""
    Migrator(database_url).up()
    for topic in TOPICS:
        log.create(topic.name, SHARDS, topic.cleanup)


def at_end(log: Log, topic: str, shard: int) -> int:
    return log.end(topic, shard)


def at_beginning(log: Log, topic: str, shard: int) -> int:
    return log.start(topic, shard)


@contextmanager
def running(parts: Parts, log: Log, amqp_url: str, database_url: str) -> Iterator[Bridge]:
    """A bridge, stopped at the end; what ended it before fails the test."""
    bridge = Bridge(parts, log, SHARDS, amqp_url, database_url, "test")
    ready: list[Any] = []
    results: list[Status | BaseException] = []

    async def main() -> Status:
        stop = asyncio.Event()
        ready.extend((asyncio.get_running_loop(), stop))
        return await bridge.run(stop)

    def work() -> None:
        try:
            results.append(asyncio.run(main()))
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        until(lambda: ready or results, "a bridge")
        yield bridge
    finally:
        if ready and not results:
            loop, stop = ready
            loop.call_soon_threadsafe(stop.set)
        thread.join(HANGS)
    if isinstance(results[0], BaseException):
        raise results[0]


def until(condition: Callable[[], Any], what: str, seconds: float = HANGS) -> None:
    """Wait for something; the time limit finds what hangs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"hung waiting for {what}"
        time.sleep(0.01)


def events(log: Log, *kinds: type) -> list[tuple[int, Any]]:
    """(shard, event) of ``events``, in order, of the given kinds."""
    found = []
    for shard in range(SHARDS):
        for record in span(log, "events", shard, log.start("events", shard), log.end("events", shard)):
            event = decode_event(record.value or b"")
            if not kinds or isinstance(event, kinds):
                found.append((shard, event))
    return found


def letters(log: Log) -> list[DeadLetter]:
    """What was refused."""
    end = log.end("dead-letters", 0)
    return [decode_dead_letter(record.value or b"") for record in span(log, "dead-letters", 0, 0, end)]


class Service:
    """A small HTTP server on loopback. ``answer(method, path, body)`` gives status and JSON (or text)."""

    def __init__(self, answer: Callable[[str, str, Any], tuple[int, Any]]) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.keys: list[str | None] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def answer_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                service.asked.append((self.command, self.path, body))
                service.keys.append(self.headers.get("X-API-Key"))
                status, said = answer(self.command, self.path, body)
                data = said.encode() if isinstance(said, str) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = answer_any  # noqa: N815
            do_POST = answer_any  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> "Service":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
