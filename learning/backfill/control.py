"""What people want of jobs: to be given up, to be tried again. Each function is one transaction."""

from typing import Any
from uuid import UUID

import psycopg

from learning.backfill import table
from learning.backfill.table import Job
from learning.builds import lock

CANCELLED = "cancelled: somebody asked for it"
FREE = "select pg_try_advisory_xact_lock(%s)"


class Unsuitable(ValueError):
    """A job is not in a state in which this can be done; the message says in which it is."""


def cancel(connection: psycopg.Connection[Any], job: UUID) -> Job:
    """Give a job up; what it fetched stays. One that runs notices within a second.

    Raises:
        LookupError: when there is no such job.
        Unsuitable: when it is over.
    """
    with connection.transaction():
        found = known(connection, job)
        if found.over:
            raise Unsuitable(f"backfill {job} is {found.status}: only one that is not over can be cancelled")
        if _free(connection, job):
            table.end(connection, job, "failed", CANCELLED, cancelled=True)
        else:
            table.ask_cancel(connection, job)
    return known(connection, job)


def retry(connection: psycopg.Connection[Any], job: UUID) -> Job:
    """Try the days that failed, or that were not come to, once more; what is complete is not fetched again.

    Raises:
        LookupError: when there is no such job.
        Unsuitable: when it did not fail.
    """
    with connection.transaction():
        found = known(connection, job)
        if found.status != "failed":
            raise Unsuitable(f"backfill {job} is {found.status}: only one that failed can be tried again")
        table.again(connection, job)
    return known(connection, job)


def known(connection: psycopg.Connection[Any], job: UUID) -> Job:
    """The job.

    Raises:
        LookupError: when there is none.
    """
    if (found := table.get(connection, job)) is None:
        raise LookupError(f"no backfill {job}")
    return found


def _free(connection: psycopg.Connection[Any], job: UUID) -> bool:
    """Whether nobody works it off; then nobody can before this transaction ends."""
    with connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        row = cursor.execute(FREE, [lock.key(job)]).fetchone()
    return bool(row and row[0])
