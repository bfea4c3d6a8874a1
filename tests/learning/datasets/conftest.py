"""One session for the tests that only read it."""

from collections.abc import Iterator

import pytest

from connectors.log.sqlite import SqliteLog
from tests.learning.datasets.session import make_log


@pytest.fixture(scope="session")
def session_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteLog]:
    """A session with faults, and its features. Tests must not write."""
    log = make_log(tmp_path_factory.mktemp("session"))
    yield log
    log.close()
