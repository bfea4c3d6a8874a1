"""Who reads an archive right now, and from where: expiry leaves that alone.

Each reading process has a small file that it keeps locked. When it ends, however it ends, the lock is gone, and the
file means nothing any more.
"""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import msgspec

from connectors.archive.changes import changing
from connectors.archive.layout import HOLDS

REST = 900.0
"""Seconds for which a process that read, and reads nothing now, is taken to be between two looks."""
EVERY = 5.0
"""Seconds between two words about how far a reader is."""


class Said(msgspec.Struct):
    """What a holding process says: from which offset of which shard on it reads, and since when it reads nothing."""

    pid: int
    since: dict[int, int]
    idle: float | None = None


class Held(NamedTuple):
    """A process that reads the shard from ``offset`` on."""

    pid: int
    offset: int


class Holds:
    """What this process reads of the archive in ``root``; several threads may say so.

    Where the folder cannot be written nothing is said: nobody could expire anything there either.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._file: FileIO | None = None
        self._length = 0
        self._readers: dict[object, tuple[int, int]] = {}
        self._lowest: dict[int, int] = {}
        self._said = 0.0
        self._lock = Lock()

    def take(self, reader: object, shard: int, offset: int) -> None:
        """``reader`` will read a shard from ``offset`` on."""
        with self._lock:
            self._readers[reader] = (shard, offset)
            if self._file is None or self._lowest.get(shard, offset + 1) > offset:
                self._say_first()

    def move(self, reader: object, offset: int) -> None:
        """``reader`` is at ``offset``; told to others now and then."""
        with self._lock:
            shard, _ = self._readers[reader]
            self._readers[reader] = (shard, offset)
            if time.monotonic() - self._said > EVERY:
                self._say()

    def drop(self, reader: object) -> None:
        """``reader`` reads no more."""
        with self._lock:
            if self._readers.pop(reader, None) is not None and not self._readers:
                self._say(idle=True)

    @contextmanager
    def everything(self, shards: int) -> Iterator[None]:
        """Hold the whole archive for a while."""
        tokens = [object() for _ in range(shards)]
        for shard, token in enumerate(tokens):
            self.take(token, shard, 0)
        try:
            yield
        finally:
            for token in tokens:
                self.drop(token)

    def close(self) -> None:
        """Nothing is read any more."""
        with self._lock:
            if self._file is not None:
                Path(self._file.name).unlink(missing_ok=True)
                self._file.close()
            self._file = None

    def _say_first(self) -> None:
        """Say something that expiry must hear before it goes on: it waits while others change the archive."""
        try:
            with changing(self.root):
                if self._file is None:
                    self._open()
                self._say()
        except OSError:
            self._file = None

    def _open(self) -> None:
        path = self.root / HOLDS / f"{os.getpid()}-{secrets.token_hex(4)}.json"
        path.parent.mkdir(exist_ok=True)
        self._file = path.open("wb", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def _say(self, idle: bool = False) -> None:
        if not idle:
            self._lowest = {}
            for shard, offset in self._readers.values():
                self._lowest[shard] = min(offset, self._lowest.get(shard, offset))
        self._said = time.monotonic()
        if self._file is not None:
            said = msgspec.json.encode(Said(os.getpid(), self._lowest, time.time() if idle else None))
            self._length = max(self._length, len(said))
            os.pwrite(self._file.fileno(), said.ljust(self._length), 0)  # whole for whoever reads it


def held(root: Path, now: float | None = None, tidy: bool = False) -> dict[int, list[Held]]:
    """By shard, who reads it from which offset on. With ``tidy``, within ``changing``, what dead ones left goes."""
    found: dict[int, list[Held]] = {}
    for path in sorted((root / HOLDS).glob("*.json")):
        said = _read(path, tidy)
        if said is None or (said.idle is not None and (now or time.time()) - said.idle > REST):
            continue
        for shard, offset in said.since.items():
            found.setdefault(shard, []).append(Held(said.pid, offset))
    return found


def holding(log: Any) -> AbstractContextManager[None]:
    """While something long reads a log: expiry leaves all of it alone, where the log is, or stands on, an archive."""
    while log is not None:
        if (hold := getattr(log, "hold", None)) is not None:
            return hold()  # type: ignore[no-any-return]
        log = getattr(log, "log", None)
    return nullcontext()


def lowest(holds: Mapping[int, list[Held]], shard: int) -> Held | None:
    """Who reads the earliest part of a shard."""
    return min(holds.get(shard, ()), key=lambda one: one.offset, default=None)


def _read(path: Path, tidy: bool) -> Said | None:
    """What a process says that lives; None where it does not."""
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return msgspec.json.decode(file.read() or b'{"pid": 0, "since": {}}', type=Said)
            if tidy:
                path.unlink(missing_ok=True)
    except FileNotFoundError:
        pass
    return None
