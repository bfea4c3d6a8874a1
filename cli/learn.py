"""``lockstep learn``: trains, watches and promotes models, beside the trading flow and never in its way."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from threading import Event
from typing import TYPE_CHECKING, Annotated

import psycopg
import structlog
import typer

from cli.alone import alone
from cli.asked_to_stop import asked_to_stop
from cli.context import Context, amqp_url
from cli.flow import WAIT_FOR_LEASE, log_name, shards_of
from cli.processes import HURRY, Processes
from cli.registries import registry_of
from cli.sources import FromKept, Kept
from cli.topics import create_topics
from cli.workshop import Apprentice, connect, gently
from connectors.log import Log, LogUnavailable
from connectors.measures import Measures
from connectors.postgres.lease import Lease

if TYPE_CHECKING:
    from dataflows.learn import Learner
    from learning.governor.quality import QualityPoint

LOCK = "running"
ALREADY = "process {pid} already learns here: stop it first, or ask it with lockstep train"
PATIENCE = 600.0
"""Seconds for which the database may be away."""
LOOK = 0.5
"""Seconds between two looks at a log with nothing new."""
AGAIN = 5.0
"""Seconds before a builder that ended is started again."""
BUILDS = "builds"


def learn(
    builds: Annotated[bool, typer.Option(help="Build the datasets that were asked for, too.")] = True,
    only_builds: Annotated[
        bool, typer.Option("--only-builds", hidden=True, help="What our own child is told.")
    ] = False,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="Stop when nothing is to be done and nothing runs.")
    ] = False,
    source: FromKept = Kept.log,
) -> None:
    """Train models when it is time, run candidates in shadow, promote and demote, and build datasets, until Ctrl-C."""
    stop = asked_to_stop()
    with Context() as context:
        context.database_url()  # neither a server that is started here nor the guardian must be as patient as we are
        if only_builds:
            gently()
            _build(context, _log(context, source), stop)
            return
        children = Processes(context.home / "processes", context.home / "logs")
        children.guard()
        gently()
        try:
            with alone(context.path("learn", LOCK), ALREADY), closing(_log(context)) as log:
                _learn(context, log, children, stop, builds, until_idle, source)
        finally:
            children.stop_all(HURRY)


def _log(context: Context, source: str = Kept.log) -> Log:
    log = context.open_log(source)
    create_topics(log, context.settings)
    return log


def _learn(
    context: Context, log: Log, children: Processes, stop: Event, builds: bool, until_idle: bool, source: str
) -> None:
    """The daemon follows the log itself; trainings and datasets are made from ``source``."""
    from dataflows.learn import Learner
    from dataflows.learn_status import StatusFile

    url, shards = context.database_url(), shards_of(log, context.settings.shards)
    connect(url).close()
    with Lease(url, "learn/0", PATIENCE) as lease, Lease(url, "models/0", PATIENCE) as writing:
        lease.take(f"learn {log_name(context)}", 0, WAIT_FOR_LEASE)
        runner = Apprentice(context, children, {"DATABASE_URL": url}, source)
        learner = Learner(
            log, shards, runner, storer(url), writer(writing, context), StatusFile(context.home / "learn")
        )
        try:
            with Measures(context.home / "metrics", "learn", 0, lambda measures: counted(learner, measures)):
                builder = Builder(children, url, source) if builds else None
                _follow(learner, builder, stop, until_idle)
        finally:
            learner.close()


def _follow(learner: "Learner", builder: "Builder | None", stop: Event, until_idle: bool) -> None:
    """Step until we are told to stop. A log that is away for a moment is waited for."""
    while not stop.is_set():
        try:
            actions = learner.step()
            if builder is not None:
                builder.mend()
            idle = not actions and not learner.runner.busy() and not learner.governor.queue.waiting
            if until_idle and idle and learner.governor.queue.running is None:
                return
            learner.wait(LOOK)
        except LogUnavailable as error:
            structlog.get_logger().warning("log.away", error=str(error))
            stop.wait(1.0)


class Builder:
    """The process that builds datasets; it dies with us, and is started again when it dies alone."""

    def __init__(self, children: Processes, url: str, source: str) -> None:
        self.children = children
        self.command = [sys.executable, "-m", "cli.main", "learn", "--only-builds", "--source", source]
        self.env = {"DATABASE_URL": url}
        self.started = time.monotonic() - AGAIN

    def mend(self) -> None:
        """See that it runs."""
        gone = BUILDS not in self.children.children or self.children.returncode(BUILDS) is not None
        if gone and time.monotonic() > self.started + AGAIN:
            self.started = time.monotonic()
            self.children.start(BUILDS, self.command, self.env)


def _build(context: Context, log: Log, stop: Event) -> None:
    from cli.backfill_parts import history_of
    from learning.builds.work import work
    from learning.datasets.parallel import cores

    url = amqp_url(context.settings) if context.settings.amqp_url else None
    shards = shards_of(log, context.settings.shards)
    workers = context.settings.dataset_workers or cores()
    work(
        log,
        shards,
        context.database_url(),
        lambda version: registry_of(context, version),
        amqp_url=url,
        stop=stop,
        workers=workers,
        history=history_of(context, log).ready,
    )


def writer(lease: Lease, context: Context) -> Callable[[], AbstractContextManager[None]]:
    """Who holds it is the only one to write model events: two that mix theirs would leave shards that disagree."""
    name = f"models {log_name(context)}"

    @contextmanager
    def sole() -> Iterator[None]:
        lease.take(name, 0, WAIT_FOR_LEASE)
        try:
            yield
        finally:
            lease.give_back(name, 0)

    return sole


def storer(url: str) -> "Callable[[Sequence[QualityPoint]], None]":
    """Stores the figures of each hour in ``model_quality_metrics``; repeating it changes nothing.

    While the database is away they are kept for the next time.
    """
    from learning.registry.metrics import Metric
    from learning.registry.versions import record_metrics
    from schemas.model import ONLINE

    kept: list[QualityPoint] = []

    def store(points: "Sequence[QualityPoint]") -> None:
        kept.extend(point for point in points if point.version not in (None, ONLINE))
        if not kept:
            return
        try:
            with closing(connect(url)) as connection:
                while kept:
                    point = kept[0]
                    live = [
                        Metric(name, value, "live", point.ts, point.samples) for name, value in point.metrics.items()
                    ]
                    record_metrics(connection, str(point.version), live)
                    del kept[0]
        except psycopg.OperationalError as error:
            structlog.get_logger().warning("learn.database_away", waiting=len(kept), error=str(error).strip())

    return store


def counted(learner: "Learner", measures: Measures) -> None:
    """Hand what was done to the measures."""
    governor = learner.governor
    measures.gauge("training_queue", len(governor.queue.waiting))
    measures.gauge("training_running", float(governor.queue.running is not None))
    for status, total in governor.trainings.copy().items():
        measures.counted("trainings_total", total, status=status)
    for (strategy, kind), total in governor.alarms.counts.copy().items():
        measures.counted("model_alerts_total", total, strategy=strategy, kind=kind)
