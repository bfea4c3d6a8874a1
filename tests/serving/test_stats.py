"""Statistics: computed from the log and the folders, each part for itself, and always 200."""

import asyncio
import signal
import tracemalloc
from pathlib import Path
from random import Random
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractConnection
from hypothesis import given
from hypothesis import strategies as st

from connectors.log import NewRecord
from connectors.log.sqlite import SqliteLog
from connectors.measures import Measures
from connectors.rabbitmq.depths import GATEWAY
from operators.symbol import SymbolState
from schemas.codec import encode
from schemas.market import BookDelta, BookSnapshot, Kline, Tick, Trade
from serving.statistics import QUEUES_EVERY
from serving.stats import INCOMPLETE
from serving.window_view import WindowView
from tests.fix_rabbitmq import RabbitServer
from tests.serving.conftest import SECOND, Api, Market, eventually, now, running, vector

MINUTE = 60 * SECOND
PARTS = {"storage", "processing", "rolling_windows", "subscriptions", "service"}


def append(market: Market, shard: int, *events: Any) -> None:
    market.log.append("events", shard, [NewRecord(b"X", encode(event), event.recv) for event in events])


def trade(symbol: str, recv: int, number: int = 0) -> Trade:
    return Trade(symbol, recv, recv, f"{recv}-{number}", "buy", 100.0, 1.0)


def kline(symbol: str, recv: int, start: int, closed: bool = True) -> Kline:
    return Kline(symbol, recv, recv, start, 1.0, 2.0, 1.0, 1.5, 3.0, closed=closed)


# --- storage ---


@pytest.mark.req("TK-ST-01")
def test_storage_counts_every_file_of_each_kind(api: Api, tmp_path: Path) -> None:
    """Files of all depths; a folder that was not made yet holds nothing."""
    for name, size in (("archive/type=trade/date=2025-03-04/a.parquet", 700), ("archive/_catalogue.sqlite", 50)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    (tmp_path / "datasets/one").mkdir(parents=True)
    (tmp_path / "datasets/one/train.parquet").write_bytes(b"x" * 30)
    found = api.get("/stats/storage").json()

    assert found["raw_data_storage"] == {"size_bytes": 750, "file_count": 2, "error": None}
    assert found["dataset_storage"] == {"size_bytes": 30, "file_count": 1, "error": None}
    assert found["model_storage"] == {"size_bytes": 0, "file_count": 0, "error": None}
    assert found["error"] is None


@pytest.mark.req("TK-ST-01")
def test_storage_that_is_no_folder_is_an_error_of_its_part_alone(api: Api, tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("not a folder")
    answer = api.get("/stats/storage")
    found = answer.json()

    assert answer.status_code == 200
    assert "archive" in found["raw_data_storage"]["error"]
    assert found["dataset_storage"]["error"] is None
    assert found["error"].startswith("raw_data_storage: ")


# --- processing ---


@pytest.mark.req("TK-ST-01")
def test_processing_counts_vectors_and_the_events_behind_them(market: Market, api: Api) -> None:
    """By the times on the log: of the last hour, of the last day, of ever. An event that no vector is of yet is not
    counted."""
    at = now()
    for shard in (0, 1):
        append(market, shard, *(Tick(at - hours * 3600 * SECOND) for hours in (30, 25, 20, 2)))
        append(market, shard, Tick(at - 60 * SECOND), Tick(at - 30 * SECOND), Tick(at - SECOND))
        for offset, ago in ((2, 20 * 3600), (4, 60), (5, 30)):
            market.add(vector(f"S{shard}", (at // SECOND - ago) * SECOND, offset, shard))
    assert eventually(lambda: len(api.view.latest_origin) == 2 and set(api.view.latest_origin.values()) == {5})
    assert eventually(lambda: api.view.ends.get(("features", 1)) == 3)
    found = api.get("/stats/processing").json()

    assert (found["features_computed_1h"], found["features_computed_24h"], found["features_total"]) == (4, 6, 6)
    assert (found["events_processed_1h"], found["events_processed_24h"], found["events_total"]) == (4, 8, 12)
    assert found["log_time"] is not None
    assert found["error"] is None


@pytest.mark.req("TK-ST-01")
def test_processing_without_a_log_is_null_and_says_why(tmp_path: Path) -> None:
    def away() -> SqliteLog:
        raise OSError("the disk is gone")

    with running(away, tmp_path) as api:
        assert eventually(lambda: api.view.log_error == "the disk is gone")
        found = api.get("/stats/processing")
        everything = api.get("/stats")
        windows = api.get("/stats/rolling-windows")

    assert found.status_code == everything.status_code == windows.status_code == 200
    assert found.json()["events_processed_1h"] is None
    assert "the disk is gone" in found.json()["error"]
    assert {"processing", "rolling_windows"} <= everything.json()["errors"].keys()
    assert windows.json() == []
    assert windows.headers[INCOMPLETE] == "the disk is gone"


# --- rolling windows ---


@pytest.mark.req("TK-ST-01")
def test_rolling_windows_hold_what_came_in_lately(market: Market, api: Api) -> None:
    at = now() // SECOND * SECOND
    trades = [trade("BTCUSDT", at - ago * SECOND // 10) for ago in (700, 599, 140, 25, 9, 0)]
    candles = [kline("BTCUSDT", at, at // MINUTE * MINUTE - ago * MINUTE) for ago in (3, 2, 1, 1)]
    append(market, 0, *trades, *candles, kline("BTCUSDT", at, at // MINUTE * MINUTE, closed=False), Tick(at))
    append(market, 1, Tick(at), trade("ETHUSDT", at))
    assert eventually(lambda: len(api.get("/stats/rolling-windows").json()) == 2)
    assert eventually(lambda: api.get("/stats/rolling-windows").json()[0]["total_klines_count"] == 3)
    btc, eth = api.get("/stats/rolling-windows").json()

    assert btc["symbol"] == "BTCUSDT"
    assert btc["intervals"] == {"1s": 2, "3s": 3, "15s": 4, "1m": 5}
    assert (btc["total_trades_count"], btc["total_klines_count"]) == (5, 3)
    assert btc["memory_usage_bytes_estimate"] > 40_000
    assert btc["last_update"].endswith("Z")
    assert eth["intervals"]["1s"] == 1
    assert [one["symbol"] for one in api.get("/stats/rolling-windows", symbol="ethusdt").json()] == ["ETHUSDT"]
    assert api.get("/stats/rolling-windows", symbol="NOSUCH").json() == []
    assert api.get("/stats/rolling-windows", symbol="no such").status_code == 422


@pytest.mark.req("TK-ST-01")
@given(
    st.lists(st.tuples(st.integers(0, 200 * SECOND), st.sampled_from(["trade", "tick", "delta"])), max_size=60),
    st.integers(0, 3),
)
def test_window_counts_equal_brute_force(events: list[tuple[int, str]], late: int) -> None:
    """Over all trades, each at the shard's clock, which never goes back."""
    view, times, clock = WindowView(), [], 0
    ordered = sorted(events)
    for place, (recv, kind) in enumerate(ordered):
        recv = max(0, recv - late * SECOND) if place % 3 == 0 else recv
        if kind == "delta":
            view.add(encode(BookDelta("X", recv, recv, 2, 1, [], [])), 0)
            continue
        clock = max(clock, recv)
        view.add(encode(trade("X", recv) if kind == "trade" else Tick(recv)), 0)
        times += [clock] if kind == "trade" else []
    t = clock // SECOND * SECOND
    expected = {name: sum(t - w * SECOND < time <= t for time in times)
                for name, w in (("1s", 1), ("3s", 3), ("15s", 15), ("1m", 60))}  # fmt: skip

    found = view.holdings()
    assert [one.intervals for one in found] == ([expected] if times else [])


def test_the_estimate_of_memory_is_near_what_a_flow_needs() -> None:
    """Within a factor of two of what is really allocated, for a quiet and for a busy symbol."""
    for per_second in (1, 20):
        view, random, at = WindowView(), Random(1), 1_700_000_000 * SECOND
        candles = [kline("X", at, at // MINUTE * MINUTE - (1500 - i) * MINUTE) for i in range(1500)]
        trades = [trade("X", at + i * SECOND // per_second, i) for i in range(60 * per_second)]
        for event in (*candles, *trades):
            view.add(encode(event), 0)
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        state = SymbolState()
        levels = [(100.0 + i + random.random(), 1.0 + random.random()) for i in range(200)]
        state.book_snapshot(BookSnapshot("X", at, at, 1, [(200 - p, s) for p, s in levels], levels), at)
        for candle in candles:
            state.kline(candle, at)
        for one in trades:
            state.trade(Trade("X", one.ts, one.recv, f"{one.id}", "buy", one.price + random.random(), 1.0), one.recv)
        taken = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()

        assert taken / 2 < view.holdings()[0].memory < taken * 2


def test_a_log_that_begins_anew_empties_the_windows() -> None:
    view = WindowView()
    view.add(encode(trade("A", 100 * SECOND)), 0)
    view.add(encode(trade("B", 100 * SECOND)), 1)
    view.begun_anew(0)
    view.add(encode(trade("A", 5 * SECOND)), 0)

    assert [(one.symbol, one.newest) for one in view.holdings()] == [("A", 5 * SECOND), ("B", 100 * SECOND)]


# --- subscriptions ---


async def _fill(connection: AbstractConnection, queue: str, messages: int) -> None:
    """As ws-gateway declares it."""
    channel = await connection.channel(publisher_confirms=True)
    arguments: Any = {"x-message-ttl": 86_400_000, "x-max-length": 100_000, "x-overflow": "drop-head"}
    await channel.declare_queue(queue, durable=True, arguments=arguments)
    for number in range(messages):
        await channel.default_exchange.publish(aio_pika.Message(b"%d" % number), queue)


@pytest.mark.req("TK-ST-01")
def test_subscriptions_are_read_from_a_broker_that_comes_and_goes_and_take_no_message(
    market: Market, tmp_path: Path, rabbitmq_server: RabbitServer
) -> None:
    """A queue with messages and nobody, one with a consumer, and queues that nobody declared."""
    with running(lambda: market.log, tmp_path, amqp_url=rabbitmq_server.url) as api:
        assert states(api) == {"unknown"}
        asyncio.run(_look(api, rabbitmq_server.start()))
        rabbitmq_server.stop(signal.SIGKILL)
        assert eventually(lambda: states(api) == {"unknown"})


async def _look(api: Api, url: str) -> None:
    async with await aio_pika.connect(url) as connection:
        await _fill(connection, "ws-gateway.trade", 7)
        await _fill(connection, "ws-gateway.ticker", 0)
        queue = await (await connection.channel()).get_queue("ws-gateway.ticker")
        await queue.consume(lambda message: message.ack())
        assert await asyncio.to_thread(eventually, lambda: states(api) == {"waiting", "active", "missing"})
        for _ in range(2):
            found = await asyncio.to_thread(api.get, "/stats/subscriptions")
            by_name = {one.pop("queue_name"): one for one in found.json()}

            assert tuple(by_name) == GATEWAY
            assert by_name["ws-gateway.trade"] == told(7, 0, "waiting")
            assert by_name["ws-gateway.ticker"] == told(0, 1, "active")
            assert by_name["ws-gateway.order"] == told(None, None, "missing")
            await asyncio.sleep(QUEUES_EVERY)


def states(api: Api) -> set[str]:
    return {one["subscription_status"] for one in api.get("/stats/subscriptions").json()}


def told(messages: int | None, consumers: int | None, status: str) -> dict[str, object]:
    return {"messages_in_queue": messages, "active_consumers": consumers, "subscription_status": status, "error": None}


@pytest.mark.req("TK-ST-01")
def test_a_broker_that_goes_away_is_an_error_and_its_password_is_told_to_nobody(market: Market, tmp_path: Path) -> None:
    url = "amqp://guest:secret-word@127.0.0.1:1/"
    with running(lambda: market.log, tmp_path, amqp_url=url) as api:
        answer = api.get("/stats/subscriptions")

    assert answer.status_code == 200
    assert {one["subscription_status"] for one in answer.json()} == {"unknown"}
    assert all("RabbitMQ is away" in one["error"] for one in answer.json())
    assert "secret-word" not in answer.text


def test_without_a_broker_the_queues_are_unknown(api: Api) -> None:
    found = api.get("/stats/subscriptions").json()

    assert [one["queue_name"] for one in found] == list(GATEWAY)
    assert all("AMQP_URL is not set" in one["error"] for one in found)


# --- service, and everything ---


@pytest.mark.req("TK-ST-01")
def test_the_service_tells_symbols_health_and_flows(market: Market, api: Api, measures: Measures) -> None:
    measures.publish()
    market.add(vector("ETHUSDT", now(), 1))
    append(market, 0, trade("BTCUSDT", now()))
    assert eventually(lambda: api.get("/stats/service").json()["tracked_symbols"] == ["BTCUSDT", "ETHUSDT"])
    found = api.get("/stats/service").json()

    assert found["service_status"] == api.health()["status"]
    assert found["last_health_check"].endswith("Z")
    assert [(one["flow"], one["process"], one["alive"]) for one in found["flows"]] == [("features", 1, True)]


@pytest.mark.req("TK-ST-01")
def test_everything_at_once_is_what_the_parts_say(market: Market, api: Api) -> None:
    assert eventually(lambda: api.view.ready)
    everything = api.get("/stats").json()
    parts = {part: api.get(f"/stats/{part.replace('_', '-')}").json() for part in PARTS}

    assert everything.keys() == {*PARTS, "collected_at", "errors"}
    for part in PARTS - {"service"}:
        assert everything[part] == parts[part]
    assert everything["service"].keys() == parts["service"].keys()
    assert "subscriptions" in everything["errors"]


def test_statistics_need_the_key(api: Api) -> None:
    assert api.client.get(f"{api.url}/stats").status_code == 401
