"""A small session on a log, a database, the API over both, and a worker that builds."""

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.log import Log
from connectors.log.sqlite import SqliteLog
from connectors.postgres.migrate import Migrator
from learning.builds.announce import Announcer
from learning.builds.work import maker
from learning.builds.worker import Worker
from tests.learning.datasets.session import SHARDS, SYMBOLS, at, make_log
from tests.serving.conftest import Api, registries, running

SPLITS = ("train", "validation", "test")


def utc(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def body(**changes: Any) -> dict[str, Any]:
    """What asks for a small dataset of the session."""
    times = {"train": (0, 8), "validation": (8, 11), "test": (11, 14)}
    periods = {
        f"{split}_period_{end}": utc(at(times[split][place]))
        for split in SPLITS
        for place, end in enumerate(("start", "end"))
    }
    given = {
        "symbol": SYMBOLS[0],
        "split_strategy": "time_based",
        **periods,
        "target_config": {"type": "classification", "horizon": 20, "threshold": 0.001},
        "feature_registry_version": "few",
        "every_seconds": 5,
    }
    return {name: value for name, value in {**given, **changes}.items() if value is not ...}


@dataclass
class Served:
    """The API, and who builds for it."""

    api: Api
    log: Log
    url: str
    home: Path

    def work(self) -> None:
        """Build everything that waits."""
        announcer = Announcer(self.url, self.log, SHARDS)
        Worker(self.url, maker(self.log, SHARDS, registries), announcer).run(until_empty=True)

    def build(self, **changes: Any) -> str:
        """Ask for a dataset; its id."""
        answer = self.api.post("/dataset/build", body(**changes))
        assert answer.status_code == 202, answer.text
        return str(answer.json()["dataset_id"])

    def dataset(self, dataset: str) -> dict[str, Any]:
        answer = self.api.get(f"/dataset/{dataset}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def serving(home: Path, url: str) -> Iterator[Served]:
    """The API over the log in ``home`` and the database."""
    log = SqliteLog(home / "log")
    with running(lambda: SqliteLog(home / "log"), home, database_url=url) as api:
        yield Served(api, log, url, home)
    log.close()


def copied(session: Path, tmp_path: Path, database_url: str) -> AbstractContextManager[Served]:
    """The API over a copy of a session's log, and an empty database."""
    Migrator(database_url).up()
    shutil.copytree(session / "log", tmp_path / "log")
    return serving(tmp_path, database_url)


def session_in(home: Path) -> Path:
    """A folder with the log of a session."""
    make_log(home / "log", faults=False).close()
    return home
