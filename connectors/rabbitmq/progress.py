"""How far the bridge came, kept in PostgreSQL: another machine may go on where this one stopped."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg
import structlog

from connectors.postgres.lease import LINK
from connectors.rabbitmq.link import Backoff

ALIVE = "alive"
"""The name of the last sign of life; its position is a time in microseconds UTC."""
SAVE = """
insert into bridge_positions (log, name, shard, position) values (%s, %s, %s, %s)
on conflict (log, name, shard) do update
    set position = excluded.position, updated_at = now() at time zone 'utc'
"""
SAVE_ORDER = """
insert into bridge_orders (log, order_id, signal_id, said, final) values (%s, %s, %s, %s, %s)
on conflict (log, order_id) do update
    set said = excluded.said, final = excluded.final, updated_at = now() at time zone 'utc'
"""
ORDERS = """
select order_id, said, final from bridge_orders
where log = %s and (not final or updated_at > now() at time zone 'utc' - interval '3 days')
"""

T = TypeVar("T")


class Database:
    """One connection to PostgreSQL in a thread of its own, so that nobody waits in the event loop. Statements run one
    after another; while the database is away they are tried again, without an end."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self.name = name
        self.away = False
        self._connection: psycopg.Connection | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def patiently(self, act: Callable[[psycopg.Connection], T]) -> T:
        """Do it as soon as the database allows."""
        backoff = Backoff(first=0.1, longest=5.0)
        while True:
            try:
                return await self.once(act)
            except psycopg.OperationalError as error:
                if not self.away:
                    problem = str(error).strip()
                    structlog.get_logger().warning("bridge.database_away", reader=self.name, problem=problem)
                self.away = True
            await asyncio.sleep(backoff.next())

    async def once(self, act: Callable[[psycopg.Connection], T]) -> T:
        """Do it now.

        Raises:
            psycopg.OperationalError: when the database is away.
        """
        done = await asyncio.get_running_loop().run_in_executor(self._thread, self._act, act)
        self.away = False
        return done

    def close(self) -> None:
        """Let go."""
        self._thread.shutdown(wait=True)
        self._drop()

    def _act(self, act: Callable[[psycopg.Connection], T]) -> T:
        try:
            if self._connection is None:
                self._connection = psycopg.connect(
                    self.url, autocommit=True, application_name=f"lockstep {self.name}", **LINK
                )
            return act(self._connection)
        except psycopg.OperationalError:
            self._drop()
            raise

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Progress:
    """Positions of one log in the table ``bridge_positions``, and what it was told of orders in ``bridge_orders``."""

    def __init__(self, database: Database, log: str) -> None:
        self.database = database
        self.log = log

    async def positions(self, name: str) -> dict[int, int]:
        """Position by shard."""
        query = "select shard, position from bridge_positions where log = %s and name = %s"
        rows: list[Any] = await self.database.patiently(
            lambda connection: connection.execute(query, [self.log, name]).fetchall()
        )
        return dict(rows)

    async def save(self, name: str, positions: dict[int, int]) -> None:
        """Keep positions by shard; back when they are safe."""
        rows = [(self.log, name, shard, position) for shard, position in positions.items()]
        await self.database.patiently(lambda connection: _many(connection, SAVE, rows))

    async def orders(self) -> dict[str, tuple[str, bool]]:
        """What the log was last told of each order, and whether that was its end; not of those that ended long ago."""
        rows: list[Any] = await self.database.patiently(
            lambda connection: connection.execute(ORDERS, [self.log]).fetchall()
        )
        return {order: (said, final) for order, said, final in rows}

    async def save_orders(self, rows: Iterable[tuple[str, str, str, bool]]) -> None:
        """Keep (order id, signal id, what was said, whether it was the end)."""
        values = [(self.log, *row) for row in rows]
        await self.database.patiently(lambda connection: _many(connection, SAVE_ORDER, values))


def _many(connection: psycopg.Connection, query: str, rows: list[Any]) -> None:
    if not rows:
        return
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(query, rows)  # type: ignore[arg-type]
