"""Folders that appear whole or not at all, whenever the process that writes one dies."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WRITING = ".writing-"
"""Folders that a writer has not finished begin with it."""


@contextmanager
def unfinished(root: Path) -> Iterator[Path]:
    """A new folder beside the finished ones, to be filled and renamed; what dead writers have left is swept away."""
    folder, handle = _begin(root)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _begin(root: Path) -> tuple[Path, int]:
    """A folder and the lock on it, which goes with the process."""
    whole = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(whole, fcntl.LOCK_EX)
        for left in sorted(root.glob(f"{WRITING}*")):
            _sweep(left)
        folder = Path(tempfile.mkdtemp(prefix=WRITING, dir=root))
        folder.chmod(0o755)
        handle = os.open(folder, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
    finally:
        os.close(whole)
    return folder, handle


def _sweep(left: Path) -> None:
    try:
        handle = os.open(left, os.O_RDONLY)
    except FileNotFoundError:  # its writer has just finished
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(left, ignore_errors=True)
    except BlockingIOError:
        return
    finally:
        os.close(handle)


def write(path: Path, content: bytes) -> None:
    """Write a file and wait until it is on the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
