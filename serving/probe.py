"""Checks of what we depend on, each in a thread of its own: a health answer never waits for a database that is away."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import psycopg

EVERY = 2.0
LATE = 10.0
"""Seconds after which a check that does not return counts as failed."""


@dataclass(frozen=True)
class Finding:
    """What a check found; ``seconds`` is how long it took."""

    ok: bool
    detail: str
    seconds: float | None = None


class Probe:
    """Runs ``check`` every two seconds and remembers what it said. ``check`` returns a detail or raises."""

    def __init__(self, name: str, check: Callable[[], str], every: float = EVERY, late: float = LATE) -> None:
        self.name = name
        self.check = check
        self._every, self._late = every, late
        self._finding = Finding(False, "not checked yet")
        self._returned = time.monotonic()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def finding(self) -> Finding:
        """The last finding, at once."""
        silent = time.monotonic() - self._returned
        if silent > self._every + self._late:
            return Finding(False, f"no answer for {silent:.0f} s")
        return self._finding

    def start(self) -> "Probe":
        self._thread = threading.Thread(target=self._run, name=f"probe {self.name}", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop checking; a check that hangs is left behind."""
        self._stopped.set()
        if self._thread:
            self._thread.join(1.0)

    def _run(self) -> None:
        while not self._stopped.is_set():
            started = time.monotonic()
            try:
                detail, ok = self.check(), True
            except Exception as error:
                detail, ok = str(error).strip() or type(error).__name__, False
            self._returned = time.monotonic()
            self._finding = Finding(ok, detail, self._returned - started)
            self._stopped.wait(self._every)


class DatabaseCheck:
    """Whether PostgreSQL answers a query on a connection that is kept open."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection | None = None

    def __call__(self) -> str:
        try:
            if not self._connection:
                self._connection = psycopg.connect(
                    self._url,
                    autocommit=True,
                    connect_timeout=3,
                    tcp_user_timeout=5000,
                    application_name="lockstep api",
                    options="-c statement_timeout=3000",
                )
            self._connection.execute("select 1")
        except psycopg.Error:
            if self._connection:
                with suppress(psycopg.Error):
                    self._connection.close()
            self._connection = None
            raise
        return "answers"


class PeerCheck:
    """Whether another service answers ``/health`` with 200; ``url`` such as ``http://host:4800``."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self) -> str:
        with httpx.Client(timeout=3.0) as client:
            answer = client.get(f"{self._url}/health")
        if answer.status_code != 200:
            raise ConnectionError(f"{self._url}/health answered {answer.status_code}")
        return "answers"


class QueueCheck:
    """Whether an AMQP 0-9-1 broker greets us: the address is reachable and the right thing listens there."""

    GREETING = b"AMQP\x00\x00\x09\x01"
    START = bytes([1, 0, 0])
    """A method frame on channel 0, which carries Connection.Start."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._tls = parts.scheme == "amqps"
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (5671 if self._tls else 5672)

    def __call__(self) -> str:
        with socket.create_connection((self._host, self._port), timeout=3) as plain:
            if self._tls:
                with ssl.create_default_context().wrap_socket(plain, server_hostname=self._host) as secure:
                    return self._greet(secure)
            return self._greet(plain)

    def _greet(self, link: socket.socket) -> str:
        link.sendall(self.GREETING)
        answer = link.recv(7)
        if not answer.startswith(self.START):
            raise ConnectionError(f"{self._host}:{self._port} does not speak AMQP 0-9-1, it said {answer!r}")
        return "answers"
