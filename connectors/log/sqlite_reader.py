"""Reading one shard of an embedded topic forward."""

import sqlite3
import time
from pathlib import Path
from typing import Any

from connectors.log import OffsetBeyondEnd, OffsetTrimmed, Record
from connectors.log.bell import Bell, hang, tower
from connectors.log.sqlite_file import OFFSET_BITS, OFFSET_MASK, connect, decode_headers, failure

LOOK_AGAIN = 0.05
"""Seconds after which an idle reader looks at the file though no bell rang: a bell can be lost, a record cannot."""

RANGE = "FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
RAW = f"SELECT id & {OFFSET_MASK}, value {RANGE}"
WHOLE = f"SELECT id & {OFFSET_MASK}, key, value, timestamp * 1000, headers {RANGE}"


class SqliteReader:
    """A reader of one shard.

    While there is something to read, ``poll`` is one range scan. Once it has caught up it hangs up a bell and, until
    that rings, ``poll`` costs one system call: an idle flow may poll every millisecond.
    """

    def __init__(self, path: Path, shard: int, offset: int) -> None:
        self.position = offset
        self._path, self._shard, self._tower = path, shard, tower(path)
        self._connection = connect(path)
        self._connection.execute("PRAGMA query_only=ON")
        self._connection.execute("PRAGMA mmap_size=1073741824")
        self._low, self._high = shard << OFFSET_BITS, (shard + 1) << OFFSET_BITS
        self._bell: Bell | None = None
        self._checked = False
        self._idle_until = 0.0

    def poll(self, limit: int) -> list[Record]:
        return [
            Record(offset, key, value, timestamp, decode_headers(headers) if headers else ())
            for offset, key, value, timestamp, headers in self._fetch(WHOLE, limit)
        ]

    def poll_raw(self, limit: int) -> list[tuple[int, bytes | None]]:
        return self._fetch(RAW, limit)

    def wait(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while not self._news():
            pause = min(LOOK_AGAIN, deadline - time.monotonic())
            if pause <= 0:
                return False
            if self._bell is None:
                time.sleep(pause)
            elif self._bell.wait(pause):
                return True
        return True

    def close(self) -> None:
        self._connection.close()
        if self._bell is not None:
            self._bell.close()

    def _fetch(self, query: str, limit: int) -> list[Any]:
        if self._idle_until:
            if not (self._bell and self._bell.rung()) and time.monotonic() < self._idle_until:
                return []
            self._idle_until = 0.0
        try:
            rows = self._scan(query, limit)
            if not rows or rows[0][0] != self.position or not self._checked:
                rows = self._scan_with_bounds(query, limit)
        except sqlite3.Error as error:
            raise failure(self._path, error) from error
        if rows:
            self.position = rows[-1][0] + 1
        return rows

    def _scan(self, query: str, limit: int) -> list[Any]:
        return self._connection.execute(query, (self._low + self.position, self._high, limit)).fetchall()

    def _scan_with_bounds(self, query: str, limit: int) -> list[Any]:
        """As ``_scan``, for where there is a hole or nothing: is the position still inside the shard?

        The bell is hung before the look at the file: what is committed after the look rings it.
        """
        self._bell = self._bell or hang(self._tower, self._shard)
        self._connection.execute("BEGIN")
        try:
            start, end = self._bounds()
            rows = self._scan(query, limit)
        finally:
            self._connection.execute("COMMIT")
        if not start <= self.position <= end:
            self._refuse(start, end)
        self._checked = True
        if not rows and limit > 0:
            self.position = end
            self._idle_until = time.monotonic() + LOOK_AGAIN
        return rows

    def _bounds(self) -> tuple[int, int]:
        return self._connection.execute("SELECT first, next FROM shard WHERE shard = ?", (self._shard,)).fetchone()

    def _refuse(self, start: int, end: int) -> None:
        place = f"topic {self._path.stem}, shard {self._shard}: offset {self.position}"
        if self.position < start:
            raise OffsetTrimmed(f"{place} is no longer in the log, which starts at {start}: read from there on")
        raise OffsetBeyondEnd(f"{place} lies beyond the end, {end}: is this the log the offset came from?")

    def _news(self) -> bool:
        self._bell = self._bell or hang(self._tower, self._shard)
        try:
            return self._bounds()[1] != self.position
        except sqlite3.Error as error:
            raise failure(self._path, error) from error
