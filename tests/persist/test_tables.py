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
}  # fmt: skip
CONTRACT = {"trading_signals", "execution_events", "position_states"}
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
]


@pytest.mark.parametrize("statement", REFUSED)
def test_checks_are_the_documented_ones(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(statement)  # type: ignore[arg-type]


@pytest.fixture
def shared(database_url: str) -> Iterator[str]:
    """A database in which another system made the three tables, with a row in each and something of its own."""
    made = read_migrations()[1].up.replace("'made by lockstep'", "'made by somebody else'")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(made)  # type: ignore[arg-type]
        for table in OURS:
            connection.execute(f"drop table {table}")  # type: ignore[arg-type]
        for table in CONTRACT:
            connection.execute(f"comment on table {table} is null")  # type: ignore[arg-type]
        connection.execute("alter table trading_signals add column their_own text default 'x'")
        connection.execute("create table orders (id uuid, signal_id uuid)")
        connection.execute(
            "insert into trading_signals (signal_id, strategy_id, asset, side, price, timestamp)"
            " values ('00000000-0000-0000-0000-000000000001', 'theirs', 'XRPUSDT', 'sell', 2.5, '2025-01-01')"
        )
        connection.execute(
            "insert into position_states (asset, entry_price, entry_time, peak_price) values ('XRPUSDT', 1, now(), 2)"
        )
    yield database_url


def test_tables_of_another_system_keep_their_rows_there_and_back_and_there_again(shared: str, log: Log) -> None:
    """Down takes only what we made; what we wrote into their tables stays too, as it is theirs to keep."""
    before = tables(shared)
    write(log, [signal(Origin(0, 1, 0))])
    migrator = Migrator(shared, read_migrations()[:2])
    for expected in (2, 2):
        migrator.up()
        assert tables(shared) == before | OURS | {"lockstep_migrations", "feature_registry_versions"}
        store(log, shared)
        assert len(rows(shared, "select signal_id, their_own from trading_signals where their_own = 'x'")) == expected
        migrator.down(steps=len(migrator.migrations))
        assert tables(shared) == before | {"lockstep_migrations"}

    assert rows(shared, "select asset from position_states") == [("XRPUSDT",)]


def test_down_and_up_again_with_data_gives_the_same_tables(database_url: str, log: Log) -> None:
    """The log still has everything: it is stored again."""
    migrator = Migrator(database_url, read_migrations()[:2])
    migrator.up()
    write(log, story(1, 0, 0, 40))
    store(log, database_url)
    before = rows(database_url, "select id from decisions order by id")
    migrator.down()
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
