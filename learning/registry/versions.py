"""Versions of models in the table ``model_versions``, written once and never used again.

The functions take an open connection that may be in a transaction of its own; each of them is one.
"""

from uuid import UUID, uuid5

import msgspec
import psycopg

from connectors.postgres.columns import json, moment
from connectors.postgres.model_rows import activation_rows, mirror_rows
from learning.registry.metrics import Metric, metrics_of, write_metrics
from schemas.model import ONLINE, ModelActivated, ModelRecord
from schemas.origin import NAMESPACE

INSERT = """
insert into model_versions
    (id, version, file_path, model_type, strategy_id, trained_at, training_duration_seconds, training_dataset_size,
    training_config, created_at, updated_at)
values (%(id)s, %(version)s, %(file_path)s, %(model_type)s, %(strategy_id)s, %(trained_at)s, %(seconds)s, %(rows)s,
    %(config)s, now() at time zone 'utc', now() at time zone 'utc')
on conflict (version) do nothing
"""
KNOWN = "select training_config->>'sha256', training_config->>'strategy' from model_versions where version = %s"
RECORD = "select training_config from model_versions where version = %s"
NEWER = "select 1 from models_in_force where strategy_id = %s and asset = %s and since > %s"
ALIKE = "select version from model_versions where version = %(plain)s or version like %(numbered)s"


class VersionTaken(ValueError):
    """Another model has this version; the message names it and says what to do."""


def version_id(version: str) -> UUID:
    """The id of a version's row, the same in every database.

    >>> str(version_id("v1741079704"))
    'a8cf2b16-8817-5197-9559-e3e0e4258bd9'
    """
    return uuid5(NAMESPACE, f"model/{version}")


def logical_path(record: ModelRecord) -> str:
    """Where the table says that a model's file is, wherever the storage root is.

    ``/models/v1741079704/model.ubj``
    """
    return f"/models/{record.version}/{record.file}"


def record_version(connection: psycopg.Connection, record: ModelRecord, seconds: float | None = None) -> UUID:
    """Store a trained model with all its metrics, in one transaction; its row's id. Repeating it changes nothing.

    Args:
        record: everything that is known of the model.
        seconds: how long the training took.

    Raises:
        VersionTaken: when the version belongs to another model; nothing was written.
        ValueError: for the version of the River model, which has no file.
    """
    if record.version == ONLINE:
        raise ValueError(f"version {ONLINE} is the River model of a strategy: it has no file, and no row")
    row = version_id(record.version)
    params = {
        "id": row,
        "version": record.version,
        "file_path": logical_path(record),
        "model_type": record.family,
        "strategy_id": record.strategy,
        "trained_at": moment(record.trained_at),
        "seconds": None if seconds is None else round(seconds),
        "rows": record.splits["train"].rows if "train" in record.splits else None,
        "config": json(record),
    }
    with connection.transaction():
        if connection.execute(INSERT, params).rowcount == 0:
            _same(connection, record)
        write_metrics(connection, record.version, metrics_of(record))
        for statement, values in mirror_rows(record.strategy):
            connection.execute(statement, values)
    return row


def version_record(connection: psycopg.Connection, version: str) -> ModelRecord | None:
    """What is known of a version; None where there is no such version, or another system made it."""
    found = connection.execute(RECORD, [version]).fetchone()
    try:
        return msgspec.convert(found[0], ModelRecord) if found and found[0] else None
    except msgspec.ValidationError:
        return None


def free_version(connection: psycopg.Connection, newest: int) -> str:
    """A version that no model has or ever had, for a model that may know the log up to ``newest`` (microseconds UTC).

    ``v1741079704``, or ``v1741079704.1`` where that one is taken.
    """
    plain = f"v{newest // 1_000_000}"
    rows = connection.execute(ALIKE, {"plain": plain, "numbered": f"{plain}.%"}).fetchall()
    taken = {version for (version,) in rows}
    names = [plain, *(f"{plain}.{number}" for number in range(1, len(taken) + 1))]
    return next(name for name in names if name not in taken)


def record_metrics(connection: psycopg.Connection, version: str, metrics: list[Metric]) -> int:
    """Store metrics of a version, for instance those of an hour of its life; how many are new.

    The River model has no row, so nothing of it is stored here.
    """
    with connection.transaction():
        return write_metrics(connection, version, metrics)


def mirror_activation(connection: psycopg.Connection, event: ModelActivated) -> bool:
    """Show an activation that is on the log already in the tables at once, in one transaction: old version off, new one
    on. False where the tables know of a newer one.

    ``lockstep persist`` does so for every activation in the order of the log, so it has the last word; this is for
    whoever will not wait for it.
    """
    with connection.transaction():
        connection.execute("lock table models_in_force in share row exclusive mode")
        key = [event.strategy, event.symbol or "", moment(event.recv)]
        if connection.execute(NEWER, key).fetchone():
            return False
        for statement, values in activation_rows(event):
            connection.execute(statement, values)
    return True


def _same(connection: psycopg.Connection, record: ModelRecord) -> None:
    known = connection.execute(KNOWN, [record.version]).fetchone()
    if known != (record.sha256, record.strategy):
        raise VersionTaken(
            f"version {record.version} belongs to another model (strategy {known and known[1]}, file"
            f" {known and known[0]}): versions are never used again; train again for a new one"
        )
