"""Which files of an archive count, and how far each shard was archived: one SQLite file in the archive's root.

A file counts from the moment its row is committed, together with the place in the log that it reaches to. Whatever
else lies in the folders was left by a process that was killed, and is removed when the next one begins. The catalogue
is synced at every commit: what stands in it may be trimmed from the log.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connectors.archive import ArchiveError
from connectors.archive.entries import Absent, Entry, Gone, Stand
from connectors.archive.layout import CATALOGUE, Place
from connectors.log import LogError

LAYOUT = 1
BUSY_SECONDS = 30.0
SCHEMA = """
CREATE TABLE archive (layout INTEGER NOT NULL, shards INTEGER NOT NULL);
CREATE TABLE shard (
    shard INTEGER PRIMARY KEY,
    start INTEGER NOT NULL,      -- where the log began when archiving did
    position INTEGER NOT NULL,   -- everything before it is archived
    last_offset INTEGER,         -- the last record archived, and a checksum of it
    last_crc INTEGER
);
CREATE TABLE file (
    shard INTEGER NOT NULL, type TEXT NOT NULL, date TEXT NOT NULL, symbol TEXT,
    first INTEGER NOT NULL, last INTEGER NOT NULL, rows INTEGER NOT NULL,
    oldest INTEGER NOT NULL, newest INTEGER NOT NULL,   -- log timestamps, microseconds
    bytes INTEGER NOT NULL, digest TEXT NOT NULL,
    away TEXT,         -- NULL: here; '': deleted by expiry; else the root that it was moved to
    away_at INTEGER,   -- when, microseconds
    pinned INTEGER     -- until when expiry leaves it alone, microseconds: it was brought back
);
CREATE UNIQUE INDEX file_place ON file (shard, first, last, type, date, ifnull(symbol, ''));
CREATE TABLE absent (shard INTEGER NOT NULL, first INTEGER NOT NULL, stop INTEGER NOT NULL, reason TEXT NOT NULL);
"""
COLUMNS = "shard, type, date, symbol, first, last, rows, oldest, newest, bytes, digest"


class SecondWriter(ArchiveError):
    """Another process archives the same log."""


class Catalogue:
    """The catalogue of one archive. One thread at a time.

    Raises:
        ArchiveError: when there is none and ``shards`` is not given, or it is not one of ours.
    """

    def __init__(self, root: Path, shards: int | None = None) -> None:
        self.root = root
        self.path = root / CATALOGUE
        if not self.path.exists():
            if shards is None:
                raise ArchiveError(f"there is no archive in {root}: lockstep archive run makes one")
            if any(root.glob("type=*/**/*.parquet")):
                raise ArchiveError(
                    f"{root} holds Parquet files, but no {CATALOGUE}: restore it from a copy, or archive elsewhere"
                )
            _make(self.path, shards)
        self._connection = _connect(self.path)
        with self._failing():
            layout, self.shards = self._connection.execute("SELECT layout, shards FROM archive").fetchone()
        if layout != LAYOUT:
            raise ArchiveError(f"{self.path} has layout {layout}, this Lockstep reads {LAYOUT}: use the one it is from")
        if shards not in (None, self.shards):
            raise ArchiveError(f"{root} is the archive of a log with {self.shards} shards, not {shards}: use another")

    def stands(self) -> dict[int, Stand]:
        """How far each shard is that was begun."""
        rows = self._ask("SELECT shard, start, position, last_offset, last_crc FROM shard ORDER BY shard")
        return {
            shard: Stand(start, position, None if offset is None else (offset, crc))
            for shard, start, position, offset, crc in rows
        }

    def files(self, shard: int | None = None, since: int = 0) -> list[Entry]:
        """The files that are here, by shard and first offset; those that reach beyond the offset ``since``."""
        which, values = ("", [since]) if shard is None else ("AND shard = ?", [since, shard])
        query = f"SELECT {COLUMNS} FROM file WHERE away IS NULL AND last >= ? {which} ORDER BY shard, first, type"
        return [_entry(row) for row in self._ask(query, *values)]

    def gone(self) -> list[Gone]:
        """What expiry took, oldest first."""
        query = f"SELECT {COLUMNS}, away, away_at FROM file WHERE away IS NOT NULL ORDER BY shard, first, type"
        return [Gone(_entry(row[:-2]), row[-2], row[-1]) for row in self._ask(query)]

    def absent(self) -> list[Absent]:
        """What was never archived."""
        return [
            Absent(*row) for row in self._ask("SELECT shard, first, stop, reason FROM absent ORDER BY shard, first")
        ]

    def begins(self, shard: int) -> int:
        """The offset from which on nothing of a shard was taken by expiry; control events never are."""
        query = "SELECT max(last) + 1 FROM file WHERE shard = ? AND away IS NOT NULL"
        (expired,) = self._ask(query, shard)[0]
        stand = self.stands().get(shard)
        return max(stand.start if stand else 0, expired or 0)

    def commit(
        self, files: Sequence[Entry], moves: Mapping[int, tuple[Stand | None, Stand]], absent: Sequence[Absent] = ()
    ) -> None:
        """Take files in, and with them where each shard is now.

        Args:
            files: what was written, under its name already.
            moves: by shard, where the writer believed it was, and where it is with these files.
            absent: what lies between and was not there to be archived.

        Raises:
            SecondWriter: when somebody else has moved a shard.
        """
        with self._transaction():
            stands = self.stands()
            for shard, (before, after) in moves.items():
                if stands.get(shard) != before:
                    raise SecondWriter(f"{self.root}: another process archives events/{shard} here: stop one of them")
                offset, crc = after.last or (None, None)
                self._connection.execute(
                    "REPLACE INTO shard VALUES (?, ?, ?, ?, ?)", (shard, after.start, after.position, offset, crc)
                )
            self._connection.executemany("INSERT INTO absent VALUES (?, ?, ?, ?)", absent)
            self._add(files)

    def swap(self, old: Sequence[Entry], new: Sequence[Entry]) -> None:
        """Let the files ``new`` count instead of ``old``, which hold the same rows.

        Raises:
            ArchiveError: when one of the old ones does not count any more.
        """
        with self._transaction():
            for entry in old:
                self._one("DELETE FROM file", entry)
            self._add(new)

    def send_away(self, entries: Sequence[Entry], root: str, at: int) -> None:
        """Remember that expiry takes files: to another ``root``, or, where that is empty, for good.

        Raises:
            ArchiveError: when one of them does not count any more.
        """
        with self._transaction():
            for entry in entries:
                self._one("UPDATE file SET away = ?, away_at = ?", entry, root, at)

    def bring_back(self, entries: Sequence[Entry], until: int) -> None:
        """Let files count again that expiry took, and leave them alone until then (microseconds of this machine)."""
        with self._transaction():
            for entry in entries:
                self._one("UPDATE file SET away = NULL, away_at = NULL, pinned = ?", entry, until, here=False)

    def pinned(self, now: int) -> frozenset[str]:
        """The paths of files that were brought back, and that expiry still leaves alone at ``now`` (microseconds)."""
        query = f"SELECT {COLUMNS} FROM file WHERE away IS NULL AND pinned > ?"
        return frozenset(_entry(row).path for row in self._ask(query, now))

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> "Catalogue":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _add(self, files: Sequence[Entry]) -> None:
        rows = [(one.shard, *one.place, *one[2:], None, None, None) for one in files]
        self._connection.executemany(f"INSERT INTO file VALUES ({', '.join('?' * 14)})", rows)

    def _one(self, change: str, entry: Entry, *values: object, here: bool = True) -> None:
        """Change the row of one file, which must be there."""
        state = "NULL" if here else "NOT NULL"
        query = f"{change} WHERE away IS {state} AND shard = ? AND first = ? AND last = ? AND type = ? AND date = ?"
        place = entry.place
        key = (entry.shard, entry.first, entry.last, place.type, place.date, place.symbol)
        if self._connection.execute(f"{query} AND symbol IS ?", (*values, *key)).rowcount != 1:
            raise ArchiveError(f"{self.root}: {entry.path} is not in the catalogue any more: somebody else changed it")

    def _ask(self, query: str, *values: object) -> list[Any]:
        with self._failing():
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._failing():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """SQLite's errors as ours.

        Raises:
            ArchiveError: saying what to do.
        """
        try:
            yield
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise _failure(self.path, error) from error


def _entry(row: Sequence[Any]) -> Entry:
    return Entry(row[0], Place(row[1], row[2], row[3]), *row[4:])


def _make(path: Path, shards: int) -> None:
    """A new catalogue, whole before it has its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    connection = sqlite3.connect(draft, isolation_level=None)
    connection.executescript(SCHEMA)
    connection.execute("INSERT INTO archive VALUES (?, ?)", (LAYOUT, shards))
    connection.close()
    draft.rename(path)


def _connect(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error as error:
        raise _failure(path, error) from error
    return connection


def _failure(path: Path, error: sqlite3.Error) -> LogError:
    if isinstance(error, sqlite3.OperationalError):
        return ArchiveError(f"{path}: {error}: is the disk full, or another program holding it?")
    return ArchiveError(f"{path} is damaged: {error}: restore it from a copy")
