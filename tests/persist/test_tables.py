"""The tables themselves: as other services know them, and with a way back that takes only ours."""

from collections.abc import Iterator

import psycopg
import pytest

from connectors.log import Log
from connectors.postgres.migrate import Migrator, read_migrations
from schemas.origin import Origin
from tests.persist.conftest import store
from tests.persist.tables import places, rows
from tests.persist.written import SECOND, START, execution, signal, story, write

OURS = {
    "decisions", "order_events", "position_events", "strategy_settings", "read_positions", "refused_records",
    "dataset_building_metrics", "models_in_force", "model_changes", "predictions", "model_scores",
    "feature_registry_changes", "data_quality_metrics", "data_quality_reports", "quality_records", "backfill_jobs",
    "feature_computation_metrics", "api_endpoint_metrics",
}  # fmt: skip
BRIDGE = {"bridge_orders", "bridge_positions"}
CONTRACT = {
    "trading_signals", "execution_events", "position_states", "model_versions", "model_quality_metrics", "datasets",
}  # fmt: skip
TYPES = """
select column_name, case data_type when 'numeric' then 'numeric(' || numeric_precision || ',' || numeric_scale || ')'
    when 'character varying' then 'V(' || character_maximum_length || ')' when 'timestamp without time zone' then 'TS'
    when 'boolean' then 'bool' else data_type end, is_nullable = 'NO'
from information_schema.columns where table_name = %s order by ordinal_position
"""
D, N = "numeric(20,8)", True
DOCUMENTED = {
    "trading_signals": [
        ("id", "uuid", N), ("signal_id", "uuid", N), ("strategy_id", "V(100)", N), ("asset", "V(50)", N),
        ("side", "V(10)", N), ("price", D, N), ("confidence", "numeric(5,4)", False), ("timestamp", "TS", N),
        ("model_version", "V(50)", False), ("is_warmup", "bool", N), ("market_data_snapshot", "jsonb", False),
        ("metadata", "jsonb", False), ("trace_id", "V(100)", False), ("created_at", "TS", N),
    ],
    "execution_events": [
        ("id", "uuid", N), ("signal_id", "uuid", N), ("strategy_id", "V(100)", N), ("asset", "V(50)", N),
        ("side", "V(10)", N), ("execution_price", D, N), ("execution_quantity", D, N), ("execution_fees", D, N),
        ("executed_at", "TS", N), ("signal_price", D, N), ("signal_timestamp", "TS", N), ("performance", "jsonb", N),
        ("created_at", "TS", N), ("used_for_training", "bool", N), ("training_id", "uuid", False),
    ],
    "position_states": [
        ("asset", "V(20)", N), ("entry_price", D, N), ("entry_time", "TS", N), ("peak_price", D, N),
        ("highest_unrealized_pnl", D, N), ("last_exit_signal_time", "TS", False), ("created_at", "TS", N),
        ("updated_at", "TS", N),
    ],
    "model_versions": [
        ("id", "uuid", N), ("version", "V(50)", N), ("file_path", "V(500)", N), ("model_type", "V(50)", N),
        ("strategy_id", "V(100)", False), ("trained_at", "TS", N), ("training_duration_seconds", "integer", False),
        ("training_dataset_size", "integer", False), ("training_config", "jsonb", False), ("is_active", "bool", N),
        ("is_warmup_mode", "bool", N), ("created_at", "TS", N), ("updated_at", "TS", N),
    ],
    "model_quality_metrics": [
        ("id", "uuid", N), ("model_version_id", "uuid", N), ("metric_name", "V(100)", N), ("metric_value", D, N),
        ("metric_type", "V(50)", N), ("evaluated_at", "TS", N), ("evaluation_dataset_size", "integer", False),
        ("metadata", "jsonb", False),
    ],
    "datasets": [
        ("id", "uuid", N), ("symbol", "V(20)", N), ("status", "V(20)", N), ("split_strategy", "V(50)", N),
        *((f"{split}_period_{end}", "TS", False) for split in ("train", "validation", "test")
          for end in ("start", "end")),
        ("walk_forward_config", "jsonb", False), ("target_config", "jsonb", N),
        ("feature_registry_version", "V(50)", N), ("train_records", "integer", False),
        ("validation_records", "integer", False), ("test_records", "integer", False), ("output_format", "V(20)", N),
        ("storage_path", "V(500)", False), ("created_at", "TS", N), ("completed_at", "TS", False),
        ("estimated_completion", "TS", False), ("error_message", "text", False), ("metadata", "jsonb", False),
        ("priority", "integer", N),
    ],
    "dataset_building_metrics": [
        ("id", "uuid", N), ("dataset_id", "uuid", N), ("symbol", "V(20)", N), ("build_started_at", "TS", N),
        ("build_completed_at", "TS", False), ("build_status", "V(20)", N),
        ("build_duration_seconds", "integer", False), ("records_count", "integer", False),
        ("train_records", "integer", False), ("validation_records", "integer", False),
        ("test_records", "integer", False), ("feature_registry_version", "V(50)", N),
        ("split_strategy", "V(50)", False), ("trace_id", "V(100)", False), ("created_at", "TS", N),
        ("figures", "jsonb", False),
    ],
}  # fmt: skip


def tables(url: str) -> set[str]:
    query = "select table_name from information_schema.tables where table_schema = 'public'"
    return {name for (name,) in rows(url, query)}


@pytest.mark.req("TK-MS-06", "TK-MS-07")
@pytest.mark.parametrize("table", DOCUMENTED)
def test_columns_and_types_are_the_documented_ones(url: str, table: str) -> None:
    assert rows(url, TYPES, table) == DOCUMENTED[table]


REFUSED = [
    "insert into trading_signals (signal_id, strategy_id, asset, side, price, timestamp) values"
    " (gen_random_uuid(), 'a', 'B', 'BUY', 1, now())",
    "insert into trading_signals (signal_id, strategy_id, asset, side, price, timestamp) values"
    " (gen_random_uuid(), 'a', 'B', 'buy', 0, now())",
    "insert into trading_signals (signal_id, strategy_id, asset, side, price, confidence, timestamp) values"
    " (gen_random_uuid(), 'a', 'B', 'buy', 1, 1.5, now())",
    "insert into position_states (asset, entry_price, entry_time, peak_price) values ('B', 0, now(), 1)",
    "insert into execution_events (signal_id, strategy_id, asset, side, execution_price, execution_quantity,"
    " execution_fees, executed_at, signal_price, signal_timestamp, performance) values"
    " (gen_random_uuid(), 'a', 'B', 'buy', 1, 1, -1, now(), 1, now(), '{}')",
    "insert into model_versions (version, file_path, model_type) values ('1', '/models/1/model.ubj', 'xgboost')",
    "insert into model_versions (version, file_path, model_type) values ('v1', '/srv/v1/model.ubj', 'xgboost')",
    "insert into model_versions (version, file_path, model_type) values ('v1', '/models/v1/m', 'lightgbm')",
    "with made as (insert into model_versions (version, file_path, model_type) values ('v1', '/models/v1/m', 'xgboost')"
    " returning id) insert into model_quality_metrics (model_version_id, metric_name, metric_value, metric_type)"
    " select id, 'accuracy', 1.5, 'classification' from made",
    "insert into datasets (symbol, status, split_strategy, target_config, feature_registry_version)"
    " values ('B', 'paused', 'time_based', '{}', '1')",
    "insert into datasets (symbol, split_strategy, target_config, feature_registry_version, test_period_start,"
    " test_period_end) values ('B', 'time_based', '{}', '1', '2025-01-02', '2025-01-01')",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_checks_are_the_documented_ones(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(statement)  # type: ignore[arg-type]


@pytest.fixture
def shared(database_url: str) -> Iterator[str]:
    """A database in which another system made the tables of the contract, with rows and something of its own."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for number in (1, 3):
            made = read_migrations()[number].up.replace("'made by lockstep'", "'made by somebody else'")
            connection.execute(made)  # type: ignore[arg-type]
        connection.execute("alter table datasets drop column metadata, drop column priority")
        for table in OURS:
            connection.execute(f"drop table if exists {table}")  # type: ignore[arg-type]
        for table in CONTRACT:
            connection.execute(f"comment on table {table} is null")  # type: ignore[arg-type]
        connection.execute("alter table trading_signals add column their_own text default 'x'")
        connection.execute("create table orders (id uuid, signal_id uuid)")
        connection.execute(
            "insert into trading_signals (signal_id, strategy_id, asset, side, price, timestamp)"
            " values ('00000000-0000-0000-0000-000000000001', 'theirs', 'XRPUSDT', 'sell', 2.5, '2025-01-01')"
        )
        connection.execute(
            "insert into model_versions (version, file_path, model_type) values ('v1', '/models/v1/m.json', 'xgboost')"
        )
        connection.execute(
            "insert into datasets (symbol, split_strategy, target_config, feature_registry_version)"
            " values ('XRPUSDT', 'time_based', '{}', '1.0.0')"
        )
        connection.execute(
            "insert into position_states (asset, entry_price, entry_time, peak_price) values ('XRPUSDT', 1, now(), 2)"
        )
    yield database_url


def test_tables_of_another_system_keep_their_rows_there_and_back_and_there_again(shared: str, log: Log) -> None:
    """Down takes only what we made; what we wrote into their tables stays too, as it is theirs to keep."""
    before = tables(shared)
    write(log, [signal(Origin(0, 1, 0))])
    migrator = Migrator(shared)
    for expected in (2, 2):
        migrator.up()
        assert tables(shared) == before | OURS | BRIDGE | {"lockstep_migrations", "feature_registry_versions"}
        store(log, shared)
        assert len(rows(shared, "select signal_id, their_own from trading_signals where their_own = 'x'")) == expected
        migrator.down(steps=len(migrator.migrations))
        assert tables(shared) == before | {"lockstep_migrations"}

    assert rows(shared, "select asset from position_states") == [("XRPUSDT",)]
    assert rows(shared, "select version from model_versions") == [("v1",)]
    assert rows(shared, "select symbol from datasets") == [("XRPUSDT",)]
    without = [column for column in DOCUMENTED["datasets"] if column[0] not in ("metadata", "priority")]
    assert rows(shared, TYPES, "datasets") == without


def test_down_and_up_again_with_data_gives_the_same_tables(database_url: str, log: Log) -> None:
    """The log still has everything: it is stored again."""
    migrator = Migrator(database_url)
    migrator.up()
    write(log, story(1, 0, 0, 40))
    store(log, database_url)
    before = rows(database_url, "select id from decisions order by id")
    migrator.down(steps=len(migrator.migrations))
    assert not tables(database_url) & (OURS | CONTRACT)
    migrator.up()
    store(log, database_url)

    assert rows(database_url, "select id from decisions order by id") == before


GRAFANA = {
    "last signals": """
        select ts.signal_id, ts.timestamp, ts.asset, ts.side, ts.price, ts.confidence * 100 as confidence_percent
        from trading_signals ts order by ts.timestamp desc limit 30""",
    "signals in range": """
        select timestamp, signal_id, asset, side, price, confidence, strategy_id, model_version, is_warmup,
            market_data_snapshot->>'price', market_data_snapshot->>'spread' from trading_signals
        where timestamp >= '2025-03-04' and timestamp <= '2025-03-05' order by timestamp desc limit 100""",
    "assets of the last day": """
        select distinct asset from trading_signals where timestamp >= timestamp '2025-03-05' - interval '24 hours'""",
    "totals": """
        select sum((performance->>'realized_pnl')::numeric), avg((performance->>'realized_pnl')::numeric),
            max((performance->>'realized_pnl')::numeric), min((performance->>'realized_pnl')::numeric), count(*),
            count(*) filter (where (performance->>'realized_pnl')::numeric > 0) * 100.0 / count(*)
        from execution_events
        where executed_at between '2025-03-04' and '2025-03-05' and performance->>'realized_pnl' is not null""",
    "cumulative": """
        select executed_at as time, sum((performance->>'realized_pnl')::numeric) over (order by executed_at)
        from execution_events where performance->>'realized_pnl' is not null order by executed_at""",
    "per day": """
        select date_trunc('day', executed_at), sum((performance->>'realized_pnl')::numeric)
        from execution_events where performance->>'realized_pnl' is not null group by 1""",
    "per strategy and asset": """
        select strategy_id, asset, count(*), sum((performance->>'realized_pnl')::numeric)
        from execution_events where performance->>'realized_pnl' is not null group by 1, 2""",
    "model quality": """
        select strategy_id, count(*), count(*) filter (where (performance->>'realized_pnl')::numeric > 0)
        from execution_events where executed_at >= timestamp '2025-03-05' - interval '7 days' group by 1""",
    "event history": """
        select 'signal' as type, timestamp as time, signal_id::text as id,
            jsonb_build_object('asset', asset, 'side', side, 'price', price) as detail, 'model-service' as service
        from trading_signals order by timestamp desc""",
}


@pytest.mark.req("TK-MS-07")
def test_the_panels_of_the_dashboards_get_rows(url: str, log: Log) -> None:
    """Each query as the dashboards put it; the totals against sums by hand: 10 - 4 + 0 of three, one of them won."""
    made = [signal(Origin(0, offset, 0), START + offset * SECOND) for offset in range(3)]
    done = [
        execution(Origin(0, 10 + number, 0), side="sell", realized=profit, closed=1.0)
        for number, profit in enumerate((10.0, -4.0, 0.0))
    ]
    write(log, [*made, *done, execution(Origin(0, 20, 0))])
    store(log, url)

    for name, query in GRAFANA.items():
        assert rows(url, query), name
    total = rows(url, GRAFANA["totals"])[0]
    assert [places(value) for value in total] == [
        places(value) for value in (6.0, 2.0, 10.0, -4.0, 3, 100 / 3)
    ]  # fmt: skip
