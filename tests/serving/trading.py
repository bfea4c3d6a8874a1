"""A log with trading on it, stored in a database, and the API over both."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connectors.log import Log, open_log
from connectors.postgres.stored import Stored
from dataflows.persist import Persist
from tests.persist.written import SHARDS
from tests.serving.conftest import Api, running


def stored(log: Log, url: str) -> None:
    """Store everything that is on the log."""
    Persist(log, SHARDS, Stored(url, "a log"), until_end=True).run()


@contextmanager
def serving(home: Path, url: str | None) -> Iterator[Api]:
    """The API over the log in ``home`` and the database."""
    with running(lambda: open_log(None, home / "log"), home, database_url=url) as api:
        yield api


def got(api: Api, path: str, **query: str) -> Any:
    """The answer, which is a good one."""
    answer = api.get(path, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()
