"""A log and a migrated database, both real."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.log import Log, open_log
from connectors.postgres.migrate import Migrator
from connectors.postgres.stored import Stored
from dataflows.persist import Persist
from tests.persist.written import SHARDS, create


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """An embedded log with every topic."""
    log = open_log(None, tmp_path / "log")
    create(log)
    yield log
    log.close()


@pytest.fixture
def url(database_url: str) -> str:
    """A database with our tables."""
    Migrator(database_url).up()
    return database_url


def store(log: Log, url: str, name: str = "a log", **options: Any) -> Persist:
    """Store everything that is on the log now."""
    work = Persist(log, SHARDS, Stored(url, name), until_end=True, **options)
    work.run()
    return work
