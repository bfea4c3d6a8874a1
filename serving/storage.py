"""Whether models can be stored and read."""

import os
import shutil
from pathlib import Path

from pydantic import BaseModel, Field

WARNING, CRITICAL = 0.1, 0.05
"""Shares of the disk: with less free space there is a warning, and it is critical."""


class DiskSpace(BaseModel):
    """Bytes; ``available`` is what this account may use."""

    total: int = Field(examples=[500_000_000_000])
    used: int = Field(examples=[200_000_000_000])
    free: int = Field(examples=[300_000_000_000])
    available: int = Field(examples=[300_000_000_000])


def place_of(folder: Path) -> Path:
    """The folder, or while it was not made yet the nearest one above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def disk_space(path: Path) -> DiskSpace:
    """The disk that holds a path."""
    usage, stat = shutil.disk_usage(path), os.statvfs(path)
    return DiskSpace(total=usage.total, used=usage.used, free=usage.free, available=stat.f_bavail * stat.f_frsize)


def accessible(path: Path) -> tuple[bool, bool]:
    """Whether it can be written, and read."""
    return os.access(path, os.W_OK | os.X_OK), os.access(path, os.R_OK | os.X_OK)
