"""The table ``backfill_jobs``: what was asked for, and how far it is."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from connectors.history.kinds import RawType
from learning.backfill.asked import Wanted

COLUMNS: LiteralString = (
    "id, symbol, start_date, end_date, data_types, refused, status, cancelled, wanted, asked_by, completed_dates,"
    " failed_dates, at_date, rows_saved, created_at, started_at, ended_at, error_message"
)
INSERT = """
insert into backfill_jobs (id, symbol, start_date, end_date, data_types, refused, asked_by, trace_id)
values (%(id)s, %(symbol)s, %(start)s, %(end)s, %(types)s, %(refused)s, %(by)s, %(trace)s)
"""
ONE = "select " + COLUMNS + " from backfill_jobs where id = %s"
OPEN = "select " + COLUMNS + " from backfill_jobs where status in ('pending', 'in_progress') order by created_at, id"
LISTED = (
    "select "
    + COLUMNS
    + """ from backfill_jobs
where (%(symbol)s::text is null or symbol = %(symbol)s) and (%(status)s::text is null or status = %(status)s)
order by created_at desc, id limit %(limit)s
"""
)
BEGUN = """
update backfill_jobs set status = 'in_progress', started_at = coalesce(started_at, now() at time zone 'utc'),
    ended_at = null, error_message = null
where id = %s
"""
AT = "update backfill_jobs set at_date = %(day)s where id = %(id)s"
DONE = """
update backfill_jobs set completed_dates = array_append(array_remove(completed_dates, %(day)s), %(day)s),
    failed_dates = failed_dates - %(key)s, rows_saved = rows_saved + %(rows)s
where id = %(id)s
"""
MISSED = """
update backfill_jobs set completed_dates = array_remove(completed_dates, %(day)s),
    failed_dates = failed_dates || %(why)s, rows_saved = rows_saved + %(rows)s
where id = %(id)s
"""
ENDED = """
update backfill_jobs set status = %(status)s, error_message = %(why)s, cancelled = %(cancelled)s, wanted = null,
    at_date = null, ended_at = now() at time zone 'utc'
where id = %(id)s
"""
AGAIN = """
update backfill_jobs set status = 'pending', failed_dates = '{}', error_message = null, cancelled = false,
    wanted = null, at_date = null, ended_at = null
where id = %s
"""
WANTED = "select wanted from backfill_jobs where id = %s"
ASK_CANCEL = "update backfill_jobs set wanted = 'cancel' where id = %s"
LONGEST = 4_000
"""Characters of an error that the table keeps."""


class Job(NamedTuple):
    """A row of the table. ``failed_dates`` say what is missing of each; times are UTC without a zone."""

    id: UUID
    symbol: str
    start_date: date
    end_date: date
    data_types: list[RawType]
    refused: dict[str, str]
    status: str
    cancelled: bool
    wanted: str | None
    asked_by: str
    completed_dates: list[date]
    failed_dates: dict[str, str]
    at_date: date | None
    rows_saved: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    error_message: str | None

    @property
    def dates(self) -> list[date]:
        """Every day that was asked for, in order."""
        return Wanted(self.symbol, self.start_date, self.end_date, [], {}).dates

    @property
    def over(self) -> bool:
        """Whether nothing more will be done by itself."""
        return self.status in ("completed", "failed")


def add(
    connection: psycopg.Connection[Any], wanted: Wanted, asked_by: str = "person", trace: str | None = None
) -> UUID:
    """Put a job into the queue; its id. ``asked_by``: ``person``, ``auto`` or ``dataset``."""
    job = uuid4()
    connection.execute(
        INSERT,
        {
            "id": job,
            "symbol": wanted.symbol,
            "start": wanted.start,
            "end": wanted.end,
            "types": list(wanted.data_types),
            "refused": Jsonb(wanted.refused),
            "by": asked_by,
            "trace": trace,
        },
    )
    return job


def get(connection: psycopg.Connection[Any], job: UUID) -> Job | None:
    """One job; None where there is no such row."""
    found = _jobs(connection, ONE, [job])
    return found[0] if found else None


def waiting(connection: psycopg.Connection[Any]) -> list[Job]:
    """Jobs that are not over, the oldest first."""
    return _jobs(connection, OPEN, [])


def listed(
    connection: psycopg.Connection[Any], symbol: str | None = None, status: str | None = None, limit: int = 100
) -> list[Job]:
    """Jobs, the newest first."""
    return _jobs(connection, LISTED, {"symbol": symbol, "status": status, "limit": limit})


def begin(connection: psycopg.Connection[Any], job: UUID) -> None:
    """It is being worked off."""
    connection.execute(BEGUN, [job])


def at(connection: psycopg.Connection[Any], job: UUID, day: date) -> None:
    """A day is being fetched."""
    connection.execute(AT, {"id": job, "day": day})


def done(connection: psycopg.Connection[Any], job: UUID, day: date, rows: int) -> None:
    """A day is complete; ``rows`` were fetched for it."""
    connection.execute(DONE, {"id": job, "day": day, "key": day.isoformat(), "rows": rows})


def missed(connection: psycopg.Connection[Any], job: UUID, day: date, why: str, rows: int) -> None:
    """Something of a day is missing, and why."""
    told = Jsonb({day.isoformat(): why[:LONGEST]})
    connection.execute(MISSED, {"id": job, "day": day, "why": told, "rows": rows})


def end(
    connection: psycopg.Connection[Any], job: UUID, status: str, why: str | None = None, cancelled: bool = False
) -> None:
    """It is over: ``completed`` or ``failed``."""
    given = {"id": job, "status": status, "why": why and why[:LONGEST], "cancelled": cancelled}
    connection.execute(ENDED, given)


def again(connection: psycopg.Connection[Any], job: UUID) -> None:
    """What failed is to be tried once more."""
    connection.execute(AGAIN, [job])


def ask_cancel(connection: psycopg.Connection[Any], job: UUID) -> None:
    """Whoever works it off is to give it up."""
    connection.execute(ASK_CANCEL, [job])


def cancel_wanted(connection: psycopg.Connection[Any], job: UUID) -> bool:
    """Whether it is to be given up, or gone."""
    with connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        row = cursor.execute(WANTED, [job]).fetchone()
    return row is None or row[0] == "cancel"


def _jobs(connection: psycopg.Connection[Any], query: LiteralString, given: list[Any] | Mapping[str, Any]) -> list[Job]:
    with connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        return [Job(*row) for row in cursor.execute(query, given).fetchall()]
