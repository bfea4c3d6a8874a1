"""Minutes and observations on their way into the tables, there and back, once."""

from decimal import Decimal
from typing import Any

import msgspec
import psycopg
import pytest

from connectors.log import Log
from connectors.postgres.migrate import Migrator, read_migrations
from schemas.quality import QualityMinute
from tests.persist.tables import naive, rows
from tests.quality.conftest import Told, store

METRICS = """
select symbol, metric_timestamp, missing_rate, anomaly_rate, data_completeness_rate, sequence_gaps_count,
    desynchronization_events_count, detail from data_quality_metrics order by symbol, metric_timestamp
"""
RECORDS = "select origin, symbol, ts, problem, detail from quality_records order by origin"
ANOTHER_SYSTEMS = """
create table data_quality_reports (id uuid primary key, symbol varchar(20) not null, period_start timestamp not null,
    period_end timestamp not null, missing_rate numeric(5,4) not null, anomaly_rate numeric(5,4) not null,
    sequence_gaps integer not null default 0, desynchronization_events integer not null default 0,
    anomaly_details jsonb, sequence_gap_details jsonb, recommendations text[], created_at timestamp default now());
create table data_quality_metrics (id uuid primary key, symbol varchar(20) not null,
    metric_timestamp timestamp not null,
    missing_rate numeric(5,4) not null, anomaly_rate numeric(5,4) not null,
    data_completeness_rate numeric(5,4) not null, sequence_gaps_count integer,
    desynchronization_events_count integer, trace_id varchar(100), created_at timestamp default now());
insert into data_quality_metrics values (gen_random_uuid(), 'OLD', now(), 0, 0, 1);
"""


def expected(minute: QualityMinute) -> tuple[Any, ...]:
    """The row by plain sums."""
    channels = list(minute.channels.values())
    sums = {name: sum(getattr(one, name) for one in channels) for name in ("received", "expected", "missing", "gaps")}
    missing = sums["missing"] / sums["expected"] if sums["expected"] else 0.0
    anomalies = sum(one.anomalies for one in channels)
    wrong = min(1.0, anomalies / sums["received"]) if sums["received"] else 0.0
    rates = [Decimal(f"{rate:.10f}").quantize(Decimal("0.0001")) for rate in (missing, wrong, 1 - missing)]
    detail = msgspec.json.decode(msgspec.json.encode(minute))
    return minute.symbol, naive(minute.ts), *rates, sums["gaps"], minute.desynchronised, detail


@pytest.mark.req("TK-GR-02", "FS-FR-019", "FS-US-4.1")
def test_every_minute_is_one_row_with_its_rates(url: str, log: Log, told: Told) -> None:
    """By plain sums over the records; read again from the beginning, nothing changes."""
    store(log, url)
    first = rows(url, METRICS), rows(url, RECORDS)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("delete from read_positions")
    store(log, url)

    wanted = [expected(one) for one in sorted(told.minutes, key=lambda one: (one.symbol, one.ts))]
    close = [(*row[:2], *map(float, row[2:5]), *row[5:]) for row in first[0]]
    assert [row[:2] + row[5:] for row in close] == [row[:2] + row[5:] for row in wanted]
    for got, want in zip(close, wanted, strict=True):
        assert got[2:5] == pytest.approx([float(rate) for rate in want[2:5]], abs=1.1e-4)
    assert (rows(url, METRICS), rows(url, RECORDS)) == first


@pytest.mark.req("FS-US-4.1", "TK-FS-33")
def test_every_observation_is_one_row(url: str, log: Log, told: Told) -> None:
    store(log, url)

    wanted = {("/".join(map(str, one.origin)), one.symbol, naive(one.ts), one.problem) for one in told.records}
    found = rows(url, RECORDS)
    assert {row[:4] for row in found} == wanted
    assert len(found) == len(told.records) > 50
    details = {"/".join(map(str, one.origin)): one.detail for one in told.records}
    assert all(row[4] == details[row[0]] for row in found)


def test_a_log_that_is_begun_anew_replaces_the_minutes_of_its_time(url: str, log: Log, told: Told) -> None:
    """One row a symbol and minute, whatever log it came from."""
    store(log, url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("update data_quality_metrics set missing_rate = 1, detail = null")
        connection.execute("delete from read_positions")
    store(log, url)

    assert rows(url, "select count(*) from data_quality_metrics where detail is null") == [(0,)]
    assert rows(url, "select count(*) from data_quality_metrics") == [(len(told.minutes),)]


def test_tables_of_another_system_keep_their_rows_there_and_back(database_url: str) -> None:
    """What we add is added, and only that is taken back."""
    columns = (
        "select table_name, column_name from information_schema.columns where starts_with(table_name, 'data_quality')"
    )
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(ANOTHER_SYSTEMS)
    before = set(rows(database_url, columns))
    migrator = Migrator(database_url, read_migrations()[:6])
    migrator.up()
    assert set(rows(database_url, columns)) - before == {("data_quality_metrics", "detail")}
    migrator.down(steps=1)

    assert set(rows(database_url, columns)) == before
    assert rows(database_url, "select symbol from data_quality_metrics") == [("OLD",)]


REFUSED = (
    "insert into data_quality_metrics (symbol, metric_timestamp, missing_rate, anomaly_rate, data_completeness_rate)"
    " values ('X', now(), 1.5, 0, 0)",
    "insert into data_quality_metrics (symbol, metric_timestamp, missing_rate, anomaly_rate, data_completeness_rate)"
    " values ('X', now(), 0, -0.1, 0)",
    "insert into data_quality_reports (symbol, period_start, period_end, missing_rate, anomaly_rate)"
    " values ('X', '2025-01-02', '2025-01-01', 0, 0)",
    "insert into data_quality_reports (symbol, period_start, period_end, missing_rate, anomaly_rate, sequence_gaps)"
    " values ('X', '2025-01-01', '2025-01-02', 0, 0, -1)",
)


@pytest.mark.req("TK-GR-02")
def test_checks_are_the_documented_ones(url: str) -> None:
    """Rates are of 0..1, counts of 0 on, and a period begins before it ends."""
    for statement in REFUSED:
        with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(statement)
