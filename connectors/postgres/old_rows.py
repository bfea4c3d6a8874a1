"""Old rows of the tables that grow with every second."""

from datetime import timedelta
from typing import LiteralString

import psycopg

GROWING: tuple[LiteralString, ...] = ("decisions", "predictions", "quality_records", "data_quality_metrics")
"""Tables with ``id`` and ``created_at`` of which only the newest days are kept."""
AT_ONCE = 5_000
"""Rows that one statement removes: it is over before anybody waits for it."""


def prune(connection: psycopg.Connection, days: float, tables: tuple[LiteralString, ...] = GROWING) -> dict[str, int]:
    """Remove what was stored more than ``days`` days ago, a part at a time; how many rows of which tables are gone.

    Counted from when a row was written, not from the log's time: a recorded session would be gone at once.
    """
    return {table: gone for table in tables if (gone := _prune(connection, table, days))}


def _prune(connection: psycopg.Connection, table: LiteralString, days: float) -> int:
    old = "select id from " + table + " where created_at < (now() at time zone 'utc') - %(age)s limit %(most)s"
    gone, full = 0, True
    while full:
        query = "delete from " + table + " where id in (" + old + ")"
        removed = connection.execute(query, {"age": timedelta(days=days), "most": AT_ONCE}).rowcount
        gone, full = gone + removed, removed == AT_ONCE
    return gone
