"""History from PostgreSQL: few connections, short questions, and a clear answer when it is away."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from queue import Empty, LifoQueue
from threading import BoundedSemaphore
from typing import Annotated, Any, LiteralString

import psycopg
import structlog
from fastapi import Depends, FastAPI, Request
from psycopg.rows import dict_row
from starlette.responses import JSONResponse

from serving.errors import error
from serving.trace import trace_of

LOGGER = structlog.get_logger()
AT_ONCE = 8
WAIT = 2.0
"""Seconds to wait for one of our connections."""
LONGEST = 10_000
"""Milliseconds after which the database gives a question up."""


class DatabaseAway(Exception):
    """History cannot be read now; the message says why."""


class Database:
    """Answers questions in one database. Connections are made when they are needed and kept; safe between threads."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: LifoQueue[psycopg.Connection[dict[str, Any]]] = LifoQueue()
        self._slots = BoundedSemaphore(AT_ONCE)

    def rows(self, query: LiteralString, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """What a question gives, each row by column.

        Raises:
            DatabaseAway: when it cannot be answered now, or lacks a table.
        """
        try:
            with self._connection() as connection:
                return connection.execute(query, params).fetchall()
        except psycopg.errors.UndefinedTable as problem:
            raise DatabaseAway(f"{str(problem).splitlines()[0]}: run lockstep migrate up") from problem
        except psycopg.Error as problem:
            raise DatabaseAway(str(problem).strip().splitlines()[0]) from problem

    @contextmanager
    def writing(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """A connection in a transaction that may write; it is undone when the block raises.

        Raises:
            DatabaseAway: when it cannot be done now, or a table is missing.
        """
        try:
            with self._connection() as connection, connection.transaction():
                connection.execute("set transaction read write")
                yield connection
        except psycopg.errors.UndefinedTable as problem:
            raise DatabaseAway(f"{str(problem).splitlines()[0]}: run lockstep migrate up") from problem
        except psycopg.OperationalError as problem:
            raise DatabaseAway(str(problem).strip().splitlines()[0]) from problem

    def close(self) -> None:
        """Close what is idle."""
        while connection := self._take():
            connection.close()

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """One that answers: a kept one may have died since."""
        if not self._slots.acquire(timeout=WAIT):
            raise DatabaseAway(f"all {AT_ONCE} connections are in use for {WAIT:.0f} s")
        try:
            connection = self._alive() or self._connect()
            try:
                yield connection
            finally:
                if connection.broken or connection.closed:
                    connection.close()
                else:
                    self._idle.put(connection)
        finally:
            self._slots.release()

    def _alive(self) -> psycopg.Connection[dict[str, Any]] | None:
        while connection := self._take():
            try:
                connection.execute("select 1")
                return connection
            except psycopg.Error:
                connection.close()
        return None

    def _take(self) -> psycopg.Connection[dict[str, Any]] | None:
        try:
            return self._idle.get_nowait()
        except Empty:
            return None

    def _connect(self) -> psycopg.Connection[dict[str, Any]]:
        return psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=3,
            tcp_user_timeout=5000,
            application_name="lockstep api",
            options=f"-c statement_timeout={LONGEST} -c timezone=UTC -c default_transaction_read_only=on",
            row_factory=dict_row,
        )


def add_away_answer(app: FastAPI) -> None:
    """Answer 503 where history is asked for and the database is away."""

    @app.exception_handler(DatabaseAway)
    async def away(request: Request, problem: DatabaseAway) -> JSONResponse:
        LOGGER.warning("api.database_away", path=request.url.path, error=str(problem))
        return error(503, f"the database is away, so there is no history now: {problem}", trace_of(request.scope))


def database_of(request: Request) -> Database:
    """The database of the application that answers."""
    database: Database = request.app.state.database
    return database


History = Annotated[Database, Depends(database_of)]
