"""A migrated database."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from connectors.postgres.migrate import Migrator
from tests.learning.registry.made import connect


@pytest.fixture
def url(database_url: str) -> str:
    """A database with our tables."""
    Migrator(database_url).up()
    return database_url


@pytest.fixture
def connection(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to it."""
    connection = connect(url)
    yield connection
    connection.close()
