"""History for datasets: where one asks for more than there is, it is fetched first; and what was fetched is read."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import structlog

from connectors.history.coverage import Coverage
from connectors.history.kinds import RawType, parted, types_for
from connectors.history.log import HistoryLog
from connectors.history.spans import MINUTE, Span, days_of, merged, within, words
from connectors.log import Log
from learning.backfill import table
from learning.backfill.asked import Wanted, sources_of
from learning.backfill.table import Job
from learning.backfill.worker import BackfillWorker, MarketOf
from learning.datasets.metadata import Progress
from learning.datasets.request import DatasetRequest, chosen, deviation_of
from learning.datasets.splits import first_and_end, lay_out
from operators.engine import Cursor
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from operators.registry import Registry

PATIENCE = 300.0
"""Seconds for which a build waits for what it lacks; then it goes on with what is there."""
LOOK = 0.5
LOGGER = structlog.get_logger()
Told = Callable[[Progress], None]


class Ready(NamedTuple):
    """The log that a dataset is to be built from, and what its metadata are to say about it ({}: nothing)."""

    log: Log
    about: dict[str, Any]


Prepare = Callable[[DatasetRequest, Registry, Told], Ready]
"""Gives a dataset the log that it is to be built from; ``History.ready`` is one."""


class Needs(NamedTuple):
    """What a dataset needs.

    ``sources`` are those of its features, ``offered`` the raw types of them that can be fetched, ``refused`` the others
    with the reason; ``asked`` is the span of its rows, ``window`` begins one look-back before.
    """

    sources: frozenset[str]
    offered: list[RawType]
    refused: dict[RawType, str]
    asked: Span
    window: Span


class History:
    """Gives each dataset the log that it is to be built from.

    Args:
        log: the live log.
        root: of the archive, below which fetched rows are.
        url: the database with the jobs.
        market: opens the exchange; None: nothing is fetched by itself.
        max_days: nothing is fetched by itself where more days are missing.
        patience: seconds to wait for it.
        clock: microseconds UTC.
        below: what fetched rows are put into, where that is not ``log``: its archive.
    """

    def __init__(
        self,
        log: Log,
        root: Path,
        url: str = "",
        market: MarketOf | None = None,
        max_days: int = 90,
        patience: float = PATIENCE,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000,
        below: Log | None = None,
    ) -> None:
        self.log = log
        self.coverage = Coverage(root, log)
        self.root = root
        self.url = url
        self.market = market
        self.max_days = max_days
        self.patience = patience
        self.clock = clock
        self.below = below or log

    def ready(self, request: DatasetRequest, registry: Registry, progress: Told = lambda _: None) -> Ready:
        """Fetch what the dataset lacks, where that can be done, and say what it is to be built from.

        Args:
            request: the dataset.
            registry: its features.
            progress: called now and then while it is waited for; may raise, which ends the waiting.
        """
        if request.source == "features" or isinstance(self.log, HistoryLog):
            return Ready(self.log, {})
        needs = needs_of(request, registry, self.clock())
        about = self._fetched(request, needs, progress)
        spans = {} if needs.refused else self._spans(request, needs)
        if not spans:
            return Ready(self.log, about)
        history = HistoryLog(self.below, self.root, request.symbols, needs.window, needs.sources)
        return Ready(history, {**about, "source": "history", "spans": spans})

    def _fetched(self, request: DatasetRequest, needs: Needs, progress: Told) -> dict[str, Any]:
        """Fetch what is missing; what became of it, {} where nothing was missing or nobody fetches."""
        if self.market is None or needs.refused:
            return self._left(request, needs)
        missing = {symbol: found for symbol in request.symbols if (found := self._missing(symbol, needs))}
        if not missing:
            return {}
        if why := too_many(missing, self.max_days):
            LOGGER.info("dataset.not_backfilled", dataset_id=request.dataset_id, because=why)
            return {"fetched": False, "because": why}
        jobs = {symbol: self._job(symbol, found) for symbol, found in missing.items()}
        try:
            ended = [self._wait(job, progress) for job in jobs.values()]
        except psycopg.OperationalError as problem:
            return {"fetched": False, "because": f"the database is away: {problem}"}
        wrong = {job.symbol: job.error_message or f"it was still {job.status}" for job in ended
                 if job.status != "completed"}  # fmt: skip
        return {
            "fetched": not wrong,
            "jobs": [str(job.id) for job in ended],
            "rows": sum(job.rows_saved for job in ended),
            **({"because": wrong} if wrong else {}),
        }

    def _missing(self, symbol: str, needs: Needs) -> dict[RawType, list[Span]]:
        """What is not there of a symbol, by type; nothing where all that was asked for is there."""
        found = {raw: self.coverage.missing(raw, symbol, needs.window) for raw in needs.offered}
        lacks = any(within(spans, needs.asked) for spans in found.values())
        return {raw: spans for raw, spans in found.items() if spans} if lacks else {}

    def _left(self, request: DatasetRequest, needs: Needs) -> dict[str, Any]:
        """What is said of a dataset that is built from what is there."""
        if self.market is None or not needs.refused:
            return {}
        return {"fetched": False, "because": why_refused(needs)}

    def _job(self, symbol: str, missing: dict[RawType, list[Span]]) -> UUID:
        """A job for what is missing; one that is open already will do."""
        days = days_of(merged(span for spans in missing.values() for span in spans))
        wanted = Wanted(symbol, days[0], days[-1], list(missing), {})
        with closing(psycopg.connect(self.url, autocommit=True)) as connection:
            for job in table.waiting(connection):
                if _includes(job, wanted):
                    return job.id
            return table.add(connection, wanted, "dataset")

    def _wait(self, job: UUID, progress: Told) -> Job:
        """Work the job off, or wait for whoever does; how it stands in the end."""
        assert self.market is not None
        worker = BackfillWorker(self.url, self.market, self.coverage, Event())
        deadline = time.monotonic() + self.patience

        def work() -> None:
            while not worker.stop.is_set() and not self._standing(job).over:
                if worker.work_once(job) is None:
                    worker.stop.wait(LOOK)

        thread = Thread(target=work, name=f"backfill {job}", daemon=True)
        thread.start()
        try:
            while thread.is_alive() and time.monotonic() < deadline:
                progress(Progress("rows", 0, 0, 0))
                thread.join(LOOK)
        finally:
            worker.stop.set()
            thread.join()
        return self._standing(job)

    def _standing(self, job: UUID) -> Job:
        with closing(psycopg.connect(self.url, autocommit=True)) as connection:
            found = table.get(connection, job)
        if found is None:
            raise LookupError(f"backfill {job} is gone from the table backfill_jobs")
        return found

    def _spans(self, request: DatasetRequest, needs: Needs) -> dict[str, dict[str, str]]:
        """What was fetched of the window, by symbol and type, as a person reads it; {} where nothing was."""
        files = self.coverage.files
        found = {
            symbol: {tag: words(spans) for tag in files.tags() if (spans := files.covered(tag, symbol, needs.window))}
            for symbol in request.symbols
        }
        return {symbol: tags for symbol, tags in found.items() if tags}


def needs_of(request: DatasetRequest, registry: Registry, now: int) -> Needs:
    """What the features of a dataset are made of, and since when; up to the last whole minute."""
    names = {*chosen(request, registry)}
    if request.target.kind == "risk_adjusted" and (deviation := deviation_of(registry)):
        names.add(deviation)
    sources = sources_of(registry, names)
    # Targets are prices, which candles tell too.
    offered, refused = parted(types_for({*sources, "kline"}))
    start, end = first_and_end(lay_out(request.plan, request.embargo))
    entries = [entry for entry in registry.entries if entry.name in names]
    features = FeatureSet(registry.version, [(entry.name, entry.feature, entry.normalise) for entry in entries])
    lookback = MarketStage(features, Cursor(0)).lookback
    asked = Span(start // MINUTE * MINUTE, min(end, now) // MINUTE * MINUTE)
    return Needs(sources, offered, refused, asked, Span(max(0, start - lookback) // MINUTE * MINUTE, asked.end))


def why_refused(needs: Needs) -> str:
    """Why nothing is fetched for features that need what nobody offers; '' where they do not."""
    if not needs.refused:
        return ""
    told = "; ".join(f"{raw}: {reason}" for raw, reason in needs.refused.items())
    return f"the features need what cannot be fetched, so rows of fetched history would lack them ({told})"


def too_many(missing: dict[str, dict[RawType, list[Span]]], most: int) -> str:
    """Why so many days are not fetched by themselves; '' where they are."""
    days = days_of(merged(span for found in missing.values() for spans in found.values() for span in spans))
    count = (days[-1] - days[0]).days + 1
    return f"{count} days are more than FEATURE_SERVICE_BACKFILL_MAX_DAYS, {most}" if count > most else ""


def _includes(job: Job, wanted: Wanted) -> bool:
    """Whether a job fetches all that is wanted."""
    days = job.start_date <= wanted.start and wanted.end <= job.end_date
    return days and job.symbol == wanted.symbol and set(wanted.data_types) <= set(job.data_types)
