"""The file of one topic of the embedded log: SQLite in WAL mode, clustered by shard and offset.

A row's id is ``shard << 48 | offset``, so each shard is a contiguous run of pages in offset order, and a range of
offsets is a range of ids.

``synchronous=NORMAL``: a commit is a write to the operating system, not to the platter. A process killed at any moment
loses nothing it was told is on the log and leaves nothing half written; a power cut may cost the last commits but not
the file. That is what Kafka promises on one broker; FULL would wait for the disk at every commit.
"""

import os
import secrets
import sqlite3
from pathlib import Path

import msgspec

from connectors.log import LogError, LogUnavailable, TopicInfo, UnknownTopic

OFFSET_BITS = 48
OFFSET_MASK = (1 << OFFSET_BITS) - 1
BUSY_SECONDS = 30.0

SCHEMA = """
CREATE TABLE topic (name TEXT NOT NULL, shards INTEGER NOT NULL, cleanup TEXT NOT NULL, retention_ms INTEGER);
CREATE TABLE shard (
    shard INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,    -- the start: the first offset still there
    next INTEGER NOT NULL,     -- the end: the offset of the next record
    newest INTEGER NOT NULL,   -- greatest timestamp so far, ms
    indexed INTEGER NOT NULL   -- offset of the last row in clock
);
CREATE TABLE record (
    id INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL, key BLOB, value BLOB, headers BLOB
);
-- Every thousand records or so: no record of the shard up to this id has a timestamp above newest.
CREATE TABLE clock (id INTEGER PRIMARY KEY, newest INTEGER NOT NULL);
"""

encode_headers = msgspec.msgpack.Encoder().encode
decode_headers = msgspec.msgpack.Decoder(tuple[tuple[str, bytes], ...]).decode


def connect(path: Path) -> sqlite3.Connection:
    """A connection to an existing topic file.

    Raises:
        UnknownTopic: when there is no such file.
        LogError: when it cannot be opened.
    """
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA cache_size=-8000")
        # Moving the write-ahead log into the file costs some milliseconds: every 32 MB rather than every 8.
        connection.execute("PRAGMA wal_autocheckpoint=4000")
    except sqlite3.Error as error:
        if not path.exists():
            raise UnknownTopic(f"there is no topic {path.stem} in {path.parent}: create it first") from error
        raise failure(path, error) from error
    return connection


def failure(path: Path, error: sqlite3.Error) -> LogError:
    """What to tell about an error of SQLite: busy or full may pass, anything else needs a person."""
    if isinstance(error, sqlite3.OperationalError):
        return LogUnavailable(f"topic {path.stem}: {path}: {error}: is the disk full, or another program holding it?")
    return LogError(f"topic {path.stem}: {path} is damaged: {error}: move it away and copy the topic back")


def create_file(path: Path, topic: TopicInfo) -> None:
    """Write a new topic file whole, then give it its name, so that nobody ever opens a half-made one.

    Raises:
        FileExistsError: when another process was faster.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        connection = sqlite3.connect(draft, isolation_level=None)
        connection.execute("PRAGMA page_size=8192")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(SCHEMA)
        connection.execute(
            "INSERT INTO topic VALUES (?, ?, ?, ?)", (topic.name, topic.shards, topic.cleanup, topic.retention_ms)
        )
        connection.executemany("INSERT INTO shard VALUES (?, 0, 0, 0, 0)", [(n,) for n in range(topic.shards)])
        connection.close()
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
