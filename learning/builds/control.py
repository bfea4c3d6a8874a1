"""What people want of builds: to wait, to go on, to be given up, to be gone. Each function is one transaction."""

import shutil
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from learning.builds import lock
from learning.builds.table import Dataset, get, note

Action = Literal["pause", "resume", "cancel"]
FREE = "select pg_try_advisory_xact_lock(%s)"
GIVEN_UP = """
update datasets set status = 'failed', error_message = %(why)s, completed_at = now() at time zone 'utc',
    estimated_completion = null, metadata = metadata || %(more)s
where id = %(id)s
"""
DELETE = "delete from datasets where id = %s"
CANCELLED = "cancelled: somebody asked for it"


class Unsuitable(ValueError):
    """A dataset is not in a state in which this can be done; the message says in which it is."""


def ask(connection: psycopg.Connection[Any], dataset: UUID, action: Action) -> str:
    """Pause, resume or cancel a build; the state that it is in now.

    One that runs notices within a second and says so in its state.

    Raises:
        LookupError: when there is no such dataset.
        Unsuitable: when its build is over.
    """
    with connection.transaction():
        found = known(connection, dataset)
        if found.status != "building":
            raise Unsuitable(f"dataset {dataset} is {found.state}: only a build that is not over can be {action}d")
        idle = free(connection, dataset)
        if action == "cancel" and idle:
            give_up(connection, dataset, CANCELLED, "cancelled")
            return "cancelled"
        note(connection, dataset, {"wanted": None if action == "resume" else action})
        if not idle:
            return found.state
        state = "paused" if action == "pause" else "queued"
        note(connection, dataset, {"state": state})
        return state


def remove(connection: psycopg.Connection[Any], dataset: UUID) -> bool:
    """Delete a dataset and then its files; false while its build still runs, which is asked to end: try again.

    Raises:
        LookupError: when there is no such dataset.
    """
    with connection.transaction():
        found = known(connection, dataset)
        if not free(connection, dataset):
            note(connection, dataset, {"wanted": "cancel"})
            return False
        connection.execute(DELETE, [dataset])
    if found.storage_path and Path(found.storage_path).name == str(dataset):
        shutil.rmtree(found.storage_path, ignore_errors=True)
    return True


def give_up(connection: psycopg.Connection[Any], dataset: UUID, why: str, state: str) -> None:
    """Say that there will be no dataset."""
    more = Jsonb({"state": state, "wanted": None, "announced": []})
    connection.execute(GIVEN_UP, {"id": dataset, "why": why, "more": more})


def known(connection: psycopg.Connection[Any], dataset: UUID) -> Dataset:
    """The dataset.

    Raises:
        LookupError: when there is none.
    """
    if (found := get(connection, dataset)) is None:
        raise LookupError(f"no dataset {dataset}")
    return found


def free(connection: psycopg.Connection[Any], dataset: UUID) -> bool:
    """Whether nobody builds it; then nobody can before this transaction ends."""
    with connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        row = cursor.execute(FREE, [lock.key(dataset)]).fetchone()
    return bool(row and row[0])
