"""What is measured goes to PostgreSQL, in batches; when it cannot, nobody waits and nothing stops."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.rows import dict_row
from structlog.testing import capture_logs

from connectors.postgres.columns import moment
from connectors.postgres.embedded import EmbeddedPostgres
from connectors.postgres.metric_rows import Call, Computed
from connectors.postgres.migrate import Migrator
from schemas.vector import FeatureVector
from serving import measured as module
from serving.computations import Computations
from serving.measured import Measured
from tests.serving.conftest import SECOND, Market, eventually, now, running, vector

CALLS = "select * from api_endpoint_metrics order by request_timestamp, endpoint"
COMPUTED = "select * from feature_computation_metrics order by computation_timestamp, symbol, computation_interval"


def call(path: str = "/health", status: int = 200, at: int | None = None) -> Call:
    return Call(path, "GET", 1.25, status, None, now() if at is None else at, "trace-7")


@contextmanager
def writing(url: str, **settings: Any) -> Iterator[Measured]:
    measured = Measured(url, every=0.05, **settings).start()
    yield measured
    measured.stop()


@pytest.fixture
def url(database_url: str) -> str:
    Migrator(database_url).up()
    return database_url


def rows(url: str, query: Any) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.req("TK-GR-04", "TK-OP-01")
def test_every_request_is_a_row_with_its_route_symbol_time_status_and_trace(
    market: Market, tmp_path: Path, url: str
) -> None:
    """The route and not the path; of strangers and wrong paths no more than that they came."""
    with writing(url) as measured, running(lambda: market.log, tmp_path, note=measured.call) as api:
        headers = {"X-Trace-ID": "trace-9", "X-API-Key": "wrong"}
        before = now()
        api.get("/features/latest", symbol="btcusdt")
        api.get("/dataset/00000000-0000-0000-0000-000000000000")
        api.get("/api/v1/models/v1/metrics")
        api.get("/no/such/path")
        api.client.get(f"{api.url}/stats", headers=headers)
        api.client.get(f"{api.url}/health")
        assert eventually(lambda: len(rows(url, CALLS)) == 6)
    found = {row["endpoint"]: row for row in rows(url, CALLS) if row["endpoint"] != "(none)"}
    unknown = [row for row in rows(url, CALLS) if row["endpoint"] == "(none)"]

    assert set(found) == {
        "/features/latest",
        "/dataset/{dataset_id}",
        "/api/v1/models/{version}/metrics",
        "/health",
    }
    assert (found["/features/latest"]["symbol"], found["/features/latest"]["method"]) == ("BTCUSDT", "GET")
    assert (found["/health"]["status_code"], found["/dataset/{dataset_id}"]["status_code"]) == (200, 503)
    assert sorted(row["status_code"] for row in unknown) == [401, 404]
    assert "trace-9" in {row["trace_id"] for row in unknown}
    assert all(0 < row["response_time_ms"] < 60_000 for row in found.values())
    assert all(abs((row["request_timestamp"] - moment(before)).total_seconds()) < 60 for row in found.values())


@pytest.mark.req("TK-GR-04")
def test_a_database_that_is_away_stops_no_request_and_gets_the_rows_later(market: Market, tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    with capture_logs() as lines, writing(server.url) as measured:
        with running(lambda: market.log, tmp_path, note=measured.call) as api:
            assert eventually(lambda: bool(api.health()) and measured.failures > 0)
            asked = len([api.health() for _ in range(20)])
        assert measured.written == 0
        Migrator(server.start()).up()
        assert eventually(lambda: measured.written >= asked)
        assert len(rows(server.url, CALLS)) == measured.written
    server.stop()

    assert len([line for line in lines if line["event"] == "measured.not_written"]) <= measured.failures
    assert measured.lost == 0


@pytest.mark.req("TK-GR-04")
def test_what_waits_is_bounded_and_the_newest_stays(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD", 10)
    measured = Measured(url, every=0.05)
    for number in range(25):
        measured.call(call(f"/{number}", at=number * SECOND))
    measured.start()
    assert eventually(lambda: measured.written == 10)
    measured.stop()

    assert measured.lost == 15
    assert [row["endpoint"] for row in rows(url, CALLS)] == [f"/{number}" for number in range(15, 25)]


def test_what_waits_at_the_end_is_still_written(url: str) -> None:
    measured = Measured(url, every=60.0).start()
    measured.call(call())
    measured.stop()

    assert len(rows(url, CALLS)) == 1


def test_a_row_that_no_table_takes_does_not_come_back_for_ever(url: str) -> None:
    """A status beyond an integer: its batch is given up, the next one is written."""
    with writing(url) as measured:
        measured.call(call(status=2**40))
        assert eventually(lambda: measured.lost == 1)
        measured.call(call("/next"))
        assert eventually(lambda: measured.written == 1)

    assert [row["endpoint"] for row in rows(url, CALLS)] == ["/next"]


def test_rows_older_than_what_is_kept_go(url: str) -> None:
    with psycopg.connect(url) as connection:
        for days in (31, 29):
            connection.execute(
                "insert into api_endpoint_metrics (endpoint, method, response_time_ms, status_code, request_timestamp,"
                " created_at) select %s, 'GET', 1, 200, t, t from (select now() at time zone 'utc' - %s * interval"
                " '1 day' as t) old",
                [str(days), days],
            )
            connection.execute(
                "insert into feature_computation_metrics (symbol, computation_timestamp, latency_ms, created_at,"
                " feature_registry_version, computation_interval, features_count) select %s, t, 1, t, '1', '1s', 1"
                " from (select now() at time zone 'utc' - %s * interval '1 day' as t) old",
                [str(days), days],
            )
    with writing(url, keep_days=30) as measured:
        measured.call(call("/new"))
        assert eventually(lambda: {row["endpoint"] for row in rows(url, CALLS)} == {"29", "/new"})
        assert eventually(lambda: [row["symbol"] for row in rows(url, COMPUTED)] == ["29"])


@pytest.mark.req("TK-GR-01", "TK-GR-04")
def test_tables_of_another_system_are_written_too_and_survive_the_way_back(database_url: str) -> None:
    """With the columns of the contract and no others."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "create table feature_computation_metrics (id uuid primary key, symbol varchar(20) not null,"
            " computation_timestamp timestamp not null, latency_ms numeric(10, 3) not null, feature_registry_version"
            " varchar(50) not null, computation_interval varchar(10) not null, features_count int not null,"
            " error_count int default 0, trace_id varchar(100), created_at timestamp not null default now())"
        )
    migrator = Migrator(database_url)
    migrator.up()
    one = Computed("X" * 30, "15s", 60 * SECOND, "1.2.0", 1e9, 5.0, 5.0, 3, 0, 4, "t")
    given = [[one]]
    with writing(database_url, computed=lambda: given.pop() if given else []) as measured:
        assert eventually(lambda: measured.written == 1)
    migrator.down(steps=sum(migration.number >= 8 for migration in migrator.migrations))

    (kept,) = rows(database_url, COMPUTED)
    assert (kept["symbol"], float(kept["latency_ms"])) == ("X" * 20, 9_999_999.0)
    assert "computations" not in kept
    with pytest.raises(psycopg.errors.UndefinedTable):
        rows(database_url, CALLS)


# --- vectors ---


@pytest.mark.req("TK-GR-01")
def test_live_vectors_become_a_row_a_minute_and_interval(market: Market, tmp_path: Path, url: str) -> None:
    """Read by the real API off a real log; what is old when it comes is a replay, and measures nothing."""
    with running(lambda: market.log, tmp_path) as api:
        assert eventually(lambda: api.view.ready)
        end = (now() // (60 * SECOND) + 1) * 60 * SECOND
        market.add(vector("OLD", end - 7200 * SECOND, 1))
        for place, (ago, closes) in enumerate([(2, ["1s"]), (1, ["1s", "3s"]), (0, ["1s", "3s", "15s", "1m"])]):
            market.add(vector("BTCUSDT", end - ago * SECOND, place + 2, recv=now(), closes=closes, tainted=ago == 1))
        assert eventually(lambda: api.view.seen["BTCUSDT"] == 3)
        with writing(url, computed=lambda: api.view.computations.take(untouched=0.0)) as measured:
            assert eventually(lambda: measured.written == 4)
    found = {row["computation_interval"]: row for row in rows(url, COMPUTED)}

    assert {name: (row["computations"], row["error_count"]) for name, row in found.items()} == {
        "1s": (3, 1),
        "3s": (2, 1),
        "15s": (1, 0),
        "1m": (1, 0),
    }
    assert {row["symbol"] for row in found.values()} == {"BTCUSDT"}
    assert all(row["computation_timestamp"] == moment(end) for row in found.values())
    assert all(0 <= row["latency_ms"] <= row["latency_ms_max"] < 60_000 for row in found.values())
    assert {(row["feature_registry_version"], row["features_count"]) for row in found.values()} == {("1.2.0", 1)}


@pytest.mark.req("TK-GR-01")
def test_two_programs_that_see_a_minute_leave_one_row_that_of_the_one_that_saw_more(url: str) -> None:
    def seen(count: int) -> list[Computed]:
        return [Computed("X", "1s", 60 * SECOND, "1", 5.0 + count, 5.0, 5.0, 3, 0, count, "t")]

    for count in (30, 45, 15):
        given = [seen(count)]
        with writing(url, computed=lambda given=given: given.pop() if given else []) as measured:  # type: ignore[misc]
            assert eventually(lambda measured=measured: measured.written == 1)  # type: ignore[misc]

    assert [(row["computations"], float(row["latency_ms"])) for row in rows(url, COMPUTED)] == [(45, 50.0)]


@pytest.mark.req("TK-GR-01")
@given(st.lists(st.tuples(st.integers(1, 300), st.floats(0, 10), st.booleans()), min_size=1, max_size=200))
def test_a_minute_is_the_figures_of_its_vectors(vectors: list[tuple[int, float, bool]]) -> None:
    """Against numpy-free brute force: mean, the 95th of a hundred, and the greatest."""
    computations = Computations()
    for second, seconds, tainted in vectors:
        computations.add(vector("X", second * SECOND, second, tainted=tainted), seconds)
    found = {one.at // (60 * SECOND): one for one in computations.take(untouched=0.0)}
    minutes = {(second + 59) // 60 for second, _, _ in vectors}

    assert set(found) == minutes
    for minute, one in found.items():
        mine = sorted(1000 * s for second, s, _ in vectors if (minute - 1) * 60 < second <= minute * 60)
        assert one.computations == len(mine)
        assert one.mean == pytest.approx(sum(mine) / len(mine))
        assert sum(ms <= one.p95 for ms in mine) >= 0.95 * len(mine)
        assert one.p95 in mine and one.most == mine[-1]
        assert one.errors == sum(t for second, _, t in vectors if (minute - 1) * 60 < second <= minute * 60)
    assert computations.take(untouched=0.0) == []


def test_a_minute_that_goes_on_is_not_taken() -> None:
    computations = Computations()
    computations.add(vector("X", SECOND, 1), 0.001)

    assert computations.take() == []
    assert len(computations.take(untouched=0.0)) == 1


def test_minutes_that_nobody_takes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.computations.MOST", 5)
    computations = Computations()
    for minute in range(9):
        computations.add(vector("X", minute * 60 * SECOND, minute), 0.001)

    assert [one.at // (60 * SECOND) for one in computations.take(untouched=0.0)] == [4, 5, 6, 7, 8]


def test_noting_a_vector_costs_the_follower_little() -> None:
    """A few microseconds: the bound is generous, it must not be milliseconds."""
    computations = Computations()
    vectors: list[FeatureVector] = [vector("X", second * SECOND, second) for second in range(5000)]
    started = time.perf_counter()
    for one in vectors:
        computations.add(one, 0.001)

    assert (time.perf_counter() - started) / len(vectors) < 0.001
