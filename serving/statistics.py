"""Collects the statistics, part by part; a part that cannot be collected says so and holds nobody else up."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil

from connectors.log import LogError
from connectors.measures import read_reports
from connectors.rabbitmq.depths import GATEWAY, BrokerAway, Depth, depths
from serving import processing
from serving.health import Health
from serving.kept import Kept
from serving.site import Site
from serving.stats_out import (
    FlowOut,
    ProcessingOut,
    QueueOut,
    ServiceOut,
    StatsOut,
    StorageOut,
    StoredOut,
    WindowsOut,
    problem_of,
)
from serving.stored_bytes import stored
from serving.times import iso, now
from serving.view import View

STORAGE_EVERY, PROCESSING_EVERY, QUEUES_EVERY = 10.0, 2.0, 2.0
"""Seconds for which a part is kept: folders are walked, the log and the broker are asked."""
NO_BROKER = "AMQP_URL is not set: there is no broker to ask"


class Statistics:
    """Everything that ``/stats`` tells of one installation; safe between threads."""

    def __init__(self, view: View, health: Health, site: Site) -> None:
        self._view, self._health, self._site = view, health, site
        self._storage = Kept(self._find_storage, STORAGE_EVERY)
        self._processing = Kept(self._find_processing, PROCESSING_EVERY)
        self._queues = Kept(self._find_queues, QUEUES_EVERY)

    def storage(self) -> StorageOut:
        """What the folders hold."""
        return self._storage.get()

    def processing(self) -> ProcessingOut:
        """How much was processed lately."""
        return self._processing.get()

    def subscriptions(self) -> list[QueueOut]:
        """The queues of ws-gateway."""
        return self._queues.get()

    def windows(self, symbol: str | None = None) -> list[WindowsOut]:
        """The rolling windows of every symbol, or of one."""
        return [
            WindowsOut(
                symbol=one.symbol,
                intervals=one.intervals,
                total_trades_count=one.trades,
                total_klines_count=one.klines,
                memory_usage_bytes_estimate=one.memory,
                last_update=iso(one.newest),
            )
            for one in self._view.windows.holdings()
            if symbol in (None, one.symbol)
        ]

    def service(self) -> ServiceOut:
        """What is followed, and how it is."""
        health = self._health.report()
        heard = {*self._view.symbols, *(one.symbol for one in self._view.windows.holdings())}
        return ServiceOut(
            tracked_symbols=sorted(heard),
            service_status=health.status,
            last_health_check=health.timestamp,
            version=health.version,
            flows=_flows(self._site.home / "metrics"),
            error=problem_of(health),
        )

    def everything(self) -> StatsOut:
        """All parts, and what is wrong with which."""
        storage, processed, queues = self.storage(), self.processing(), self.subscriptions()
        service = self.service()
        queue_problems = dict.fromkeys(queue.error for queue in queues if queue.error)
        problems = {
            "storage": storage.error,
            "processing": processed.error,
            "rolling_windows": self._view.log_error,
            "subscriptions": "; ".join(queue_problems),
            "service": service.error,
        }
        return StatsOut(
            storage=storage,
            processing=processed,
            rolling_windows=self.windows(),
            subscriptions=queues,
            service=service,
            collected_at=iso(now()),
            errors={part: problem for part, problem in problems.items() if problem},
        )

    def _find_storage(self) -> StorageOut:
        site = self._site
        folders = {
            "raw_data_storage": site.archive or site.home / "archive",
            "dataset_storage": site.datasets,
            "model_storage": site.models,
            "log_storage": site.log_folder,
        }
        found = {name: _stored(folder) for name, folder in folders.items()}
        problems = [f"{name}: {one.error}" for name, one in found.items() if one.error]
        return StorageOut(**found, error="; ".join(problems) or None)

    def _find_processing(self) -> ProcessingOut:
        time = now()
        ends, origins = self._view.ends.copy(), self._view.latest_origin.copy()
        try:
            if not ends:
                raise LogError(self._view.log_error or "the log is still being looked at")
            with closing(self._site.open_log()) as log:
                vectors = processing.computed(log, ends, time)
                events = processing.processed(log, ends, origins, time)
                newest = processing.newest(log, ends)
        except (LogError, OSError) as error:
            return _unknown(time, f"the log is away: {error}")
        return ProcessingOut(
            features_computed_1h=vectors.hour,
            features_computed_24h=vectors.day,
            events_processed_1h=events.hour,
            events_processed_24h=events.day,
            features_total=vectors.total,
            events_total=events.total,
            log_time=None if newest is None else iso(newest),
            computed_at=iso(time),
        )

    def _find_queues(self) -> list[QueueOut]:
        if self._site.amqp_url is None:
            return [_unknown_queue(queue, NO_BROKER) for queue in GATEWAY]
        try:
            return [_queue(depth) for depth in asyncio.run(depths(self._site.amqp_url))]
        except BrokerAway as problem:
            return [_unknown_queue(queue, str(problem)) for queue in GATEWAY]


def _stored(folder: Path | None) -> StoredOut:
    if folder is None:
        return StoredOut(size_bytes=0, file_count=0)
    found = stored(folder)
    return StoredOut(size_bytes=found.size, file_count=found.files, error=found.problem)


def _unknown(time: int, problem: str) -> ProcessingOut:
    return ProcessingOut(
        features_computed_1h=None,
        features_computed_24h=None,
        events_processed_1h=None,
        events_processed_24h=None,
        features_total=None,
        events_total=None,
        log_time=None,
        computed_at=iso(time),
        error=problem,
    )


def _queue(depth: Depth) -> QueueOut:
    return QueueOut(
        queue_name=depth.queue,
        messages_in_queue=depth.messages,
        active_consumers=depth.consumers,
        subscription_status=depth.state,
    )


def _unknown_queue(queue: str, problem: str) -> QueueOut:
    return QueueOut(
        queue_name=queue, messages_in_queue=None, active_consumers=None, subscription_status="unknown", error=problem
    )


def _flows(folder: Path, alive: Callable[[int], bool] = psutil.pid_exists) -> list[FlowOut]:
    return [
        FlowOut(flow=one.flow, process=one.process, alive=alive(one.pid), last_report=iso(one.updated))
        for one in read_reports(folder)
    ]
