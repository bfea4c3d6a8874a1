"""What a build says when it is over: its row, its figures, and word to those who wait for it."""

import time
from pathlib import Path
from typing import Any
from uuid import uuid5

import msgspec
import psycopg
import structlog
from psycopg.types.json import Jsonb

from connectors.postgres.columns import moment
from learning.builds.table import SPLITS, Dataset
from learning.datasets.metadata import BUILD, DatasetMetadata
from schemas.origin import NAMESPACE

LOGGER = structlog.get_logger()
READY = """
update datasets set status = 'ready', error_message = null, completed_at = %(at)s, estimated_completion = null,
    train_records = %(train)s, validation_records = %(validation)s, test_records = %(test)s,
    metadata = metadata || %(more)s
where id = %(id)s
"""
FAILED = """
update datasets set status = 'failed', error_message = %(why)s, completed_at = %(at)s, estimated_completion = null,
    metadata = metadata || %(more)s
where id = %(id)s
"""
MEASURED = """
insert into dataset_building_metrics
    (id, dataset_id, symbol, build_started_at, build_completed_at, build_status, build_duration_seconds, records_count,
    train_records, validation_records, test_records, feature_registry_version, split_strategy, trace_id, figures)
select %(id)s, datasets.id, symbol, %(began)s, %(at)s, status, %(seconds)s,
    train_records + validation_records + test_records, train_records, validation_records, test_records,
    feature_registry_version, split_strategy, metadata->>'trace_id', %(figures)s
from datasets where datasets.id = %(dataset)s
on conflict (id) do nothing
"""
LONGEST = 4_000
"""Characters of an error that the table keeps."""


def finish(connection: psycopg.Connection[Any], dataset: Dataset, made: DatasetMetadata, began: int) -> None:
    """A dataset is ready: counts, what is known of it, and how the build went, in one transaction.

    A walk-forward dataset has the rows of all its folds; a row counts in every fold that holds it. ``began`` is in
    microseconds UTC.
    """
    ended = time.time_ns() // 1_000
    more = {"state": "ready", "wanted": None, "progress": {"percent": 100.0}, "announced": [], **described(made)}
    figures = _figures(dataset)
    with connection.transaction():
        connection.execute(
            READY,
            {
                "id": dataset.id,
                "at": moment(ended),
                **counts(made),
                "more": Jsonb({**more, "build": figures}),
            },
        )
        _measure(connection, dataset, began, ended, figures)
    LOGGER.info("dataset.ready", dataset_id=str(dataset.id), symbol=dataset.symbol, **counts(made))


def failed(connection: psycopg.Connection[Any], dataset: Dataset, why: str, began: int) -> None:
    """There is no dataset, and why."""
    ended = time.time_ns() // 1_000
    more = Jsonb({"state": "failed", "wanted": None, "announced": []})
    with connection.transaction():
        connection.execute(FAILED, {"id": dataset.id, "at": moment(ended), "why": why[:LONGEST], "more": more})
        _measure(connection, dataset, began, ended)
    LOGGER.warning("dataset.failed", dataset_id=str(dataset.id), symbol=dataset.symbol, error=why)


def counts(made: DatasetMetadata) -> dict[str, int]:
    """Rows by split, over all folds."""
    return {
        split: sum(info.rows for name, info in made.splits.items() if name.rpartition("/")[2] == split)
        for split in SPLITS
    }


def described(made: DatasetMetadata) -> dict[str, Any]:
    """What a dataset's metadata say, for the row; what the row has columns for is left out."""
    known: dict[str, Any] = msgspec.to_builtins(made)
    return {
        **{name: value for name, value in known.items() if name not in ("request", "dataset_id")},
        "folds": made.folds,
        "empty_test_split": made.empty_test,
    }


def _figures(dataset: Dataset) -> dict[str, Any]:
    """How the build went, as it says itself."""
    try:
        found: dict[str, Any] = msgspec.json.decode((Path(str(dataset.storage_path)) / BUILD).read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
    return found


def _measure(
    connection: psycopg.Connection[Any],
    dataset: Dataset,
    began: int,
    ended: int,
    figures: dict[str, Any] | None = None,
) -> None:
    row = {
        "id": uuid5(NAMESPACE, f"build/{dataset.id}/{began}"),
        "dataset": dataset.id,
        "began": moment(began),
        "at": moment(ended),
        "seconds": round((ended - began) / 1_000_000),
        "figures": None if figures is None else Jsonb(figures),
    }
    connection.execute(MEASURED, row)
