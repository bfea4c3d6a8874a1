"""Changing what an archive consists of: drafts get their names, one process at a time, and leftovers are cleared."""

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from connectors.archive.catalogue import Catalogue
from connectors.archive.entries import Entry
from connectors.archive.layout import LOCK, WRITING

SYNCED = 16
"""Files that are synced at a time."""


@contextlib.contextmanager
def changing(root: Path) -> Iterator[None]:
    """Be the only process that gives files their names, or takes them away, until the catalogue says the same."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Drafts:
    """A folder for files that have no name yet. It is held while the process lives, and nobody reads it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / WRITING / f"{os.getpid()}-{secrets.token_hex(4)}"
        with changing(root):
            self.folder.mkdir(parents=True)
            self._held = (self.folder / "held").open("w")
            fcntl.flock(self._held, fcntl.LOCK_EX)
        self._number = 0

    def next(self) -> Path:
        """A path to write to."""
        self._number += 1
        return self.folder / f"{self._number:09d}.part"

    def close(self) -> None:
        """Remove the folder with what is in it."""
        self._held.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def name(root: Path, drafts: Sequence[tuple[Path, Entry]]) -> None:
    """Give written files their names, durably. Only within ``changing``."""
    sync(draft for draft, _ in drafts)
    folders = set()
    for draft, entry in drafts:
        path = root / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.rename(path)
        folders |= set(path.parents[:4])
    sync(sorted(folders))


def sync(paths: Iterable[Path]) -> None:
    """Make files, and what was renamed in folders, durable: all at once, as the disk waits for each by itself."""
    with ThreadPoolExecutor(SYNCED) as pool:
        list(pool.map(_sync, paths))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(root: Path, entries: Iterable[Entry]) -> None:
    """Remove files that count no more, and the folders that are empty without them."""
    for entry in entries:
        path = root / entry.path
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            for folder in list(path.parents)[:3]:
                folder.rmdir()


def clear(root: Path, catalogue: Catalogue) -> list[str]:
    """Remove what killed processes left: files that are not in the catalogue, and drafts. Returns their names."""
    with changing(root):
        known = {entry.path for entry in catalogue.files()}
        left = [path for path in sorted(root.glob("type=*/date=*/symbol=*/*")) if not _known(root, path, known)]
        for path in left:
            path.unlink()
        for folder in sorted((root / WRITING).glob("*")):
            if not _is_held(folder):
                shutil.rmtree(folder, ignore_errors=True)
    return [path.relative_to(root).as_posix() for path in left]


def _known(root: Path, path: Path, known: set[str]) -> bool:
    return path.relative_to(root).as_posix() in known


def _is_held(folder: Path) -> bool:
    try:
        with (folder / "held").open("r+") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False
