"""The embedded home of the log: one SQLite file a topic in one folder, for many processes on one machine."""

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path

from connectors.log import Cleanup, LogError, NewRecord, TopicInfo
from connectors.log.limits import check_topic, milliseconds
from connectors.log.sqlite_file import create_file
from connectors.log.sqlite_reader import SqliteReader
from connectors.log.sqlite_topic import TopicFile
from connectors.log.sqlite_writer import SqliteWriter

SUFFIX = ".db"


class SqliteLog:
    """A log in the folder ``root``, on a local disk (WAL needs shared memory between its users).

    Safe to share between threads, not across a fork: a child process opens its own.

    >>> from tempfile import mkdtemp
    >>> log = SqliteLog(Path(mkdtemp()))
    >>> log.create("events", shards=2)
    >>> log.append("events", 1, [NewRecord(b"BTCUSDT", b"{}", timestamp=1_700_000_000_000_000)])
    0
    >>> reader = log.reader("events", 1, offset=0)
    >>> reader.poll_raw(100), reader.position, log.end("events", 1), log.end("events", 0)
    ([(0, b'{}')], 1, 1, 0)
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[str, TopicFile] = {}
        self._lock = threading.Lock()
        root.mkdir(parents=True, exist_ok=True)

    def create(self, topic: str, shards: int, cleanup: Cleanup = "delete", retention_ms: int | None = None) -> None:
        path = self._path(check_topic(topic, shards))
        if not path.exists():
            with contextlib.suppress(FileExistsError):
                create_file(path, TopicInfo(topic, shards, cleanup, retention_ms))
        if (there := self._file(topic).info.shards) != shards:
            raise LogError(
                f"topic {topic} exists with {there} shards, not {shards}: "
                f"ask for {there}, or copy it into a new topic (lockstep log copy)"
            )

    def append(self, topic: str, shard: int, records: Sequence[NewRecord]) -> int:
        return self._file(topic).append(shard, records)

    def writer(self, topic: str, shard: int) -> SqliteWriter:
        return SqliteWriter(self._file(topic), shard)

    def reader(self, topic: str, shard: int, offset: int) -> SqliteReader:
        self._file(topic).check_shard(shard)
        return SqliteReader(self._path(topic), shard, offset)

    def start(self, topic: str, shard: int) -> int:
        return self._file(topic).bounds(shard)[0]

    def end(self, topic: str, shard: int) -> int:
        return self._file(topic).bounds(shard)[1]

    def offset_at(self, topic: str, shard: int, timestamp: int) -> int:
        return self._file(topic).offset_at(shard, milliseconds(timestamp))

    def trim(self, topic: str, shard: int, before: int) -> None:
        file = self._file(topic)
        if file.info.cleanup == "compact":
            raise LogError(f"topic {topic} is compacted: it keeps the last record of each key and is not trimmed")
        file.trim(shard, before)

    def maintain(self, topic: str) -> None:
        self._file(topic).maintain()

    def size(self, topic: str) -> int:
        """Bytes of the file and its write-ahead log, free pages included."""
        self._file(topic)
        parts = (self._path(topic), self._path(topic).with_suffix(f"{SUFFIX}-wal"))
        return sum(part.stat().st_size for part in parts if part.exists())

    def topics(self) -> list[TopicInfo]:
        return [self._file(path.stem).info for path in sorted(self._root.glob(f"[!.]*{SUFFIX}"))]

    def address(self) -> dict[str, str]:
        """Where another process finds it (``connectors.log.address``)."""
        return {"home": "sqlite", "root": str(self._root.resolve())}

    def close(self) -> None:
        with self._lock:
            for file in self._files.values():
                file.close()
            self._files.clear()

    def _path(self, topic: str) -> Path:
        return self._root / f"{topic}{SUFFIX}"

    def _file(self, topic: str) -> TopicFile:
        with self._lock:
            if topic not in self._files:
                self._files[topic] = TopicFile(self._path(check_topic(topic)))
            return self._files[topic]
