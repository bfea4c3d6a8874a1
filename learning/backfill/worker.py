"""Works jobs off, one at a time, the oldest first, day by day."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from datetime import date
from threading import Event
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import structlog

from connectors.bybit.errors import RestError
from connectors.history.coverage import Coverage
from connectors.history.fetch import fetch
from connectors.history.market import Market
from connectors.history.spans import MINUTE, words
from learning.backfill import table
from learning.backfill.control import CANCELLED
from learning.backfill.table import Job
from learning.builds import lock

EVERY = 0.5
"""Seconds between two looks at the queue, and at what is wanted of a job."""
IN_VAIN = 3
"""After so many days in a row for which nothing came at all, the rest is not asked for."""
LOGGER = structlog.get_logger()
MarketOf = Callable[[str], AbstractAsyncContextManager[Market]]
"""Opens the exchange for one symbol."""


class Day(NamedTuple):
    """What became of a day: rows that were fetched, what is missing ('': nothing), and whether anything came."""

    rows: int
    problem: str
    in_vain: bool


class Stopped(Exception):
    """The worker ends; the job goes on another time."""


class Given(Exception):
    """Somebody gave the job up."""


class BackfillWorker:
    """Works off the queue of one database.

    Args:
        url: the database.
        market: opens the exchange for a symbol.
        coverage: what there is, and where rows are saved.
        stop: ends the work when it is set; a job that runs goes on another time.
    """

    def __init__(self, url: str, market: MarketOf, coverage: Coverage, stop: Event | None = None) -> None:
        self.url = url
        self.market = market
        self.coverage = coverage
        self.stop = stop or Event()

    def run(self, until_empty: bool = False) -> None:
        """Work until ``stop`` is set, or with ``until_empty`` until nothing waits.

        Raises:
            psycopg.OperationalError: when the database is away.
        """
        while not self.stop.is_set():
            if self.work_once() is None:
                if until_empty:
                    return
                self.stop.wait(EVERY)

    def work_once(self, only: UUID | None = None) -> UUID | None:
        """Work off the oldest job that nobody works off, or ``only`` one; which it was, None where there is none."""
        with closing(self._connect()) as connection:
            if (job := self._claim(connection, only)) is None:
                return None
            self._work(connection, job)
        return job.id

    def _claim(self, connection: psycopg.Connection[Any], only: UUID | None) -> Job | None:
        for candidate in table.waiting(connection):
            if only not in (None, candidate.id) or not lock.take(connection, candidate.id):
                continue
            job = table.get(connection, candidate.id)
            if job and not job.over:
                if job.status == "in_progress":
                    LOGGER.warning("backfill.recovered", job_id=str(job.id), symbol=job.symbol)
                return job
            lock.release(connection, candidate.id)
        return None

    def _work(self, connection: psycopg.Connection[Any], job: Job) -> None:
        """Work one job off, holding its lock, and say in its row what came of it."""
        LOGGER.info("backfill.begun", job_id=str(job.id), symbol=job.symbol, types=job.data_types)
        try:
            table.begin(connection, job.id)
            asyncio.run(_Work(self, connection, job).go())
            _finish(connection, job.id)
        except Given:
            table.end(connection, job.id, "failed", CANCELLED, cancelled=True)
            LOGGER.info("backfill.cancelled", job_id=str(job.id))
        except Stopped:
            LOGGER.info("backfill.interrupted", job_id=str(job.id))
        except (RestError, OSError) as problem:
            table.end(connection, job.id, "failed", str(problem))
            LOGGER.warning("backfill.failed", job_id=str(job.id), error=str(problem))
        except psycopg.Error:
            raise
        except Exception as problem:
            LOGGER.exception("backfill.defect", job_id=str(job.id))
            table.end(connection, job.id, "failed", f"{type(problem).__name__}: {problem}")

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            self.url,
            autocommit=True,
            connect_timeout=10,
            application_name="lockstep backfill",
            options="-c timezone=UTC",
        )


class _Work:
    """One job that is being worked off."""

    def __init__(self, worker: BackfillWorker, connection: psycopg.Connection[Any], job: Job) -> None:
        self.worker = worker
        self.connection = connection
        self.job = job
        self.launch: int | None = None

    async def go(self) -> None:
        """Fetch every day that is not complete, and look now and then whether somebody wants no more of it.

        Raises:
            Given, Stopped: when it must end.
            RestError: when the exchange does not even tell its time.
        """
        working = asyncio.create_task(self._days())
        try:
            while not working.done():
                await asyncio.wait([working], timeout=EVERY)
                self._look()
            await working
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    def _look(self) -> None:
        if self.worker.stop.is_set():
            raise Stopped
        if table.cancel_wanted(self.connection, self.job.id):
            raise Given

    async def _days(self) -> None:
        in_vain, problem = 0, ""
        async with self.worker.market(self.job.symbol) as market:
            self.launch = await _launch(market, self.job.symbol)
            for day in self.job.dates:
                if day in self.job.completed_dates:
                    continue
                if in_vain >= IN_VAIN:
                    table.missed(self.connection, self.job.id, day, f"not asked for: {problem}", 0)
                    continue
                found = await self._day(market, day)
                in_vain = in_vain + 1 if found.in_vain else 0
                problem = found.problem

    async def _day(self, market: Market, day: date) -> Day:
        """Fetch what is missing of a day, and note what came of it."""
        job, files = self.job, self.worker.coverage.files
        table.at(self.connection, job.id, day)
        now = await market.time() // MINUTE * MINUTE
        rows, problems, asked = 0, [], 0
        for raw in job.data_types:
            wanted = self.worker.coverage.missing_of_day(raw, job.symbol, day, now)
            if not wanted:
                continue
            asked += 1
            found = await fetch(market, files, raw, job.symbol, wanted, self.launch)
            rows += found.rows
            if found.missing:
                problems.append(f"{raw}: {words(found.missing)} missing: {found.problem}")
        problem = "; ".join(problems)
        if problem:
            table.missed(self.connection, job.id, day, problem, rows)
            LOGGER.warning("backfill.missing", job_id=str(job.id), symbol=job.symbol, date=str(day), problem=problem)
        else:
            table.done(self.connection, job.id, day, rows)
        return Day(rows, problem, bool(problem) and rows == 0 and len(problems) == asked)


async def _launch(market: Market, symbol: str) -> int | None:
    """When the symbol was listed; None where the exchange does not say."""
    try:
        listed = await market.instruments(symbol)
    except RestError as problem:
        LOGGER.warning("backfill.unlisted", symbol=symbol, problem=str(problem))
        return None
    return listed[0].launch if listed else None


def _finish(connection: psycopg.Connection[Any], job: UUID) -> None:
    """All days were gone through: say what is missing, if anything is."""
    found = table.get(connection, job)
    if found is None:
        return
    if found.failed_dates:
        days = sorted(found.failed_dates)
        told = "; ".join(f"{day}: {found.failed_dates[day]}" for day in days)
        why = f"{len(days)} of {len(found.dates)} days are not complete: {told}"
        table.end(connection, job, "failed", why)
        LOGGER.warning("backfill.incomplete", job_id=str(job), symbol=found.symbol, failed=days)
        return
    table.end(connection, job, "completed")
    LOGGER.info("backfill.completed", job_id=str(job), symbol=found.symbol, rows=found.rows_saved)
