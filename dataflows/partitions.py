"""Bytewax's recovery partitions: SQLite files that it goes on from, or dies of.

Looked at before it starts, because a cluster that finds them damaged ends without saying why.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

PARTITIONS = 4
"""How many there are: the most processes of a flow that can each write one."""


class Moments(NamedTuple):
    """What the partitions know of time, in epochs."""

    executions: dict[int, tuple[int, int]]
    """number of the execution -> (workers, epoch it began at)"""
    frontiers: dict[tuple[int, int], int]
    """(execution, worker) -> epoch that the worker has not finished"""
    commits: list[int]
    """Epochs before which a partition keeps only the newest state."""


def damage(directory: Path) -> str | None:
    """What keeps a flow from going on from the partitions in ``directory``; None when they are sound."""
    moments = Moments({}, {}, [])
    for number in range(PARTITIONS):
        part = directory / f"part-{number}.sqlite3"
        try:
            with closing(sqlite3.connect(f"{part.absolute().as_uri()}?mode=rw", uri=True)) as connection:
                if reason := _read(connection, number, moments):
                    return f"{part.name}: {reason}"
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                return None  # another process of the flow has begun with it
            return f"{part.name}: {error}"
    return _mismatch(moments)


def _read(connection: sqlite3.Connection, number: int, moments: Moments) -> str | None:
    found = [row[0] for row in connection.execute("PRAGMA quick_check(1)")]
    known = connection.execute("SELECT part_index, part_count FROM parts").fetchall()
    if found != ["ok"] or known != [(number, PARTITIONS)]:
        return f"{found[0]}, partition {known}"
    for execution, workers, epoch in connection.execute("SELECT ex_num, worker_count, resume_epoch FROM exs"):
        moments.executions[execution] = (workers, epoch)
    for execution, worker, epoch in connection.execute("SELECT ex_num, worker_index, worker_frontier FROM fronts"):
        moments.frontiers[execution, worker] = epoch
    moments.commits.extend(epoch for (epoch,) in connection.execute("SELECT commit_epoch FROM commits"))
    return None


def _mismatch(moments: Moments) -> str | None:
    """Bytewax goes on at the epoch that no worker of the last execution has finished: is its state still there?"""
    last = max(moments.executions, default=None)
    if last is None:
        return "no execution wrote what is committed" if moments.commits else None
    workers, began = moments.executions[last]
    resume = min(moments.frontiers.get((last, worker), began) for worker in range(workers))
    if moments.commits and max(moments.commits) >= resume:
        return f"state is kept from epoch {max(moments.commits)} on, but must be that of epoch {resume}"
    return None
