"""A migrated database, and a log with a session on it."""

from collections.abc import Iterator

import pytest

from connectors.log import Log
from connectors.postgres.migrate import Migrator
from tests.learning.datasets.session import make_log


@pytest.fixture
def url(database_url: str) -> str:
    """A database with our tables."""
    Migrator(database_url).up()
    return database_url


@pytest.fixture(scope="session")
def built_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    """A quarter of an hour of three symbols on two shards."""
    log = make_log(tmp_path_factory.mktemp("builds"), faults=False)
    yield log
    log.close()
