"""Rows and how far the log was read, written together: each record reaches its tables exactly once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg.types.json import Jsonb

from connectors.postgres.columns import Row
from connectors.postgres.lease import LINK

Shard = tuple[str, int]
"""A topic and one of its shards."""

PLACES = "select topic, shard, position, last_offset, last_checksum, state from read_positions where log = %s"
OTHERS = "select distinct log from read_positions where log <> %s order by log"
BEGIN = """
insert into read_positions (log, topic, shard, position, last_offset, last_checksum, state)
values (%(log)s, %(topic)s, %(shard)s, %(position)s, %(offset)s, %(checksum)s, %(state)s) on conflict do nothing
"""
GO_ON = """
update read_positions
set position = %(position)s, last_offset = %(offset)s, last_checksum = %(checksum)s, state = %(state)s,
    updated_at = now() at time zone 'utc'
where log = %(log)s and topic = %(topic)s and shard = %(shard)s and position = %(before)s
"""
REFUSE = """
insert into refused_records (log, topic, shard, "offset", reason, value)
values (%(log)s, %(topic)s, %(shard)s, %(offset)s, %(reason)s, %(value)s) on conflict do nothing
"""
REJECTED = (psycopg.DataError, psycopg.IntegrityError)
"""What a table does not take: too long, too large, against a constraint."""
AWAY = (psycopg.OperationalError, psycopg.InterfaceError)
"""What a database that is away raises; trying again may help."""


class SecondWriter(Exception):
    """Somebody else moved the position of a shard that is ours; nothing was written."""


class Place(NamedTuple):
    """How far a shard was read: ``position`` is the next offset, ``last`` offset and CRC-32 of the record before it.

    ``state`` is what the flow must know to go on there.
    """

    position: int
    last: tuple[int, int] | None = None
    state: dict[str, Any] | None = None


class Taken(NamedTuple):
    """What one record of the log became. ``refused`` says why it became nothing that can be stored."""

    shard: Shard
    offset: int
    value: bytes | None
    rows: list[Row]
    refused: str | None = None


class Stored:
    """The tables of one database as the goal of one log, named ``log``. Connects when it is needed; one thread."""

    def __init__(self, url: str, log: str) -> None:
        self.url = url
        self.log = log
        self._connection: psycopg.Connection | None = None

    def places(self) -> dict[Shard, Place]:
        """How far each shard was stored."""
        with self._open().transaction():
            rows = self._open().execute(PLACES, [self.log]).fetchall()
        return {
            (topic, shard): Place(position, None if offset is None else (offset, checksum), state)
            for topic, shard, position, offset, checksum, state in rows
        }

    def others(self) -> list[str]:
        """The other logs whose records are in these tables."""
        return [name for (name,) in self._open().execute(OTHERS, [self.log]).fetchall()]

    def commit(self, taken: Sequence[Taken], moves: Mapping[Shard, tuple[Place | None, Place]]) -> list[Taken]:
        """Write rows and places (before, after) in one transaction; returns the records that no table took.

        Those are kept in ``refused_records`` with the reason, in the same transaction.

        Raises:
            SecondWriter: when a place is not where we left it.
            psycopg.Error: of ``AWAY`` when the database is; nothing was written, or the answer was lost and all was:
                ``places`` tells.
        """
        connection = self._open()
        try:
            with connection.transaction():
                self._move(connection, moves)
                self._write(connection, taken)
                return self._refuse(connection, [one for one in taken if one.refused])
        except REJECTED:
            with connection.transaction():
                self._move(connection, moves)
                return self._refuse(connection, [self._write_alone(connection, one) for one in taken])

    def connection(self) -> psycopg.Connection:
        """The connection, for what concerns neither rows nor places. Each statement is a transaction of its own."""
        return self._open()

    def close(self) -> None:
        """Let go of the connection; the next call makes a new one."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _open(self) -> psycopg.Connection:
        if self._connection is None:
            options: dict[str, Any] = {**LINK, "options": f"{LINK['options']} -c timezone=UTC"}
            self._connection = psycopg.connect(
                self.url, autocommit=True, application_name="lockstep persist", **options
            )
        return self._connection

    def _move(self, connection: psycopg.Connection, moves: Mapping[Shard, tuple[Place | None, Place]]) -> None:
        for (topic, shard), (before, after) in moves.items():
            offset, checksum = after.last or (None, None)
            params = {
                "log": self.log,
                "topic": topic,
                "shard": shard,
                "position": after.position,
                "offset": offset,
                "checksum": checksum,
                "state": Jsonb(after.state or {}),
                "before": before and before.position,
            }
            if connection.execute(GO_ON if before else BEGIN, params).rowcount != 1:
                raise SecondWriter(
                    f"{topic}/{shard}: its position in read_positions is not where this process left it: another one"
                    " stores the same log; stop one of them"
                )

    def _write(self, connection: psycopg.Connection, taken: Iterable[Taken]) -> None:
        """In the order of the log, without waiting for each row."""
        with connection.pipeline(), connection.cursor() as cursor:
            for one in taken:
                for row in one.rows:
                    cursor.execute(row.statement, row.params)

    def _write_alone(self, connection: psycopg.Connection, one: Taken) -> Taken:
        """Write what became of one record, or find out why the tables refuse it."""
        try:
            with connection.transaction():
                for row in one.rows:
                    connection.execute(row.statement, row.params)
        except REJECTED as error:
            return one._replace(refused=str(error).strip().splitlines()[0])
        return one

    def _refuse(self, connection: psycopg.Connection, taken: Iterable[Taken]) -> list[Taken]:
        refused = [one for one in taken if one.refused]
        for one in refused:
            (topic, shard), offset, value, _, reason = one
            params = {"log": self.log, "topic": topic, "shard": shard, "offset": offset}
            connection.execute(REFUSE, {**params, "reason": reason, "value": value})
        return refused
