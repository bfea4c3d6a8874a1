"""Checks of what learning depends on: files of the models in force, and dataset builds. See ``serving.probe``."""

from contextlib import closing
from pathlib import Path

import psycopg

from learning.registry.health import known_files, storage_health

BUILDS = """
select count(*) filter (where status = 'building') as active,
    (select build_duration_seconds from dataset_building_metrics order by build_completed_at desc nulls last limit 1)
from datasets
"""
FILES_EVERY = 30.0
"""Seconds between two looks at the files: each is read as a whole."""


class ModelFiles:
    """Whether the file of every model in force is there, is the one that was trained, and can be read."""

    def __init__(self, url: str, root: Path) -> None:
        self._url, self._root = url, root

    def __call__(self) -> str:
        """A line on how they are.

        Raises:
            FileNotFoundError: naming every model whose file cannot be used.
        """
        try:
            with closing(_connect(self._url)) as connection:
                known = known_files(connection, active=True)
        except psycopg.errors.UndefinedTable:
            return "no model was ever trained"
        except psycopg.Error:
            return "not checked: the database is away"
        if problems := storage_health(self._root, known).problems:
            raise FileNotFoundError("; ".join(problems))
        return f"files of models in force: {len(known)}, each the one that was trained"


class Builds:
    """How many dataset builds are not over (``active``), and how long the last one took, in seconds (``last``)."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.active = 0
        self.last: float | None = None

    def __call__(self) -> str:
        """Look; a database that is away is told by its own check."""
        try:
            with closing(_connect(self._url)) as connection:
                row = connection.execute(BUILDS).fetchone()
        except psycopg.errors.UndefinedTable:
            return "no dataset was ever asked for"
        except psycopg.Error:
            return "not known: the database is away"
        self.active, self.last = row or (0, None)
        return f"builds that are not over: {self.active}"


def _connect(url: str) -> psycopg.Connection:
    return psycopg.connect(
        url, autocommit=True, connect_timeout=3, application_name="lockstep api", options="-c statement_timeout=3000"
    )
