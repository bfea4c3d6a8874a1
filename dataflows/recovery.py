"""The recovery directory of a flow: disposable, and thrown away as soon as it does not fit."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError

import structlog
from bytewax.recovery import (
    InconsistentPartitionsError,
    MissingPartitionsError,
    NoPartitionsError,
    RecoveryConfig,
    init_db_dir,
)

from connectors.log import LogError
from dataflows.partitions import PARTITIONS, damage

REFUSALS = (InconsistentPartitionsError, MissingPartitionsError, NoPartitionsError, UnpicklingError)
"""What Bytewax raises when it cannot go on from a recovery directory."""


class StateUnusable(LogError):
    """The recovery state is damaged, or its parts are not of the same moment; the flow must rebuild from the log."""


def prepare(directory: Path, signature: str) -> None:
    """Make the directory ready for a flow whose state is described by ``signature``; every process of it calls this.

    State of another signature (another layout, registry or log), given up or damaged, is discarded: the flow rebuilds
    from the log. A new directory appears whole or not at all.
    """
    with _alone(directory):
        mark = directory / "signature"
        if mark.is_file() and mark.read_text() == signature:
            if not (reason := damage(directory)):
                return
            structlog.get_logger().warning("recovery.discarded", directory=str(directory), reason=reason)
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


def condemn(directory: Path, reason: str) -> None:
    """Have the next ``prepare`` discard the state; until then other processes may go on using it."""
    structlog.get_logger().warning("recovery.given_up", directory=str(directory), reason=reason)
    (directory / "signature").unlink(missing_ok=True)


def renew(directory: Path, reason: str) -> None:
    """Discard the state at once and make the directory ready again, when no other process uses it."""
    signature = (directory / "signature").read_text()
    condemn(directory, reason)
    prepare(directory, signature)


def config(directory: Path) -> RecoveryConfig:
    """What Bytewax wants to know."""
    return RecoveryConfig(str(directory))


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One process at a time looks at the directory and replaces it."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_name(directory.name + ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
