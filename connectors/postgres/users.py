"""Who uses a shared thing: one locked file per user, so that the kernel forgets a user that died."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` alone, across threads and processes; a holder that dies lets go of it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class User:
    """One entry in a folder of users. It ends with ``leave`` or with the process, whatever ends that."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.path = folder / f"{os.getpid()}-{id(self)}"
        self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def leave(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self._handle)


def in_use(folder: Path) -> bool:
    """Whether anybody is there."""
    return any(_alive(path) for path in folder.iterdir()) if folder.exists() else False


def forget_dead(folder: Path) -> None:
    """Remove the entries of users that died; only with the lock held under which users enter."""
    for path in folder.iterdir():
        if not _alive(path):
            path.unlink(missing_ok=True)


def _alive(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
