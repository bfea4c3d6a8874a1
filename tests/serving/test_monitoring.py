"""The monitoring routes and the performance of strategies, empty and filled, against plain Python."""

import time
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from connectors.postgres.migrate import Migrator
from schemas.model import ModelActivated
from schemas.origin import Origin
from schemas.strategy import Strategy, StrategyConfigured
from serving.times import iso
from serving.trading_view import TradingView
from tests.persist.written import SECOND, START, decision, execution, signal, write, write_events
from tests.serving.conftest import Api, Market, eventually, now
from tests.serving.trading import got, serving, stored

HOUR = 3600 * SECOND


@pytest.fixture
def url(database_url: str) -> str:
    Migrator(database_url).up()
    return database_url


def ready(api: Api) -> bool:
    """The follower is at the end of every topic: what comes now is live."""
    time.sleep(0.3)
    return eventually(lambda: api.view.ready)


@pytest.mark.req("TK-MS-11")
def test_skips_are_counted_by_strategy_asset_and_reason_while_the_api_runs(market: Market, tmp_path: Path) -> None:
    """What was skipped before it started is history; what became a signal is no skip."""
    write(market.log, [decision(Origin(0, 0, 0), now())])
    with serving(tmp_path, None) as api:
        assert ready(api) and eventually(api.view.trading.decisions.all)
        empty = got(api, "/api/v1/monitoring/signals/skip-metrics")
        random, made = Random(5), []
        for offset in range(1, 200):
            changes = {"strategy": random.choice("ab"), "step": random.choice(["rate", "data", "orders"])}
            outcome = random.choice(["skip", "skip", "signal"])
            made.append(decision(Origin(offset % 2, offset, 0), now(), outcome=outcome, **changes))
        write(market.log, made)
        assert eventually(lambda: len(api.view.trading.decisions.all()) == 200)
        answers = {
            (strategy, asset): got(api, "/api/v1/monitoring/signals/skip-metrics", **query)
            for strategy, asset, query in (
                (None, None, {}),
                ("a", None, {"strategy_id": "a"}),
                ("b", "ETHUSDT", {"strategy_id": "b", "asset": "ethusdt"}),
            )
        }

    last_reset = empty.pop("last_reset")
    assert empty == {"total_skips": 0, "by_asset_strategy": {}, "by_reason": {}}
    for (strategy, asset), answer in answers.items():
        skipped = [
            one
            for one in made
            if one.outcome == "skip" and strategy in (None, one.strategy) and asset in (None, one.symbol)
        ]
        assert answer.pop("last_reset") == last_reset
        assert answer["total_skips"] == len(skipped)
        assert answer["by_reason"] == Counter(one.step for one in skipped)
        pairs = defaultdict(Counter)
        for one in skipped:
            pairs[f"{one.strategy}:{one.symbol}"][one.step] += 1
        assert {name: pair["by_reason"] for name, pair in answer["by_asset_strategy"].items()} == pairs
        for name, pair in answer["by_asset_strategy"].items():
            assert f"{pair['strategy_id']}:{pair['asset']}" == name
            assert pair["total_skips"] == pairs[name].total()


@pytest.mark.req("TK-MS-25")
def test_delays_of_signals_are_counted_in_buckets(market: Market, tmp_path: Path) -> None:
    """0.5, 3, 20, 60 and 200 s old; one of an hour's replay and one from before the start count nowhere."""
    write(market.log, [signal(Origin(0, 0, 0), now())])
    with serving(tmp_path, None) as api:
        assert ready(api) and eventually(api.view.trading.signals.all)
        empty = got(api, "/api/v1/monitoring/signals/processing-delay")
        ages = (0.0, 3, 20, 60, 200, 4000)
        write(
            market.log,
            [signal(Origin(0, 1 + n, 0), now() - int(age * SECOND)) for n, age in enumerate(ages)],
        )
        assert eventually(lambda: len(api.view.trading.signals.all()) == 7)
        filled = got(api, "/api/v1/monitoring/signals/processing-delay")

    assert (empty["total_signals"], empty["average_delay_seconds"], empty["max_delay_seconds"]) == (0, 0, 0)
    assert empty["bucket_counts"] == {"<1s": 0, "1-5s": 0, "5-30s": 0, "30-120s": 0, ">120s": 0}
    assert filled["total_signals"] == 5
    assert filled["bucket_counts"][">120s"] == 1
    assert sum(filled["bucket_counts"].values()) == 5
    assert filled["max_delay_seconds"] >= 200
    assert filled["average_delay_seconds"] >= 283 / 5


@pytest.mark.req("TK-MS-25")
def test_each_delay_falls_into_its_bucket_and_a_long_one_is_told() -> None:
    """The bounds belong to the bucket above; above 300 s there is a warning with the signal's trace id."""
    view, at = TradingView(), 10_000 * HOUR
    with capture_logs() as lines:
        for offset, age in enumerate((0.999, 1, 4.999, 5, 29.9, 30, 119.9, 120, 300, 301, -0.5)):
            view.add_signal(signal(Origin(0, offset, 0), at), at + int(age * SECOND))

    assert list(view.delays.buckets.values()) == [2, 2, 2, 2, 3]
    assert view.delays.longest == 301
    assert [(line["event"], line["seconds"]) for line in lines] == [("signal.delayed", 301.0)]
    assert lines[0]["signal_trace_id"] == signal(Origin(0, 9, 0), at).trace_id


@pytest.mark.req("MS-FR-014", "TK-MS-12")
def test_health_says_whether_models_are_in_use_and_strategies_warm_up(market: Market, url: str, tmp_path: Path) -> None:
    """A strategy in ``auto`` warms up until each of its symbols has a model; one that only exits never does."""
    path = "/api/v1/monitoring/health"
    with serving(tmp_path, url) as api:
        assert got(api, path) == {
            "database_connected": False, "message_queue_connected": got(api, path)["message_queue_connected"],
            "model_storage_accessible": True, "active_models": 0, "warmup_mode_enabled": False,
        }  # fmt: skip
        told: list[tuple[Any, bool, int]] = [
            (StrategyConfigured(START, Strategy("exits", ("BTCUSDT",), mode="exits")), False, 0),
            (StrategyConfigured(START, Strategy("alpha", ("BTCUSDT", "ETHUSDT"))), True, 0),
            (ModelActivated(START, "alpha", "v1", symbol="BTCUSDT"), True, 1),
            (ModelActivated(START, "alpha", "v2"), False, 2),
            (ModelActivated(START, "alpha", None), True, 1),
            (StrategyConfigured(START, Strategy("alpha", ("BTCUSDT",), enabled=False)), False, 1),
            (StrategyConfigured(START, Strategy("alpha", ("BTCUSDT",), mode="warmup")), True, 1),
        ]
        for event, warming, active in told:
            write_events(market.log, 0, [event])
            write_events(market.log, 1, [event])
            assert eventually(
                lambda warming=warming, active=active: (  # type: ignore[misc]
                    (found := got(api, path))["warmup_mode_enabled"], found["active_models"]
                ) == (warming, active)
            ), event  # fmt: skip


def test_models_are_none_without_a_table_and_counted_with_one(
    market: Market, database_url: str, tmp_path: Path
) -> None:
    """Where another system's migrations made ``model_versions``; those for any strategy are named so."""
    url = database_url
    path = "/api/v1/monitoring/models/performance"
    none = {"active_models_count": 0, "total_models_count": 0, "models_by_strategy": {}, "models_by_type": {}}
    with serving(tmp_path, url) as api, psycopg.connect(url, autocommit=True) as connection:
        assert got(api, path) == none
        connection.execute(
            "create table model_versions (strategy_id varchar(100), model_type varchar(50), is_active bool)"
        )
        assert got(api, path) == none
        connection.execute(
            "insert into model_versions values ('a', 'xgboost', true), ('a', 'xgboost', false),"
            " ('b', 'sgd_classifier', true), (null, 'xgboost', false)"
        )
        assert got(api, path) == {
            "active_models_count": 2, "total_models_count": 4,
            "models_by_strategy": {"a": 2, "b": 1, "any": 1}, "models_by_type": {"xgboost": 3, "sgd_classifier": 1},
        }  # fmt: skip


def bucket(micros: int, granularity: str) -> str:
    moment = datetime.fromtimestamp(micros / SECOND, UTC).replace(minute=0, second=0, microsecond=0)
    if granularity != "hour":
        moment = moment.replace(hour=0)
    if granularity == "week":
        moment -= timedelta(days=moment.weekday())
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.req("TK-MS-10")
@pytest.mark.parametrize("granularity", ["hour", "day", "week"])
def test_performance_counts_orders_and_sums_realised_profit(
    market: Market, url: str, tmp_path: Path, granularity
) -> None:
    """Orders of one to three parts over three weeks; an order counts where its first part does."""
    path, random, done, orders = "/api/v1/strategies/alpha/performance/time-series", Random(3), [], []
    for number in range(120):
        first = START + random.randint(0, 21 * 24) * HOUR + random.randint(0, 50) * 60 * SECOND
        closes, strategy = random.random() < 0.6, random.choice(["alpha", "alpha", "beta"])
        profits = [random.randint(-20, 20) / 2 for _ in range(random.randint(1, 3))]
        for part, profit in enumerate(profits):
            result = {"realized": profit, "closed": 1.0} if closes else {}
            origin = Origin(0, number, part)
            done.append(
                execution(origin, first + part * SECOND, strategy=strategy, order_id=f"order {number}", **result)
            )
        if strategy == "alpha":
            orders.append((first, sum(profits) if closes else None))
    with serving(tmp_path, url) as api:
        assert got(api, path, granularity=granularity)["data_points"] == []
        write(market.log, done)
        stored(market.log, url)
        span = {"start_time": iso(START - HOUR), "end_time": iso(START + 30 * 24 * HOUR)}
        answer = got(api, path, granularity=granularity, **span)

    groups: dict[str, list[float | None]] = defaultdict(list)
    for first, profit in orders:
        groups[bucket(first, granularity)].append(profit)
    assert [point["timestamp"] for point in answer["data_points"]] == sorted(groups)
    for point in answer["data_points"]:
        profits_of = groups[point["timestamp"]]
        closed = [profit for profit in profits_of if profit is not None]
        won = sum(profit > 0 for profit in closed)
        assert (point["total_orders"], point["successful_orders"]) == (len(profits_of), won)
        assert point["success_rate"] == pytest.approx(won / len(profits_of))
        assert point["total_pnl"] == pytest.approx(sum(closed))
        assert point["avg_pnl"] == pytest.approx(sum(closed) / len(closed) if closed else 0.0)
    assert (answer["strategy_id"], answer["granularity"]) == ("alpha", granularity)
    assert (answer["start_time"], answer["end_time"]) == (span["start_time"], span["end_time"])


def test_performance_is_of_the_last_seven_days_and_refuses_what_makes_no_sense(
    market: Market, url: str, tmp_path: Path
) -> None:
    path = "/api/v1/strategies/alpha/performance/time-series"
    ages = {1: 6 * 24, 2: 8 * 24}
    write(market.log, [execution(Origin(0, n, 0), now() - age * HOUR, order_id=f"{n}") for n, age in ages.items()])
    stored(market.log, url)
    with serving(tmp_path, url) as api:
        answer = got(api, path)
        assert sum(point["total_orders"] for point in answer["data_points"]) == 1
        begin, end = (datetime.fromisoformat(answer[name]) for name in ("start_time", "end_time"))
        assert end - begin == timedelta(days=7)
        assert answer["granularity"] == "hour"
        for query, status in (
            ({"granularity": "minute"}, 422),
            ({"start_time": "2025-01-02", "end_time": "2025-01-01"}, 400),
            ({"start_time": "1970-01-01T00:00:00Z", "end_time": "2025-01-01T00:00:00Z"}, 400),
        ):
            refused = api.get(path, **query)
            assert refused.status_code == status, query
            assert refused.json().keys() == {"detail", "error", "trace_id"}
