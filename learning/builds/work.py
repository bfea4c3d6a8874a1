"""Working off the queue: what the daemon runs in a process of its own."""

from collections.abc import Callable
from pathlib import Path
from threading import Event

from connectors.log import Log
from learning.builds.announce import Announcer
from learning.builds.worker import Make, Worker
from learning.datasets import build
from learning.datasets.metadata import DatasetMetadata, Progress
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

    Raises:
        psycopg.OperationalError: when the database is away.
        LogError: when the log cannot take what is to be told.
    """
    worker(log, shards, url, registry_of, amqp_url, stop).run(until_empty)


def worker(
    log: Log,
    shards: int,
    url: str,
    registry_of: Callable[[str], Registry],
    amqp_url: str | None = None,
    stop: Event | None = None,
) -> Worker:
    """A worker over a log; the arguments are those of ``work``."""
    return Worker(url, maker(log, shards, registry_of), Announcer(url, log, shards, amqp_url), stop)


def maker(log: Log, shards: int, registry_of: Callable[[str], Registry]) -> Make:
    """Builds datasets from a log."""

    def make(
        request: DatasetRequest, registry: str, folder: Path, progress: Callable[[Progress], None]
    ) -> DatasetMetadata:
        return build(log, shards, request, registry_of(registry), folder, progress=progress)

    return make
