"""Makes the datasets of the queue: one at a time, the most urgent first.

A build that is paused keeps what it has, and its place in memory, and lets the next one run; when it may go on it waits
until that one is done. After a restart, what ran or was paused begins again: a dataset is a function of its request and
the log.
"""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event, Semaphore, Thread
from typing import Any
from uuid import UUID

import psycopg
import structlog

from learning.builds import lock, table
from learning.builds.control import CANCELLED, give_up
from learning.builds.finish import failed, finish
from learning.builds.table import Dataset
from learning.builds.watch import Stopped, Watch
from learning.datasets.errors import Cancelled, DatasetError
from learning.datasets.metadata import DatasetMetadata, Progress
from learning.datasets.request import DatasetRequest

LOGGER = structlog.get_logger()
Make = Callable[[DatasetRequest, str, Path, Callable[[Progress], None]], DatasetMetadata]
"""Builds a dataset of (request, registry version) in a folder; the callback takes its progress, and may raise."""
EVERY = 0.5
"""Seconds between two looks at the queue."""


class Worker:
    """Works off the queue of one database.

    Args:
        url: the database.
        make: builds one dataset.
        announce: is called after each round, to tell others what ended.
        stop: ends the work when it is set; builds that run are interrupted and begin again another time.
    """

    def __init__(
        self, url: str, make: Make, announce: Callable[[], object] = lambda: None, stop: Event | None = None
    ) -> None:
        self.url = url
        self.make = make
        self.announce = announce
        self.stop = stop or Event()
        self._turn = Semaphore(1)
        self._paused: set[UUID] = set()

    def work_once(self) -> UUID | None:
        """Make the most urgent dataset that waits; which it was, None where none waits."""
        connection = self._connect()
        with closing(connection):
            if (dataset := self._claim(connection)) is None:
                return None
            self._turn.acquire()
            try:
                self._build(connection, dataset)
            finally:
                self._turn.release()
        self.announce()
        return dataset.id

    def run(self, until_empty: bool = False) -> None:
        """Work until ``stop`` is set, or with ``until_empty`` until nothing waits."""
        running: list[Thread] = []
        self.announce()
        try:
            while not self.stop.is_set():
                running = [thread for thread in running if thread.is_alive()]
                started = self._begin_next() if self._turn.acquire(blocking=False) else None
                if started:
                    running.append(started)
                elif until_empty and len(running) <= len(self._paused):
                    self.stop.set()
                else:
                    self.stop.wait(EVERY)
        finally:
            self.stop.set()
            for thread in running:
                thread.join()

    def _begin_next(self) -> Thread | None:
        """Start what is the most urgent, having the turn; the turn is free again where there is nothing."""
        connection = self._connect()
        dataset = self._claim(connection)
        if dataset is None:
            connection.close()
            self._turn.release()
            return None

        def build() -> None:
            with closing(connection):
                try:
                    self._build(connection, dataset)
                finally:
                    self._turn.release()
            self.announce()

        thread = Thread(target=build, name=f"build {dataset.id}", daemon=True)
        thread.start()
        return thread

    def _claim(self, connection: psycopg.Connection[Any]) -> Dataset | None:
        """Become the one who builds the most urgent dataset that nobody builds."""
        for candidate in table.waiting(connection):
            if not lock.take(connection, candidate.id):
                continue
            dataset = table.get(connection, candidate.id)
            if dataset and dataset.status == "building" and dataset.metadata.get("wanted") != "pause":
                if dataset.state != "queued":
                    LOGGER.warning("dataset.recovered", dataset_id=str(dataset.id), was=dataset.state)
                return dataset
            lock.release(connection, candidate.id)
        return None

    def _build(self, connection: psycopg.Connection[Any], dataset: Dataset) -> None:
        """Make one dataset, holding its lock and the turn, and say in its row what came of it."""
        if dataset.metadata.get("wanted") == "cancel":
            give_up(connection, dataset.id, CANCELLED, "cancelled")
            return
        began = time.time_ns() // 1_000
        watch = Watch(connection, dataset.id, self._turn, self._paused, self.stop)
        try:
            request = dataset.request
            folder = Path(str(dataset.storage_path))
            folder.parent.mkdir(parents=True, exist_ok=True)
            watch.begin()
            made = self.make(request, registry_of(dataset), folder, watch.progress)
            finish(connection, dataset, made, began)
        except Cancelled:
            give_up(connection, dataset.id, CANCELLED, "cancelled")
            LOGGER.info("dataset.cancelled", dataset_id=str(dataset.id))
        except Stopped:
            LOGGER.info("dataset.interrupted", dataset_id=str(dataset.id))
        except (DatasetError, LookupError, OSError, MemoryError) as problem:
            failed(connection, dataset, str(problem), began)
        except psycopg.Error:
            raise
        except Exception as problem:
            LOGGER.exception("dataset.defect", dataset_id=str(dataset.id))
            failed(connection, dataset, f"{type(problem).__name__}: {problem}", began)

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            self.url,
            autocommit=True,
            connect_timeout=10,
            application_name="lockstep builds",
            options="-c timezone=UTC",
        )


def registry_of(dataset: Dataset) -> str:
    """The version of the feature registry that was asked for."""
    return str(dataset.metadata["registry"])
