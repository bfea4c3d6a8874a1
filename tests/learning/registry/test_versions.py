"""Versions and their metrics: whole or not at all, once, and never for another model."""

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from learning.registry.metrics import Metric
from learning.registry.versions import (
    VersionTaken,
    free_version,
    mirror_activation,
    record_metrics,
    record_version,
    version_record,
)
from schemas.model import ModelActivated
from tests.learning.registry.made import TRAINED, record

Connection = psycopg.Connection[Any]
ROWS = """
select version, file_path, model_type, strategy_id, trained_at, training_duration_seconds, training_dataset_size,
    is_active, is_warmup_mode from model_versions order by version
"""
METRICS = """
select metric_name, metric_value::float, metric_type, metadata->>'dataset_split', evaluation_dataset_size, evaluated_at
from model_quality_metrics order by 4, 1
"""
AT = datetime.fromtimestamp(TRAINED / 1e6, UTC).replace(tzinfo=None)


@pytest.mark.req("MS-US-2.3", "MS-US-4.1")
def test_a_trained_model_is_stored_with_all_its_metrics_and_the_time(connection: Connection) -> None:
    """Every number by split, in the type of the table; a confusion matrix stays in the record, None nowhere."""
    record_version(connection, record(), seconds=41.7)

    assert connection.execute(ROWS).fetchall() == [
        ("v1741079704", "/models/v1741079704/model.ubj", "xgboost", "alpha", AT, 42, 400, False, False)
    ]
    assert connection.execute(METRICS).fetchall() == [
        ("accuracy", 0.75, "classification", "test", 20, AT),
        ("f1_score", 0.7, "classification", "test", 20, AT),
        ("sharpe_ratio", -1.25, "trading_performance", "test", 20, AT),
        ("win_rate", 0.55, "trading_performance", "test", 20, AT),
        ("accuracy", 0.8, "classification", "validation", 50, AT),
        ("log_loss", 1.5, "regression", "validation", 50, AT),
    ]
    assert version_record(connection, "v1741079704") == record()


def test_storing_it_again_changes_nothing(connection: Connection) -> None:
    first = record_version(connection, record())
    before = [connection.execute(query).fetchall() for query in (ROWS, METRICS)]

    assert record_version(connection, record()) == first
    assert [connection.execute(query).fetchall() for query in (ROWS, METRICS)] == before


def test_a_version_is_never_used_for_another_model(connection: Connection) -> None:
    """Neither for other bytes nor for another strategy; of the second model nothing is written."""
    record_version(connection, record())
    for other in (record(sha256="0" * 64, metrics={"test": {"recall": 1.0}}), record(strategy="beta")):
        with pytest.raises(VersionTaken, match=r"v1741079704 belongs to another model \(strategy alpha"):
            record_version(connection, other)

    assert connection.execute("select count(*) from model_quality_metrics").fetchone() == (6,)


def test_a_metric_that_the_table_refuses_leaves_no_version_behind(connection: Connection) -> None:
    """One transaction: the column holds no number of 13 digits, so such a one is left out, and nothing else is lost."""
    record_version(connection, record(metrics={"test": {"total_pnl": 9e12, "accuracy": 0.5, "brier": 1.5}}))
    assert [row[:3] for row in connection.execute(METRICS).fetchall()] == [
        ("accuracy", 0.5, "classification"),
        ("brier", 1.5, "regression"),
    ]
    connection.execute("alter table model_quality_metrics add check (metric_name <> 'poison')")
    with pytest.raises(psycopg.errors.CheckViolation):
        record_version(connection, record("v2", metrics={"test": {"accuracy": 0.5, "poison": 0.5}}))

    assert version_record(connection, "v2") is None


def test_free_versions_count_up_from_the_newest_event(connection: Connection) -> None:
    assert free_version(connection, TRAINED) == "v1741079704"
    for version in ("v1741079704", "v1741079704.1", "v1741079704.3"):
        record_version(connection, record(version))

    assert free_version(connection, TRAINED) == "v1741079704.2"
    assert free_version(connection, TRAINED + 1_000_000) == "v1741079705"


def test_folds_are_named_in_the_metadata(connection: Connection) -> None:
    record_version(connection, record(metrics={"fold_3/validation": {"accuracy": 0.5}}))
    row = connection.execute("select metadata from model_quality_metrics").fetchone()

    assert row == ({"dataset_split": "validation", "fold": 3},)


def test_later_metrics_are_stored_once_each(connection: Connection) -> None:
    """Hour by hour; the River model, which has no row, gives none."""
    record_version(connection, record(metrics={}))
    points = [Metric("win_rate", 0.5 + hour / 10, "live", TRAINED + hour * 3_600_000_000, 30) for hour in range(3)]

    assert record_metrics(connection, "v1741079704", points) == 3
    assert record_metrics(connection, "v1741079704", points) == 0
    assert record_metrics(connection, "online", points) == 0
    assert [row[1] for row in connection.execute(METRICS).fetchall()] == [0.5, 0.6, 0.7]


def active(connection: Connection) -> list[tuple[str, str]]:
    query = "select strategy_id, version from model_versions where is_active order by 1, 2"
    return connection.execute(query).fetchall()


@pytest.mark.req("MS-US-4.5")
def test_an_activation_takes_the_place_of_the_one_before_and_an_older_one_does_not(connection: Connection) -> None:
    """Another strategy's model stays; back to warm-up leaves none; what the log said later wins."""
    for version, strategy in (("v1", "alpha"), ("v2", "alpha"), ("v3", "beta")):
        record_version(connection, record(version, strategy=strategy))
    seen = []
    for time, strategy, version in (
        (10, "alpha", "v1"),
        (11, "beta", "v3"),
        (12, "alpha", "v2"),
        (11, "alpha", "v1"),
        (13, "alpha", "v1"),
        (14, "alpha", None),
    ):
        moved = mirror_activation(connection, ModelActivated(time, strategy, version))
        seen.append((moved, active(connection)))

    assert seen == [
        (True, [("alpha", "v1")]),
        (True, [("alpha", "v1"), ("beta", "v3")]),
        (True, [("alpha", "v2"), ("beta", "v3")]),
        (False, [("alpha", "v2"), ("beta", "v3")]),
        (True, [("alpha", "v1"), ("beta", "v3")]),
        (True, [("beta", "v3")]),
    ]


def test_an_activation_that_came_before_the_row_counts_when_the_row_comes(connection: Connection) -> None:
    mirror_activation(connection, ModelActivated(10, "alpha", "v7"))
    record_version(connection, record("v7"))

    assert active(connection) == [("alpha", "v7")]
