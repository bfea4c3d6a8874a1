"""GET /api/v1/signals and /api/v1/decisions: what the database holds, by filters and pages."""

from pathlib import Path
from typing import Any

import pytest

from connectors.log import NewRecord
from connectors.postgres.migrate import Migrator
from schemas.decision import Decision
from schemas.origin import Origin
from schemas.signal import TradingSignal
from serving.times import iso
from tests.persist.written import SECOND, START, decision, signal, story, write
from tests.serving.conftest import Market, eventually
from tests.serving.trading import got, serving, stored


@pytest.fixture
def url(database_url: str) -> str:
    Migrator(database_url).up()
    return database_url


@pytest.fixture
def told(market: Market, url: str) -> list[Any]:
    """Both shards, stored."""
    records = [*story(11, 0, 0, 120), *story(11, 1, 0, 120)]
    write(market.log, records)
    stored(market.log, url)
    return records


def newest_first(records: list[Any], kind: type, **wanted: Any) -> list[str]:
    """Their origins by time and origin, for those whose fields are as wanted."""
    found = [
        one
        for one in records
        if type(one) is kind and all(getattr(one, name) == value for name, value in wanted.items())
    ]
    return ["/".join(map(str, one.origin)) for one in sorted(found, key=lambda one: (-one.ts, one.origin))]


def origins(answer: Any) -> list[str]:
    return [item["origin"] for item in answer["items"]]


@pytest.mark.req("MS-FR-013", "MS-SC-007")
@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({}, {}),
        ({"strategy_id": "beta"}, {"strategy": "beta"}),
        ({"asset": "ethusdt"}, {"symbol": "ETHUSDT"}),
        ({"strategy_id": "alpha", "asset": "BTCUSDT"}, {"strategy": "alpha", "symbol": "BTCUSDT"}),
        ({"asset": "XRPUSDT"}, {"symbol": "XRPUSDT"}),
    ],
)
def test_filters_give_exactly_what_fits_newest_first(told, url, tmp_path: Path, query, wanted) -> None:
    """Signals and decisions, from the database and, where they still are, from the log."""
    with serving(tmp_path, url) as api:
        assert eventually(
            lambda: len(api.view.trading.decisions.all()) == sum(isinstance(one, Decision) for one in told)
        )
        for path, kind in (("signals", TradingSignal), ("decisions", Decision)):
            expected = newest_first(told, kind, **wanted)
            page = got(api, f"/api/v1/{path}", limit="1000", **query)
            latest = got(api, f"/api/v1/{path}/latest", limit="1000", **query)

            assert page["total"] == len(expected)
            assert sorted(origins(page)) == sorted(expected)
            times = [item["timestamp"] for item in page["items"]]
            assert times == sorted(times, reverse=True)
            assert sorted(origins(latest)) == sorted(expected)
            by_origin = {item["origin"]: item for item in latest["items"]}
            assert by_origin == {item["origin"]: item for item in page["items"]}


def test_pages_follow_each_other_without_gap_or_repeat(told, url, tmp_path: Path) -> None:
    with serving(tmp_path, url) as api:
        for path in ("signals", "decisions"):
            whole = origins(got(api, f"/api/v1/{path}", limit="1000"))
            pages = [got(api, f"/api/v1/{path}", limit="7", offset=str(first)) for first in range(0, len(whole), 7)]
            assert [origin for page in pages for origin in origins(page)] == whole
            assert {(page["limit"], page["total"]) for page in pages} == {(7, len(whole))}
        assert got(api, "/api/v1/signals", offset="10000")["items"] == []


def test_times_include_the_first_and_leave_out_the_last_moment(told, url, tmp_path: Path) -> None:
    """With a zone or, as UTC, without."""
    begin, end = START + 20 * SECOND, START + 40 * SECOND
    expected = {"/".join(map(str, one.origin)) for one in told if isinstance(one, Decision) and begin <= one.ts < end}
    with serving(tmp_path, url) as api:
        for since, until in (
            (iso(begin), iso(end)),
            (iso(begin)[:-1], iso(end)[:-1]),
            (iso(begin + 7200 * SECOND).replace("Z", "+02:00"), iso(end - 18000 * SECOND).replace("Z", "-05:00")),
        ):
            found = got(api, "/api/v1/decisions", since=since, until=until, limit="1000")
            assert set(origins(found)) == expected
        answer = api.get("/api/v1/decisions", since=iso(end), until=iso(begin))
        assert answer.status_code == 400
        assert "lies before since" in answer.json()["detail"]


@pytest.mark.req("TK-MS-11")
@pytest.mark.parametrize(("query", "wanted"), [
    ({"outcome": "skip", "step": "rate"}, {"outcome": "skip", "step": "rate"}),
    ({"outcome": "signal"}, {"outcome": "signal"}),
    ({"step": "data", "strategy_id": "alpha"}, {"step": "data", "strategy": "alpha"}),
])  # fmt: skip
def test_decisions_by_what_came_of_them_and_which_gate_decided(told, url, tmp_path: Path, query, wanted) -> None:
    expected = newest_first(told, Decision, **wanted)
    assert expected
    with serving(tmp_path, url) as api:
        for path in ("/api/v1/decisions", "/api/v1/decisions/latest"):
            assert eventually(
                lambda path=path: sorted(origins(got(api, path, limit="1000", **query))) == sorted(expected)  # type: ignore[misc]
            )


@pytest.mark.req("MS-SC-007", "MS-US-4.3")
def test_one_signal_is_found_by_its_id_on_the_log_or_in_the_database(market: Market, url: str, tmp_path: Path) -> None:
    """With everything that is known of it; the same from both."""
    made = signal(Origin(0, 4, 1), START, requested=400.0, rule="take_profit", kind="exit", urgent=True)
    write(market.log, [made])
    stored(market.log, url)
    path = f"/api/v1/signals/{made.signal_id}"
    with serving(tmp_path, url) as api:
        assert eventually(api.view.trading.signals.all)
        from_log = got(api, path)
        api.view.trading.signals.clear()
        assert got(api, path) == from_log
        unknown = api.get("/api/v1/signals/00000000-0000-0000-0000-000000000000")
        assert (unknown.status_code, unknown.json()["error"]) == (404, "Not Found")
        assert api.get("/api/v1/signals/nonsense").status_code == 422

    assert from_log == {
        "signal_id": made.signal_id, "strategy_id": "alpha", "asset": "BTCUSDT", "side": "buy", "price": 142.2,
        "confidence": 0.82, "timestamp": "2025-03-04T09:15:04Z", "model_version": None, "is_warmup": True,
        "amount": 355.5, "requested": 400.0, "kind": "exit", "rule": "take_profit", "urgency": True,
        "reason": made.reason, "feature_registry_version": "1.2.0", "origin": "0/4/1", "trace_id": made.trace_id,
        "market_data_snapshot": {
            "price": 142.2, "spread": 0.00246, "spread_absolute": 0.0035, "volume_24h": 918.4, "volatility": 0.00041,
            "orderbook_depth": {"bid_depth": 512.0, "ask_depth": 498.5}, "technical_indicators": {"rsi_14": 31.5},
        },
    }  # fmt: skip


def test_a_signal_that_another_system_wrote_is_shown_with_what_it_has(url: str, tmp_path: Path, market: Market) -> None:
    import psycopg

    with psycopg.connect(url) as connection:
        connection.execute(
            "insert into trading_signals (signal_id, strategy_id, asset, side, price, timestamp, metadata)"
            " values (gen_random_uuid(), 'theirs', 'SOLUSDT', 'sell', 2.5, '2025-01-01 10:00', '[1]')"
        )
    with serving(tmp_path, url) as api:
        item = got(api, "/api/v1/signals")["items"][0]

    assert (item["strategy_id"], item["price"], item["timestamp"]) == ("theirs", 2.5, "2025-01-01T10:00:00Z")
    assert (item["amount"], item["kind"], item["reason"], item["confidence"]) == (None, None, None, None)


def test_nothing_stored_is_an_empty_page(url: str, tmp_path: Path, market: Market) -> None:
    with serving(tmp_path, url) as api:
        for path in ("signals", "decisions"):
            assert got(api, f"/api/v1/{path}") == {"items": [], "total": 0, "limit": 100, "offset": 0}
            assert got(api, f"/api/v1/{path}/latest") == {"items": [], "kept": 1000}


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "1001"}, {"offset": "-1"}, {"asset": "a'b"}, {"since": "x"}]
)
def test_impossible_questions_are_422(url: str, tmp_path: Path, market: Market, query: dict[str, str]) -> None:
    with serving(tmp_path, url) as api:
        answer = api.get("/api/v1/signals", **query)

    assert answer.status_code == 422
    assert answer.json().keys() == {"detail", "error", "trace_id"}


def test_the_newest_thousand_of_all_shards_are_kept_in_memory(market: Market, tmp_path: Path) -> None:
    """Though one shard is read before the other."""
    made = [decision(Origin(offset % 2, offset, 0), START + offset) for offset in range(1_050)]
    write(market.log, made)
    with serving(tmp_path, None) as api:
        path, expected = "/api/v1/decisions/latest", [f"{n % 2}/{n}/0" for n in range(1_049, 49, -1)]
        assert eventually(lambda: origins(got(api, path, limit="1000")) == expected)


@pytest.mark.parametrize("topic", ["signals", "decisions", "account", "events", "features", "quality"])
def test_strange_bytes_are_counted_and_passed_over(market: Market, tmp_path: Path, topic: str) -> None:
    """Bad UTF-8 and deep nesting are no decoding errors to the decoder; the thread that reads them must live on."""
    strange = (b'{"type":"position","symbol":"\xff"}', b'{"position":' + b"[" * 100_000, b'{"type":"position"')
    for value in strange:
        market.log.append(topic, 0, [NewRecord(b"X", value, START)])
    with serving(tmp_path, None) as api:
        assert eventually(lambda: api.view.unreadable[topic] == 3)
        for value in strange:
            market.log.append(topic, 0, [NewRecord(b"X", value, START)])
        assert eventually(lambda: api.view.unreadable[topic] == 6)
