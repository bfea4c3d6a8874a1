"""Word to those who wait for a dataset: a record on ``datasets``, and a message on ``features.dataset.ready``.

Each is sent after the row says so, and noted in it when it is out: after a break one may be sent twice, never not at
all.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import structlog
from psycopg.types.json import Jsonb

from connectors.log import Log, NewRecord
from connectors.rabbitmq.feature_message import DATASET_READY, dataset_message
from connectors.rabbitmq.publish import Outgoing, Publisher
from schemas.codec import encode
from schemas.dataset import DatasetDone
from schemas.model import Period
from schemas.topics import DATASETS, shard_of

LOGGER = structlog.get_logger()
PATIENCE = 10.0
"""Seconds for which a broker may take a message; then it is tried again after the next build."""
SILENT = """
select id, symbol, status, feature_registry_version, error_message, train_records, validation_records, test_records,
    (extract(epoch from completed_at) * 1000000)::bigint as ts, metadata
from datasets where status <> 'building' and metadata ? 'announced' and not metadata->'announced' ? %(goal)s
order by completed_at, id
"""
SAID = """
update datasets set metadata = jsonb_set(metadata, '{announced}', (metadata->'announced') || %(goal)s) where id = %(id)s
"""
LOG, QUEUE = "log", "queue"


class Announcer:
    """Tells what ended and was not told yet.

    Args:
        url: the database with the table ``datasets``.
        log: the log with the topic ``datasets``.
        shards: how many it has.
        amqp_url: RabbitMQ, where it is to be told too.
    """

    def __init__(self, url: str, log: Log, shards: int, amqp_url: str | None = None) -> None:
        self.url = url
        self.log = log
        self.shards = shards
        self.amqp_url = amqp_url

    def __call__(self) -> None:
        """Tell; what cannot be told now is told another time."""
        with closing(psycopg.connect(self.url, autocommit=True, row_factory=psycopg.rows.dict_row)) as connection:
            self._tell(connection, LOG, self._append)
            if self.amqp_url:
                with suppress(TimeoutError):
                    self._tell(connection, QUEUE, self._publish)

    def _tell(
        self, connection: psycopg.Connection[dict[str, Any]], goal: str, tell: Callable[[dict[str, Any]], None]
    ) -> None:
        for row in connection.execute(SILENT, {"goal": goal}).fetchall():
            tell(row)
            connection.execute(SAID, {"id": row["id"], "goal": Jsonb([goal])})

    def _append(self, row: dict[str, Any]) -> None:
        done = done_of(row)
        record = NewRecord(done.symbol.encode(), encode(done), done.ts)
        self.log.append(DATASETS.name, shard_of(done.symbol, self.shards), [record])

    def _publish(self, row: dict[str, Any]) -> None:
        if (message := message_of(row)) is None:
            return
        try:
            asyncio.run(asyncio.wait_for(_send(str(self.amqp_url), message), PATIENCE))
        except TimeoutError:
            LOGGER.warning("dataset.not_announced", dataset_id=str(row["id"]), queue=DATASET_READY, retry="next build")
            raise


def done_of(row: Mapping[str, Any]) -> DatasetDone:
    """The record of a row of ``datasets``."""
    metadata = row["metadata"]
    return DatasetDone(
        str(row["id"]),
        row["symbol"],
        row["ts"],
        row["status"],
        splits(metadata) if row["status"] == "ready" else {},
        downloads(row["id"], metadata) if row["status"] == "ready" else {},
        row["feature_registry_version"],
        row["error_message"] or "",
        metadata.get("trace_id"),
    )


def message_of(row: Mapping[str, Any]) -> Outgoing | None:
    """The message of a row of ``datasets``; None for a build that failed, which that queue does not know."""
    if row["status"] != "ready":
        return None
    records = {split: row[f"{split}_records"] for split in ("train", "validation", "test")}
    made = msgspec.to_builtins(splits(row["metadata"]))
    urls = downloads(row["id"], row["metadata"])
    return dataset_message(
        str(row["id"]), row["symbol"], records, made, urls, row["ts"], row["metadata"].get("trace_id")
    )


def splits(metadata: Mapping[str, Any]) -> dict[str, Period]:
    """Period and rows of each split, ``train`` or ``fold_<i>/train``."""
    return {name: Period(info["start"], info["end"], info["rows"]) for name, info in metadata.get("splits", {}).items()}


def downloads(dataset: UUID, metadata: Mapping[str, Any]) -> dict[str, str]:
    """Where each split that has rows, and all of them as one, can be fetched: paths of the API."""
    found = {}
    for name, info in metadata.get("splits", {}).items():
        fold, _, split = name.rpartition("/")
        if info["rows"]:
            more = f"&fold={fold.removeprefix('fold_')}" if fold else ""
            found[name] = f"/dataset/{dataset}/download?split={split}{more}"
    return {**found, "all": f"/dataset/{dataset}/download?split=all"}


async def _send(url: str, message: Outgoing) -> None:
    publisher = Publisher(url, DATASET_READY)
    running = asyncio.create_task(publisher.run())
    try:
        await publisher.send([message])
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
