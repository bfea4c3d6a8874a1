"""Room on the disk: the archive stops before it is full, because others live there too, the log among them."""

import shutil
from pathlib import Path

from connectors.archive import NoSpace

GIGABYTE = 1_000_000_000


def free(folder: Path) -> int:
    """Free bytes where a folder is, or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def need(folder: Path, least: int, more: int = 0) -> None:
    """Look whether ``more`` bytes can be written with ``least`` bytes left free.

    Raises:
        NoSpace: saying how much there is.
    """
    if (there := free(folder)) < least + more:
        raise NoSpace(
            f"{folder}: {there / GIGABYTE:.2f} GB are free, and {(least + more) / GIGABYTE:.2f} GB are asked for:"
            " make room, let more expire (FEATURE_SERVICE_RETENTION_DAYS), or set LOCKSTEP_ARCHIVE_MIN_FREE_GB"
        )
