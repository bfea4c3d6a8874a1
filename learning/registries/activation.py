"""Putting a version in force, returning to the one before, and reading the file of the one in force again."""

import time

from connectors.postgres import registry_versions as table
from connectors.postgres.registry_versions import Rows
from learning.registries.errors import Invalid, NoWayBack, Rollback, UnknownVersion
from learning.registries.files import Read
from learning.registries.follow import InForce, follow
from learning.registries.mirror import restored
from learning.registries.putting import Activated, Activation, Wanted
from learning.registries.where import Where


def activate(where: Where, version: str, by: str, reason: str = "", acknowledge: bool = False) -> Activated:
    """Put a version in force on every shard.

    Raises:
        UnknownVersion, Invalid, NotAcknowledged, ActivationFailed, Busy: see ``Activation.put``.
        LogError, psycopg.OperationalError: when log or database are away.
    """
    file = where.files.read(version)
    with where.database() as connection, where.log() as (log, shards):
        seen = table.newest_activation(connection)
        with where.alone(by):
            making = Activation(where, connection, log, shards, seen)
            row = table.version_row(connection, version)
            return making.put(file, row["migration_script"] if row else None, Wanted(by, reason, acknowledge))


def rollback(where: Where, by: str, reason: str = "") -> tuple[Rollback, Activated]:
    """Return to the version before the active one; a file that is gone is written again from its row.

    Raises:
        NoWayBack: when there is none, or it was deleted.
        Invalid, ActivationFailed, Busy: see ``Activation.put``.
        LogError, psycopg.OperationalError: when log or database are away.
    """
    with where.database() as connection, where.log() as (log, shards):
        seen = table.newest_activation(connection)
        with where.alone(by):
            making = Activation(where, connection, log, shards, seen)
            file = way_back(where, connection)
            said = reason or f"back from {making.now.version}"
            done = making.put(file, None, Wanted(by, said, back=True))
    return Rollback(making.now.version, file.version, reason, time.time_ns() // 1_000), done


def way_back(where: Where, connection: Rows) -> Read:
    """The version before the active one.

    Raises:
        NoWayBack: when there is none, or it was deleted.
    """
    active = table.active_row(connection)
    version = active and active["previous_version"]
    if not version:
        raise NoWayBack("there is no version before the active one, so there is no way back")
    row = table.version_row(connection, version)
    try:
        return restored(where.files, row) if row else where.files.read(version)
    except (UnknownVersion, Invalid) as error:
        raise NoWayBack(f"the version before the active one cannot be used: {error}") from None


def reload(where: Where, by: str, acknowledge: bool = False) -> Activated:
    """Read the file of the version in force again; where it says something else now, put that in force.

    Raises:
        Invalid: when the file is refused now; what is in force stays so.
        NotAcknowledged, ActivationFailed, Busy: see ``Activation.put``.
        UnknownVersion: when the file is gone, and its row has nothing to write it from.
        LogError, psycopg.OperationalError: when log or database are away.
    """
    with where.database() as connection, where.log() as (log, shards):
        seen = table.newest_activation(connection)
        with where.alone(by):
            making = Activation(where, connection, log, shards, seen)
            row = table.version_row(connection, making.now.version)
            file = restored(where.files, row) if row else where.files.read(making.now.version)
            return making.put(file, None, Wanted(by, "its file was changed", acknowledge))


def in_force(where: Where, by: str) -> InForce:
    """What is in force, after giving the tables what the log says: for whoever starts, or was told of a killed writer.

    Raises:
        Busy: when somebody else is changing it.
        LogError, psycopg.OperationalError: when log or database are away.
    """
    with where.database() as connection, where.log() as (log, shards), where.alone(by, wait=5.0):
        return follow(where, connection, log, shards)
