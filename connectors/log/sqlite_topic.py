"""Appending to one topic of the embedded log, and asking it about its shards."""

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connectors.log import LogError, NewRecord, TopicInfo
from connectors.log.bell import Ringer, tower
from connectors.log.limits import check_records, milliseconds
from connectors.log.sqlite_file import OFFSET_BITS, OFFSET_MASK, connect, encode_headers, failure

INDEX_EVERY = 1024
"""Records between two entries of the clock, which ``offset_at`` starts from."""

TRIM_CHUNK = 20_000
"""Records dropped in one transaction, so that writers never wait for long."""

TOMBSTONE_MS = 24 * 3600 * 1000
"""Deleted keys stay visible to slow readers for a day, as Kafka's ``delete.retention.ms`` has it."""

Row = tuple[int, int, bytes | None, bytes | None, bytes | None]


class TopicFile:
    """Appends to one topic file and asks it about its shards; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = connect(path)
        self._lock = threading.Lock()
        self._ringer = Ringer(tower(path))
        name, shards, cleanup, retention_ms = self._ask("SELECT * FROM topic")
        self.info = TopicInfo(name, shards, cleanup, retention_ms)

    def check_shard(self, shard: int) -> None:
        if not 0 <= shard < self.info.shards:
            raise LogError(f"topic {self.info.name} has shards 0 to {self.info.shards - 1}, not {shard}")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                except BaseException:
                    self._connection.execute("ROLLBACK")
                    raise
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise failure(self.path, error) from error

    def append(self, shard: int, records: Sequence[NewRecord]) -> int:
        """Append all or nothing; returns the offset of the last record."""
        self.check_shard(shard)
        check_records(self.info.name, shard, self.info.cleanup, records)
        with self._transaction() as connection:
            end, newest, indexed = connection.execute(
                "SELECT next, newest, indexed FROM shard WHERE shard = ?", (shard,)
            ).fetchone()
            rows = list(_rows(shard << OFFSET_BITS | end, records))
            connection.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?)", rows)
            end += len(rows)
            newest = max(newest, max((row[1] for row in rows), default=0))
            if end - indexed >= INDEX_EVERY:
                indexed = end - 1
                connection.execute("INSERT INTO clock VALUES (?, ?)", (shard << OFFSET_BITS | indexed, newest))
            connection.execute(
                "UPDATE shard SET next = ?, newest = ?, indexed = ? WHERE shard = ?", (end, newest, indexed, shard)
            )
        self._ringer.ring((shard,))
        return end - 1

    def bounds(self, shard: int) -> tuple[int, int]:
        """Start and end of a shard."""
        self.check_shard(shard)
        return self._ask("SELECT first, next FROM shard WHERE shard = ?", shard)

    def offset_at(self, shard: int, timestamp: int) -> int:
        """The first offset at or after ``timestamp`` (milliseconds UTC); the end if there is none."""
        self.check_shard(shard)
        low, high = shard << OFFSET_BITS, (shard + 1) << OFFSET_BITS
        (before,) = self._ask("SELECT max(id) FROM clock WHERE id >= ? AND id < ? AND newest < ?", low, high, timestamp)
        found = self._ask(
            "SELECT id & ? FROM record WHERE id > ? AND id < ? AND timestamp >= ? ORDER BY id LIMIT 1",
            OFFSET_MASK,
            low - 1 if before is None else before,
            high,
            timestamp,
        )
        return found[0] if found else self.bounds(shard)[1]

    def trim(self, shard: int, before: int) -> None:
        """Drop everything before the offset ``before``, some thousand records a transaction."""
        start, end = self.bounds(shard)
        if before > end:
            raise LogError(f"topic {self.info.name}, shard {shard}: cannot trim to {before}: the end is {end}")
        low = shard << OFFSET_BITS
        while start < before:
            start = min(before, start + TRIM_CHUNK)
            with self._transaction() as connection:
                connection.execute("UPDATE shard SET first = max(first, ?) WHERE shard = ?", (start, shard))
                for table in ("record", "clock"):
                    connection.execute(f"DELETE FROM {table} WHERE id >= ? AND id < ?", (low, low + start))

    def retain(self, now_ms: int) -> None:
        """Drop from the front of each shard what is older than the topic's retention."""
        if self.info.retention_ms is not None:
            for shard in range(self.info.shards):
                self.trim(shard, self.offset_at(shard, now_ms - self.info.retention_ms))

    def compact(self, now_ms: int) -> None:
        """Keep the last record of each key, and a deletion for a day. Start and end stay where they are."""
        for shard in range(self.info.shards):
            ids = (shard << OFFSET_BITS, (shard + 1) << OFFSET_BITS)
            with self._transaction() as connection:
                connection.execute(
                    "DELETE FROM record WHERE id >= ?1 AND id < ?2 AND id NOT IN"
                    " (SELECT max(id) FROM record WHERE id >= ?1 AND id < ?2 GROUP BY key)",
                    ids,
                )
                connection.execute(
                    "DELETE FROM record WHERE id >= ? AND id < ? AND value IS NULL AND timestamp < ?",
                    (*ids, now_ms - TOMBSTONE_MS),
                )

    def maintain(self) -> None:
        """Retention or compaction, as the topic asks, by this machine's clock."""
        now_ms = time.time_ns() // 1_000_000
        if self.info.cleanup == "compact":
            self.compact(now_ms)
        else:
            self.retain(now_ms)

    def _ask(self, query: str, *values: int) -> Any:
        with self._lock:
            try:
                return self._connection.execute(query, values).fetchone()
            except sqlite3.Error as error:
                raise failure(self.path, error) from error

    def close(self) -> None:
        with self._lock:
            self._connection.close()
        self._ringer.close()


def _rows(first: int, records: Sequence[NewRecord]) -> Iterator[Row]:
    for place, (key, value, timestamp, headers) in enumerate(records, start=first):
        yield place, milliseconds(timestamp), key, value, encode_headers(headers) if headers else None
