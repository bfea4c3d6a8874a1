"""Where this installation makes its trainings, and the process that makes one for the daemon."""

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import structlog

from cli.context import Context, Exit, UserError
from cli.processes import Processes
from connectors.log import Log

if TYPE_CHECKING:
    from dataflows.workshop import Workshop
    from learning.governor.queue import Request
    from learning.training import Progress
    from operators.trading.stage import InForce
    from schemas.governance import TrainingDone
    from schemas.model import ModelRecord
    from schemas.strategy import Strategy

TRAINING = "training"
"""The child's name."""
EVERY = 0.5
"""Seconds between two words about the progress."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""The trading flow needs the other core more, and one thread always adds up in the same order."""


def workshop(context: Context, log: Log, url: str, shards: int) -> "Workshop":
    """The workshop of an installation: files below ``MODEL_STORAGE_PATH``, versions and metrics in the database."""
    from dataflows.workshop import Workshop
    from learning.files import ModelFiles
    from learning.registry.retention import retain
    from learning.registry.versions import free_version, record_version

    def register(record: "ModelRecord", seconds: float) -> None:
        with closing(connect(url)) as connection:
            record_version(connection, record, seconds)
            put_away = retain(connection, context.models)
        if put_away.archived or put_away.removed:
            structlog.get_logger().info("models.put_away", **put_away._asdict())

    def free(newest: int) -> str:
        with closing(connect(url)) as connection:
            return free_version(connection, newest)

    return Workshop(
        log=log,
        shards=shards,
        registry=context.registry(),
        models=ModelFiles(context.models),
        folder=context.path("learn", "work"),
        register=register,
        free=free,
        told=teller(context),
    )


def connect(url: str) -> psycopg.Connection:
    """A connection in a transaction of its own for each statement.

    Raises:
        UserError: when the tables are missing.
    """
    connection = psycopg.connect(url, autocommit=True, options="-c timezone=UTC")
    if connection.execute("select to_regclass('model_versions')").fetchone() == (None,):
        connection.close()
        raise UserError("the database has no table model_versions: run lockstep migrate up", Exit.DATA)
    return connection


def teller(context: Context) -> "Callable[[Progress], None]":
    """Says how far a training is, in a file that the daemon reads."""
    from dataflows.learn_status import PROGRESS, write_json

    path = context.path("learn", PROGRESS)
    due = 0.0

    def told(progress: "Progress") -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + EVERY
            write_json(path, progress._asdict())

    return told


def gently() -> None:
    """Whatever else wants the processor comes first."""
    os.nice(19)
    os.environ.update(ONE_THREAD)


class Apprentice:
    """Makes each training in a process of its own, which answers on the log itself.

    Killed together with us or alone, it leaves nothing but a version that nobody uses; the request waits on.
    """

    def __init__(self, context: Context, children: Processes, env: dict[str, str], source: str = "log") -> None:
        self.context = context
        self.children = children
        self.source = source
        self.env = {**ONE_THREAD, **env}

    def start(
        self, request: "Request", settings: "Strategy | None", champion: "InForce | None", now: int
    ) -> "TrainingDone | None":
        """Begin; the answer comes by the log."""
        from dataflows.learn_status import PROGRESS
        from dataflows.retrain import unknown

        if settings is None:
            return unknown(request, now)
        self.context.path("learn", PROGRESS).unlink(missing_ok=True)
        said = json.dumps(
            {
                "strategy": request.strategy,
                "symbol": request.symbol,
                "trigger": request.trigger,
                "requests": request.ids,
                "champion": champion,
            }
        )
        command = [sys.executable, "-m", "cli.main", "train", "--source", self.source, "--answer", said]
        self.children.start(TRAINING, command, self.env)
        return None

    def busy(self) -> bool:
        """Whether the process is there."""
        return TRAINING in self.children.children and self.children.returncode(TRAINING) is None

    def killed(self) -> bool:
        """Whether a signal ended it."""
        return TRAINING in self.children.children and (self.children.returncode(TRAINING) or 0) < 0

    def cancel(self) -> None:
        """End it."""
        self.children.stop(TRAINING, grace=0.2)
