"""Requests for datasets of a small log, and builds that go step by step."""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import UUID

import psycopg

from learning.builds import table
from learning.builds.worker import Worker
from learning.datasets.metadata import DatasetMetadata, Progress, SplitInfo, save_metadata
from learning.datasets.request import DatasetRequest
from tests.learning.datasets.session import request

Connection = psycopg.Connection[Any]


def connect(url: str) -> Connection:
    return psycopg.connect(url, autocommit=True)


def ask(url: str, root: Path, priority: int = 0, **changes: Any) -> UUID:
    """Put a dataset into the queue."""
    with connect(url) as connection:
        return table.add(connection, request(**changes), "few", str(root), priority=priority, trace_id="trace-7")


def row(url: str, dataset: UUID) -> dict[str, Any]:
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        found = connection.execute("select * from datasets where id = %s", [dataset]).fetchone()
    assert found is not None
    return found


def state(url: str, dataset: UUID) -> str:
    return str(row(url, dataset)["metadata"]["state"])


def eventually(condition: Callable[[], object], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(held)


class Steps:
    """Makes datasets as slowly as a test wants: each build takes steps until ``go`` is set, and then is done."""

    def __init__(self) -> None:
        self.go = Event()
        self.begun: list[str] = []
        self.ended: list[str] = []

    def __call__(
        self, request: DatasetRequest, registry: str, folder: Path, progress: Callable[[Progress], None]
    ) -> DatasetMetadata:
        self.begun.append(request.dataset_id)
        done = 0
        while not self.go.is_set() or done < 3:
            done += 1
            progress(Progress("rows", min(done, 50), 100, done))
            time.sleep(0.02)
        folder.mkdir(parents=True)
        split = SplitInfo(start=0, end=1, rows=7, file="train.parquet", sha256="x")
        made = DatasetMetadata(
            request=request, dataset_id=request.dataset_id, symbols=request.symbols, features=(),
            feature_registry_version=registry, registry_digest="", splits={"train": split}, offsets={}, code="",
            digest="",
        )  # fmt: skip
        save_metadata(made, folder)
        self.ended.append(request.dataset_id)
        return made


class Working:
    """A worker in a thread; leaving the block ends it."""

    def __init__(self, url: str, make: Any, **options: Any) -> None:
        self.worker = Worker(url, make, **options)
        self.thread = Thread(target=self.worker.run)

    def __enter__(self) -> Worker:
        self.thread.start()
        return self.worker

    def __exit__(self, *_: object) -> None:
        self.worker.stop.set()
        self.thread.join(60)
        assert not self.thread.is_alive()
