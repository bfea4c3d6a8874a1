"""Values as the tables want them: naive UTC times, exact decimals, JSON."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, LiteralString, NamedTuple

import msgspec
from psycopg.types.json import Jsonb

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the columns are without zone and hold UTC


class Row(NamedTuple):
    """One row on its way into a table: the statement that writes it, and its parameters."""

    statement: LiteralString
    params: dict[str, Any]


def moment(microseconds: int) -> datetime:
    """A time in microseconds UTC as the columns hold it: UTC without a zone.

    >>> moment(1_741_079_704_250_000).isoformat()
    '2025-03-04T09:15:04.250000'
    """
    return EPOCH + timedelta(microseconds=microseconds)


def decimal(number: float) -> Decimal:
    """The shortest decimal that stands for the number; PostgreSQL rounds it to the places of its column.

    >>> decimal(0.1), decimal(1e-9)
    (Decimal('0.1'), Decimal('1E-9'))
    """
    return Decimal(repr(float(number)))


def json(data: Any) -> Jsonb:
    """Anything that msgspec can encode as a ``jsonb`` value."""
    return Jsonb(msgspec.to_builtins(data))


def upsert(table: LiteralString, key: LiteralString, columns: tuple[LiteralString, ...]) -> LiteralString:
    """A statement that inserts a row, or gives the row of the same ``key`` its values.

    >>> upsert("position", "asset", ("asset", "size"))
    'insert into position (asset, size) values (%(asset)s, %(size)s) on conflict (asset) do update set
     size = excluded.size'
    """
    names = ", ".join(columns)
    values = ", ".join(["%(" + column + ")s" for column in columns])
    changes = ", ".join([column + " = excluded." + column for column in columns if column != key])
    return f"insert into {table} ({names}) values ({values}) on conflict ({key}) do update set {changes}"
