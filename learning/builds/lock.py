"""Who builds a dataset: a lock of the database's session, which dies with the process that holds it."""

from typing import Any
from uuid import UUID

import psycopg

TAKE = "select pg_try_advisory_lock(%s)"
RELEASE = "select pg_advisory_unlock(%s)"


def take(connection: psycopg.Connection[Any], dataset: UUID) -> bool:
    """Become the one who builds or deletes it; false while somebody else is."""
    with connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        row = cursor.execute(TAKE, [key(dataset)]).fetchone()
    return bool(row and row[0])


def release(connection: psycopg.Connection[Any], dataset: UUID) -> None:
    """Let others."""
    connection.execute(RELEASE, [key(dataset)])


def key(dataset: UUID) -> int:
    """The lock's number.

    >>> key(UUID("00000000-0000-0001-0000-000000000000"))
    1
    """
    return int.from_bytes(dataset.bytes[:8], "big", signed=True)
