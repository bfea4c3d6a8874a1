"""GET /health: always there, always at once, and right about what is away."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.log import NewRecord, open_log
from connectors.postgres.embedded import EmbeddedPostgres
from schemas.codec import encode
from schemas.origin import Origin
from schemas.quality import ChannelMinute, QualityMinute
from serving.probe import DatabaseCheck, PeerCheck, Probe, QueueCheck
from serving.view import View
from tests.serving.conftest import SECOND, Api, Market, eventually, now, running, vector

FLAT = {
    "database_connected",
    "queue_connected",
    "feature_registry_loaded",
    "latest_feature_computation_timestamp",
    "average_latency_ms_last_5min",
    "data_quality_ok",
    "active_dataset_builds_count",
    "last_dataset_build_duration_seconds",
}


def database(url: str) -> Probe:
    return Probe("database", DatabaseCheck(url), every=0.1).start()


def registry() -> Probe:
    return Probe("feature_registry", lambda: "version 1.2.0", every=0.1).start()


@pytest.fixture
def greeting() -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers every connection with the bytes in the list; its address."""
    answers = [b"\x01\x00\x00\x00\x00\x00\x0a"]
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                link, _ = listening.accept()
            except OSError:
                return
            with link:
                link.recv(8)
                link.sendall(answers[0])

    thread = threading.Thread(target=answer)
    thread.start()
    yield f"amqp://guest:guest@127.0.0.1:{listening.getsockname()[1]}/", answers
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


@pytest.mark.req("TK-GR-05")
def test_has_the_flat_fields_that_dashboards_read_beside_the_checks(
    market: Market, tmp_path: Path, database_url: str
) -> None:
    """Everything is well here."""
    probes = [database(database_url), registry()]
    with running(lambda: open_log(None, tmp_path / "log"), tmp_path, probes) as api:
        assert eventually(lambda: api.view.ready)
        at = now()
        market.add(vector("BTCUSDT", at, 1))
        assert eventually(lambda: api.health()["average_latency_ms_last_5min"] is not None)
        assert eventually(lambda: api.health()["database_connected"] and api.health()["feature_registry_loaded"])
        health = api.health()

    assert health.keys() >= FLAT
    assert {"status", "service", "timestamp", "checks", "services"} <= health.keys()
    assert (health["status"], health["database_connected"], health["queue_connected"]) == ("healthy", True, True)
    assert (health["feature_registry_loaded"], health["data_quality_ok"]) == (True, True)
    assert (health["active_dataset_builds_count"], health["last_dataset_build_duration_seconds"]) == (0, None)
    assert str(health["latest_feature_computation_timestamp"]).endswith("Z")
    assert health["checks"]["database"] == {"status": "healthy", "detail": "answers", "connected": True}  # type: ignore[index]
    assert health["services"]["database"] == "connected"  # type: ignore[index]


def test_a_database_that_is_away_goes_and_comes_without_making_health_wait(market: Market, tmp_path: Path) -> None:
    """Away at the start, then there, then stopped and started again; the vectors are served all the time."""
    server = EmbeddedPostgres(tmp_path / "postgres")
    slowest = 0.0
    with running(lambda: open_log(None, tmp_path / "log"), tmp_path, [database(server.url), registry()]) as api:
        market.add(vector("BTCUSDT", now(), 1))
        for wanted in (False, True, False, True):
            if wanted:
                server.start()
            else:
                server.stop()
            assert eventually(lambda wanted=wanted: api.health()["database_connected"] is wanted)  # type: ignore[misc]
            started = time.perf_counter()
            assert api.health()["status"] == ("healthy" if wanted else "degraded")
            slowest = max(slowest, time.perf_counter() - started)
            assert eventually(lambda: api.get("/features/latest", symbol="BTCUSDT").status_code == 200)
    server.stop()

    assert slowest < 2.0


def test_a_database_that_accepts_but_never_answers_is_reported_and_not_waited_for(
    market: Market, tmp_path: Path
) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    probe = Probe("database", DatabaseCheck(f"postgresql://x@127.0.0.1:{port}/x"), every=0.1, late=0.5).start()
    with running(lambda: open_log(None, tmp_path / "log"), tmp_path, [probe]) as api:
        assert eventually(lambda: "no answer for" in str(api.health()["checks"]))
        assert api.health()["database_connected"] is False
    listening.close()


def test_the_queue_is_the_log_when_no_broker_is_configured(api: Api) -> None:
    assert eventually(lambda: api.health()["queue_connected"])
    assert "AMQP_URL is not set" in str(api.health()["checks"])


def test_a_broker_that_greets_is_connected_and_anything_else_is_not(
    market: Market, tmp_path: Path, greeting: tuple[str, list[bytes]]
) -> None:
    """Not just an open port: the answer must be AMQP's."""
    url, answers = greeting
    probe = Probe("message_queue", QueueCheck(url), every=0.05).start()
    with running(lambda: open_log(None, tmp_path / "log"), tmp_path, [probe]) as api:
        assert eventually(lambda: api.health()["queue_connected"])
        answers[0] = b"HTTP/1.1"
        assert eventually(lambda: not api.health()["queue_connected"])
        assert "does not speak AMQP" in str(api.health()["checks"])
        assert "guest" not in str(api.health())


def test_a_fresh_tainted_vector_is_bad_quality_and_a_stale_one_is_not(market: Market, api: Api) -> None:
    """What is old says nothing about the data of now."""
    market.add(vector("OLD", now() - 40 * SECOND, 1, tainted=True, taint=["book"]))
    assert eventually(lambda: api.view.symbols == ["OLD"])
    assert api.health()["data_quality_ok"] is True
    market.add(vector("BTCUSDT", now(), 2, tainted=True, taint=["book"]))
    assert eventually(lambda: not api.health()["data_quality_ok"])
    assert "tainted, so kept from models: BTCUSDT" in str(api.health()["checks"])
    market.add(vector("BTCUSDT", now(), 3))
    assert eventually(lambda: api.health()["data_quality_ok"])


@pytest.mark.req("TK-GR-05", "FS-FR-019")
def test_a_rate_of_the_last_minutes_beyond_its_limit_is_bad_quality_and_an_old_one_is_not(
    market: Market, api: Api
) -> None:
    """From the minutes that a flow writes on the log, whatever the newest vector is like."""

    def minute(symbol: str, ago: int, missing: int, shard: int = 0) -> None:
        ts = (now() // SECOND - ago) * SECOND
        channels = {"trades": ChannelMinute(received=100, expected=60, missing=missing)}
        record = QualityMinute(symbol, ts, channels, Origin(shard, ago, 0))
        market.log.append("quality-minutes", shard, [NewRecord(b"X", encode(record), ts)])

    market.add(vector("BTCUSDT", now(), 3))
    minute("OLD", 3600, missing=60, shard=1)
    assert eventually(lambda: api.view.ready)
    assert api.health()["data_quality_ok"] is True
    minute("BTCUSDT", 30, missing=6)
    assert eventually(lambda: not api.health()["data_quality_ok"])
    assert "BTCUSDT: missing_rate is 0.1, more than 0.01" in str(api.health()["checks"])
    for _ in range(12):
        minute("BTCUSDT", 1, missing=0)
    assert eventually(lambda: api.health()["data_quality_ok"])


@pytest.mark.req("TK-GR-05")
def test_position_manager_is_connected_while_its_health_answers(market: Market, tmp_path: Path) -> None:
    """Where none is configured it is not connected, and nobody minds."""
    with running(lambda: open_log(None, tmp_path / "log"), tmp_path / "peer") as peer:
        check = Probe("position_manager", PeerCheck(peer.url), every=0.05, late=5).start()
        probes = [registry(), check]
        with running(lambda: open_log(None, tmp_path / "log"), tmp_path, probes) as api:
            assert eventually(lambda: api.health()["services"]["position_manager"] == "connected")  # type: ignore[index]
            check.check = PeerCheck(f"{peer.url}/nothing/of/this/kind")
            assert eventually(lambda: api.health()["services"]["position_manager"] == "disconnected")  # type: ignore[index]
            assert "answered 401" in str(api.health()["checks"])
        with running(lambda: open_log(None, tmp_path / "log"), tmp_path) as api:
            assert api.health()["services"]["position_manager"] == "disconnected"  # type: ignore[index]
            assert "position_manager" not in api.health()["checks"]  # type: ignore[operator]


@pytest.mark.req("FS-EC-09")
def test_latency_above_70_ms_is_degraded_and_forgotten_after_five_minutes() -> None:
    view = View()
    view.add(vector("A", 1000 * SECOND, 1), received=1000 * SECOND + 100_000)
    view.add(vector("A", 1001 * SECOND, 2), received=1001 * SECOND + 300_000)

    assert view.mean_latency_ms(1002 * SECOND) == pytest.approx(200)
    assert view.mean_latency_ms(1301 * SECOND) is None
    assert view.mean_latency_ms(1300 * SECOND) == pytest.approx(300)


def test_a_replay_of_the_past_says_nothing_about_latency() -> None:
    view = View()
    view.add(vector("A", 1000 * SECOND, 1), received=90_000 * SECOND)
    view.add(vector("A", 1000 * SECOND, 2), received=None)

    assert view.mean_latency_ms(90_000 * SECOND) is None
    assert sum(view.latency.buckets) == 0
