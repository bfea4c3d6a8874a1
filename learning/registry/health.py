"""Whether the files of models are there, are the right ones and can be read, and whether there is room for more."""

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import psycopg

State = Literal["present", "missing", "damaged", "unreadable", "archived"]
ACTIVE = """
select version, file_path, training_config->>'sha256' from model_versions where is_active order by version
"""
ALL = "select version, file_path, training_config->>'sha256' from model_versions order by version"
ARCHIVE = "archive"
"""The folder below the root in which files of old versions are, one archive each."""


class Known(NamedTuple):
    """What the table says of a version's file; ``sha256`` None: another system made it."""

    version: str
    file_path: str
    sha256: str | None


class FileHealth(NamedTuple):
    """What was found of a version's file."""

    version: str
    path: Path
    state: State


class StorageHealth(NamedTuple):
    """The whole folder; bytes."""

    root: Path
    readable: bool
    writable: bool
    total: int
    free: int
    files: list[FileHealth]

    @property
    def problems(self) -> list[str]:
        """What a person must look at, a sentence each."""
        found = [] if self.readable else [f"{self.root} cannot be read: check its permissions"]
        found += [] if self.writable else [f"{self.root} cannot be written: check its permissions"]
        bad = [file for file in self.files if file.state not in ("present", "archived")]
        return found + [
            f"model {file.version}: {file.path} is {file.state}: restore the file or train again" for file in bad
        ]


def known_files(connection: psycopg.Connection, active: bool = False) -> list[Known]:
    """Every version of the table, or the ``active`` ones alone."""
    return [Known(*row) for row in connection.execute(ACTIVE if active else ALL).fetchall()]


def storage_health(root: Path, known: Iterable[Known]) -> StorageHealth:
    """Look at the folder and at each file; a folder that was never made counts as the nearest one above it."""
    place = next(path for path in (root, *root.parents) if path.exists())
    usage = shutil.disk_usage(place)
    return StorageHealth(
        root,
        os.access(place, os.R_OK | os.X_OK),
        os.access(place, os.W_OK | os.X_OK),
        usage.total,
        usage.free,
        [file_health(root, one) for one in known],
    )


def file_health(root: Path, known: Known) -> FileHealth:
    """One file: is it there, can it be read, is it the one that was trained?"""
    path = local_path(root, known.file_path)
    try:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        archived = archive_path(root, known.version).is_file()
        return FileHealth(known.version, path, "archived" if archived else "missing")
    except OSError:
        return FileHealth(known.version, path, "unreadable")
    return FileHealth(known.version, path, "present" if known.sha256 in (None, content) else "damaged")


def local_path(root: Path, file_path: str) -> Path:
    """Where the logical path of the table is on this machine.

    >>> local_path(Path("/srv/store"), "/models/v1/model.ubj").as_posix()
    '/srv/store/v1/model.ubj'
    """
    return root / file_path.removeprefix("/models/").lstrip("/")


def archive_path(root: Path, version: str) -> Path:
    """Where an archived version is."""
    return root / ARCHIVE / f"{version}.tar"
