"""Jobs in a table, worked off against the stand-in exchange."""

from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from connectors.history.coverage import Coverage
from connectors.history.kinds import RawType
from learning.backfill import table
from learning.backfill.asked import Wanted
from learning.backfill.table import Job
from learning.backfill.worker import BackfillWorker
from tests.backfill.exchange import Exchange

TYPES: list[RawType] = ["klines", "funding"]


def connect(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True)


def ask(url: str, start: date, end: date, types: list[RawType] | None = None, symbol: str = "BTCUSDT") -> UUID:
    """Put a job into the queue."""
    with closing(connect(url)) as connection:
        return table.add(connection, Wanted(symbol, start, end, types or TYPES, {}))


def job_of(url: str, job: UUID) -> Job:
    with closing(connect(url)) as connection:
        found = table.get(connection, job)
    assert found is not None
    return found


def worker(url: str, exchange: Exchange, root: Path) -> BackfillWorker:
    return BackfillWorker(url, exchange.market, Coverage(root))


def fetched(
    url: str, exchange: Exchange, root: Path, start: date, end: date, types: list[RawType] | None = None
) -> Job:
    """Ask for days and work them off; what became of the job."""
    job = ask(url, start, end, types)
    assert worker(url, exchange, root).work_once() == job
    return job_of(url, job)
