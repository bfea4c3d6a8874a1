"""ws-gateway's table ``account_balances``: the newest row of each coin."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import dict_row

from connectors.peers.times import of_datetime
from connectors.peers.values import number, text
from schemas.account import BalanceEvent

SOURCE = "account_balances"
QUERY = """
select distinct on (coin) coin, available_balance, wallet_balance, received_at, trace_id
from account_balances where received_at >= %s order by coin, received_at desc
"""


class Rows(NamedTuple):
    """The newest row of each coin, and the database's clock, in microseconds UTC."""

    rows: list[dict[str, Any]]
    now: int


def read_balances(connection: psycopg.Connection, since: int = 0) -> Rows:
    """The newest row of each coin that was received at or after ``since`` (microseconds UTC).

    Raises:
        psycopg.Error: when the table is not there, or not as it should be.
    """
    moment = datetime.fromtimestamp(since / 1e6, UTC).replace(tzinfo=None)
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(QUERY, [moment]).fetchall()
        now = cursor.execute("select now() at time zone 'utc' as now").fetchone()
    assert now is not None, "now() gives a row"
    for row in rows:
        row["received_at"] = of_datetime(row["received_at"])
    return Rows(rows, of_datetime(now["now"]))


def balance_event(row: Mapping[str, Any], recv: int) -> BalanceEvent:
    """The event of a row; ``ts`` is when the gateway received it.

    Raises:
        ValueError: when what it holds cannot be read.
    """
    return BalanceEvent(
        str(row["coin"]).upper(),
        row["received_at"],
        recv,
        max(0.0, number(row["available_balance"], "available_balance")),
        max(0.0, number(row["wallet_balance"], "wallet_balance")),
        trace_id=text(row["trace_id"]),
        source=SOURCE,
    )
