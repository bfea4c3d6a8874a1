"""Waking readers in other processes within a millisecond, without spinning: datagram sockets in a folder per topic.

A reader that has caught up binds a socket there; whoever appends sends one byte to each. A byte can be lost (a writer
killed between commit and ring, two programs with different temporary folders), so readers also look at the file at long
intervals: the bell makes a reader fast, never right.
"""

import contextlib
import hashlib
import os
import secrets
import select
import socket
import stat
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

UNSETTLED = 0.05
"""Seconds during which another change of a folder could carry the same modification time as the last one."""


def tower(database: Path) -> Path:
    """The folder of the bells of one topic; it exists while somebody reads.

    Socket paths are limited to about 100 bytes, so it lies in the system's temporary folder under a short name.
    """
    top = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())
    name = hashlib.sha256(os.fsencode(database.resolve())).hexdigest()[:20]
    return top / f"lockstep-{os.getuid()}-{name}"


def private(folder: Path) -> bool:
    """Whether the folder is ours alone: anybody may have made one of this name in a shared temporary folder."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


def hang(folder: Path, shard: int) -> "Bell | None":
    """A bell for one shard, or None where sockets cannot be had: then the reader only looks at intervals."""
    for _ in range(3):
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            return Bell(folder, shard) if private(folder) else None
        except FileNotFoundError:
            continue  # the last reader took the folder away in between
        except OSError:
            return None
    return None


class Bell:
    """The reader's side: one socket, rung when something was appended to the shard."""

    def __init__(self, folder: Path, shard: int) -> None:
        self._path = folder / f"{shard}.{os.getpid()}.{secrets.token_hex(4)}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.bind(str(self._path))
        except OSError:
            self._socket.close()
            raise
        # Not select(): it knows no descriptor above 1,023, and a program with many readers has more.
        self._heard = select.poll()
        self._heard.register(self._socket, select.POLLIN)

    def rung(self) -> bool:
        """Whether it rang since the last call."""
        heard = False
        try:
            while True:
                self._socket.recv(64)
                heard = True
        except BlockingIOError:
            return heard

    def wait(self, timeout: float) -> bool:
        """Sleep until it rings (true; the ring stays to be heard) or ``timeout`` seconds passed."""
        return bool(self._heard.poll(timeout * 1000))

    def close(self) -> None:
        """Take the bell down, and the folder with the last one."""
        self._socket.close()
        _take_down(self._path)


class Ringer:
    """The writer's side: knows the bells of a topic, and looks again when the folder changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listed = 0
        self._bells: dict[str, list[str]] = {}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def ring(self, shards: Iterable[int]) -> None:
        """Wake every reader of the shards. Call after the commit, never before."""
        bells = self._current()
        for shard in shards:
            for bell in bells.get(str(shard), ()):
                self._strike(bell)

    def _current(self) -> dict[str, list[str]]:
        try:
            changed = self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            return {}
        if changed != self._listed:
            self._bells = self._list()
            # A folder changed just now may change again under the same time stamp: list it again next time.
            self._listed = changed if time.time() - changed / 1e9 > UNSETTLED else 0
        return self._bells

    def _list(self) -> dict[str, list[str]]:
        bells: dict[str, list[str]] = {}
        with contextlib.suppress(OSError):
            for bell in self._folder.iterdir() if private(self._folder) else ():
                bells.setdefault(bell.name.partition(".")[0], []).append(str(bell))
        return bells

    def _strike(self, bell: str) -> None:
        try:
            self._socket.sendto(b"!", bell)
        except ConnectionRefusedError:
            _take_down(Path(bell))
        except OSError:
            # Full: it is ringing already. Gone: its reader left.
            pass

    def close(self) -> None:
        self._socket.close()


def _take_down(bell: Path) -> None:
    """Remove a bell, and the folder if it was the last."""
    bell.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        bell.parent.rmdir()
