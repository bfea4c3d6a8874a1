"""Working off the queue: what the daemon runs in a process of its own."""

from collections.abc import Callable
from pathlib import Path
from threading import Event

import msgspec

from connectors.log import Log
from learning.backfill.automatic import Prepare, Ready
from learning.builds.announce import Announcer
from learning.builds.worker import Make, Worker
from learning.datasets import build
from learning.datasets.metadata import DatasetMetadata, Progress, save_metadata
from learning.datasets.request import DatasetRequest
from operators.registry import Registry


def work(
    log: Log,
    shards: int,
    url: str,
    registry_of: Callable[[str], Registry],
    *,
    amqp_url: str | None = None,
    until_empty: bool = False,
    stop: Event | None = None,
    workers: int = 1,
    history: Prepare | None = None,
) -> None:
    """Build what waits in the table ``datasets``, the most urgent first, until ``stop`` is set.

    Whatever ran or was announced to nobody when the last worker ended is taken up first.

    Args:
        log: with the topics ``events``, ``features`` and ``datasets``.
        shards: how many each has.
        url: the database.
        registry_of: the feature registry of a version; raises LookupError for an unknown one.
        amqp_url: RabbitMQ, where finished datasets are told on ``features.dataset.ready`` too.
        until_empty: end when nothing waits; what is paused stays so.
        stop: set it to end; builds that run are interrupted, and begin again next time.
        workers: processes that compute the rows of a build.
        history: gives each build the log that it is to read, see ``learning.backfill.automatic``; None: ``log``.

    Raises:
        psycopg.OperationalError: when the database is away.
        LogError: when the log cannot take what is to be told.
    """
    worker(log, shards, url, registry_of, amqp_url, stop, workers, history).run(until_empty)


def worker(
    log: Log,
    shards: int,
    url: str,
    registry_of: Callable[[str], Registry],
    amqp_url: str | None = None,
    stop: Event | None = None,
    workers: int = 1,
    history: Prepare | None = None,
) -> Worker:
    """A worker over a log; the arguments are those of ``work``."""
    return Worker(url, maker(log, shards, registry_of, workers, history), Announcer(url, log, shards, amqp_url), stop)


def maker(
    log: Log,
    shards: int,
    registry_of: Callable[[str], Registry],
    workers: int = 1,
    history: Prepare | None = None,
) -> Make:
    """Builds datasets from a log, with so many processes where there is enough to do."""

    def make(
        request: DatasetRequest, registry: str, folder: Path, progress: Callable[[Progress], None]
    ) -> DatasetMetadata:
        chosen = registry_of(registry)
        ready = history(request, chosen, progress) if history else Ready(log, {})
        made = build(ready.log, shards, request, chosen, folder, progress=progress, workers=workers)
        if ready.about:
            made = msgspec.structs.replace(made, backfill=ready.about)
            save_metadata(made, folder)
        return made

    return make
