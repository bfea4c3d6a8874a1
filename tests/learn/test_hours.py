"""The figures of each hour on their way into the database."""

import psycopg
import pytest

from cli.learn import storer
from connectors.postgres.migrate import Migrator
from learning.governor.quality import QualityPoint
from learning.registry.versions import version_id
from tests.learning.governor.made import HOUR, START


def points(version: str | None, hours: int) -> list[QualityPoint]:
    found = {"accuracy": 0.8, "log_loss": 1.5, "total_pnl": -3.25}
    return [QualityPoint("alpha", version, START + hour * HOUR, found, 40, 3) for hour in range(hours)]


def with_model(url: str) -> None:
    """A version to store figures of."""
    Migrator(url).up()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "insert into model_versions (id, version, file_path, model_type)"
            " values (%s, 'v1', '/models/v1/m', 'xgboost')",
            [version_id("v1")],
        )


def stored(url: str) -> list[tuple[str, int]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "select metric_name, count(*)::int from model_quality_metrics where metadata->>'dataset_split' = 'live'"
            " group by 1 order by 1"
        ).fetchall()


@pytest.mark.req("TK-MS-08", "TK-MS-09", "MS-US-2.5")
def test_hours_are_stored_once_however_often_they_come(database_url: str) -> None:
    """A restart reports the hours of the last day again. Warm-up and the online model have no version to store at."""
    with_model(database_url)
    store = storer(database_url)
    for _ in range(2):
        store([*points("v1", 3), *points(None, 3), *points("online", 3)])

    assert stored(database_url) == [("accuracy", 3), ("log_loss", 3), ("total_pnl", 3)]


def test_hours_wait_for_a_database_that_is_away(database_url: str) -> None:
    with_model(database_url)
    moved = database_url.split("/test_")[1].split("?")[0]
    admin = database_url.replace(f"/test_{moved}?", "/postgres?")
    store = storer(database_url)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"alter database test_{moved} rename to away_{moved}")
        store(points("v1", 2))
        connection.execute(f"alter database away_{moved} rename to test_{moved}")
    assert stored(database_url) == []

    store([])
    assert stored(database_url) == [("accuracy", 2), ("log_loss", 2), ("total_pnl", 2)]
