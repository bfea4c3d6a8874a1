"""The recovery directory of a flow: disposable, and thrown away as soon as it does not fit."""

import shutil
from pathlib import Path

from bytewax.recovery import RecoveryConfig, init_db_dir

PARTITIONS = 4
"""Recovery partitions: the most processes of a flow that can each write one."""


def prepare(directory: Path, signature: str) -> None:
    """Make the directory ready for a flow whose state is described by ``signature``.

    State of another signature (another layout, registry or log) is discarded: the flow rebuilds from the log. A new
    directory appears whole or not at all.
    """
    mark = directory / "signature"
    if mark.is_file() and mark.read_text() == signature:
        return
    discard(directory)
    fresh = directory.with_name(directory.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    init_db_dir(fresh, PARTITIONS)
    (fresh / "signature").write_text(signature)
    fresh.rename(directory)


def discard(directory: Path) -> None:
    """Give the state up."""
    shutil.rmtree(directory, ignore_errors=True)


def config(directory: Path) -> RecoveryConfig:
    """What Bytewax wants to know."""
    return RecoveryConfig(str(directory))
