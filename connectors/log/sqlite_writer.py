"""Buffered appends to one shard of the embedded log."""

import threading
import time
from collections.abc import Sequence

from connectors.log import LogError, NewRecord
from connectors.log.limits import check_records
from connectors.log.sqlite_topic import TopicFile

LARGE = 2_000
"""Records that are committed at once."""

PATIENCE = 0.002
"""Seconds that a record waits for company."""


class SqliteWriter:
    """One commit for what arrives within two milliseconds.

    After a quiet moment ``send`` commits on the spot. Right behind another commit it only buffers, and the next
    ``send`` or, if none comes, a thread of the writer's own commits: a burst costs few commits and its last record
    waits for nobody.
    """

    def __init__(self, topic: TopicFile, shard: int) -> None:
        topic.check_shard(shard)
        self._topic, self._shard = topic, shard
        self._buffer: list[NewRecord] = []
        self._committed = 0.0
        self._failure: LogError | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def send(self, records: Sequence[NewRecord]) -> None:
        check_records(self._topic.info.name, self._shard, self._topic.info.cleanup, records)
        with self._changed:
            self._check()
            self._buffer.extend(records)
            if len(self._buffer) >= LARGE or time.monotonic() - self._committed >= PATIENCE:
                self._commit()
            elif self._buffer:
                self._start_thread()
                self._changed.notify()
            self._check()

    def flush(self) -> None:
        with self._changed:
            self._check()
            self._commit()
            self._check()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
            if self._failure is None:
                self._commit()
        if self._thread is not None:
            self._thread.join()
        self._check()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _commit(self) -> None:
        if not self._buffer:
            return
        records, self._buffer = self._buffer, []
        try:
            self._topic.append(self._shard, records)
        except LogError as error:
            self._failure = error
        self._committed = time.monotonic()

    def _start_thread(self) -> None:
        if self._thread is None:
            name = f"{self._topic.info.name}/{self._shard} writer"
            self._thread = threading.Thread(target=self._commit_late, name=name, daemon=True)
            self._thread.start()

    def _commit_late(self) -> None:
        with self._changed:
            while not self._closed and self._failure is None:
                if not self._buffer:
                    self._changed.wait()
                elif (pause := self._committed + PATIENCE - time.monotonic()) > 0:
                    self._changed.wait(pause)
                else:
                    self._commit()
