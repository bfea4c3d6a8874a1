"""A migrated database."""

import pytest

from connectors.postgres.migrate import Migrator


@pytest.fixture
def url(database_url: str) -> str:
    """A database with our tables."""
    Migrator(database_url).up()
    return database_url
