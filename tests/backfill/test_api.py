"""The interface of backfills (contracts: rest B6), against a database, a log and the stand-in exchange."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from connectors.log import open_log
from learning.backfill import table
from schemas.codec import decode_command
from schemas.command import Backfill
from schemas.topics import COMMANDS, TOPICS, shard_of
from serving.backfill_rules import BackfillRules
from tests.backfill.asking import connect, worker
from tests.backfill.exchange import Exchange
from tests.serving.conftest import SHARDS, Api, running

DAYS = {"symbol": "BTCUSDT", "start_date": "2025-02-20", "end_date": "2025-02-22"}
TODAY = datetime.now(UTC).date()


def rules(version: str = "1.2.0", **changes: Any) -> BackfillRules:
    return BackfillRules(**{"enabled": True, "auto": True, "max_days": 40, "active": lambda: version, **changes})


@contextmanager
def serving(home: Path, url: str | None, allowed: BackfillRules) -> Iterator[Api]:
    log = open_log(None, home / "log")
    for topic in TOPICS:
        log.create(topic.name, SHARDS)
    log.close()
    with running(lambda: open_log(None, home / "log"), home, database_url=url, backfill=allowed) as api:
        yield api


def commands(home: Path, symbol: str = "BTCUSDT") -> list[Backfill]:
    log = open_log(None, home / "log")
    reader = log.reader(COMMANDS.name, shard_of(symbol, SHARDS), 0)
    found = [decode_command(value or b"") for _, value in reader.poll_raw(100)]
    reader.close()
    log.close()
    return [command for command in found if isinstance(command, Backfill)]


@pytest.mark.req("TK-FS-18", "TK-FS-17")
def test_days_are_asked_for_watched_and_fetched(url: str, tmp_path: Path) -> None:
    """Without types, what the registry in force needs; progress and dates as the contract has them."""
    with serving(tmp_path, url, rules()) as api, Exchange() as exchange:
        asked = api.post("/backfill/historical", {**DAYS, "symbol": "btcusdt"})
        assert asked.status_code == 202
        job = asked.json()["job_id"]
        assert asked.json() == {
            "job_id": job,
            "status": "pending",
            "message": "klines and funding of BTCUSDT from 2025-02-20 to 2025-02-22 will be fetched",
            "refused": {},
        }
        waiting = api.get(f"/backfill/status/{job}").json()
        assert (waiting["status"], waiting["start_time"]) == ("pending", None)
        assert waiting["progress"] == {"dates_completed": 0, "dates_total": 3, "current_date": None}

        worker(url, exchange, tmp_path / "archive").work_once()

        done = api.get(f"/backfill/status/{job}").json()
        assert (done["status"], done["error_message"], done["rows_saved"]) == ("completed", None, 3 * 1443)
        assert done["completed_dates"] == ["2025-02-20", "2025-02-21", "2025-02-22"]
        assert done["data_types"] == ["klines", "funding"]
        assert done["progress"] == {"dates_completed": 3, "dates_total": 3, "current_date": None}
        assert datetime.fromisoformat(done["start_time"]) <= datetime.fromisoformat(done["end_time"])
        assert [one["job_id"] for one in api.get("/backfill/list", symbol="BTCUSDT").json()] == [job]
        assert api.get("/backfill/list", status="failed").json() == []
        assert commands(tmp_path)[0].job_id == job


def test_the_last_days_can_be_asked_for_as_they_are(url: str, tmp_path: Path) -> None:
    with serving(tmp_path, url, rules("full")) as api:
        asked = api.post("/backfill/auto", {"symbol": "BTCUSDT", "max_days": 7}).json()
        whole = api.post("/backfill/auto", {"symbol": "BTCUSDT"}).json()

    first, last = (date.fromisoformat(asked["date_range"][end]) for end in ("start_date", "end_date"))
    assert (last - first).days == 6
    assert abs((last - TODAY).days) <= 1
    assert "order book as it stands now" in asked["refused"]["orderbook_snapshots"]
    assert asked["message"].startswith("klines of BTCUSDT") or "klines and funding" in asked["message"]
    first, last = (date.fromisoformat(whole["date_range"][end]) for end in ("start_date", "end_date"))
    assert (last - first).days == 39


@pytest.mark.req("TK-FS-18")
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"start_date": "2025-02-23"}, "start_date 2025-02-23 lies after end_date 2025-02-22"),
        ({"end_date": str(TODAY + timedelta(days=2)), "start_date": str(TODAY)}, "lies in the future"),
        ({"start_date": "2024-12-01"}, "84 days are more than FEATURE_SERVICE_BACKFILL_MAX_DAYS, 40"),
        ({"start_date": "1999-01-01", "end_date": "1999-01-02"}, "lies before 2010-01-01"),
        ({"data_types": ["klines", "gossip"]}, "'gossip' is none of klines, trades, orderbook_snapshots"),
        ({"data_types": []}, "name at least one"),
        ({"data_types": ["orderbook_deltas"]}, "orderbook_deltas cannot be fetched: Bybit sends changes"),
        ({"data_types": ["klines", "trades"]}, "trades cannot be fetched: Bybit gives the last 1000 trades"),
        ({"symbol": "-X"}, "'-X' is none; say a name such as BTCUSDT"),
    ],
)
def test_what_cannot_be_fetched_is_refused_with_the_reason(
    url: str, tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    with serving(tmp_path, url, rules()) as api:
        answer = api.post("/backfill/historical", {**DAYS, **changes})

        assert answer.status_code == 400, answer.text
        assert why in answer.json()["detail"]
        assert api.get("/backfill/list").json() == []


@pytest.mark.parametrize("body", [{}, {**DAYS, "start_date": "yesterday"}, {**DAYS, "symbol": "a b"}])
def test_what_makes_no_sense_is_unprocessable(url: str, tmp_path: Path, body: dict[str, Any]) -> None:
    with serving(tmp_path, url, rules()) as api:
        assert api.post("/backfill/historical", body).status_code == 422
        assert api.post("/backfill/auto", {"symbol": "BTCUSDT", "max_days": 0}).status_code == 422
        assert api.post("/backfill/auto", {"symbol": "BTCUSDT", "max_days": 41}).status_code == 400


def test_a_registry_that_nobody_offers_the_past_of_is_refused_by_name(url: str, tmp_path: Path) -> None:
    with serving(tmp_path, url, rules("no-such-version")) as api:
        answer = api.post("/backfill/auto", {"symbol": "BTCUSDT"})

        assert (answer.status_code, "no-such-version is not known" in answer.text) == (400, True)


def test_jobs_are_given_up_and_tried_again(url: str, tmp_path: Path) -> None:
    with serving(tmp_path, url, rules()) as api:
        job = api.post("/backfill/historical", {**DAYS, "data_types": ["klines"]}).json()["job_id"]

        given_up = api.post(f"/backfill/{job}/cancel")
        assert (given_up.status_code, given_up.json()["status"], given_up.json()["cancelled"]) == (200, "failed", True)
        assert given_up.json()["error_message"] == "cancelled: somebody asked for it"
        assert api.post(f"/backfill/{job}/cancel").status_code == 400
        again = api.post(f"/backfill/{job}/retry")
        assert (again.status_code, again.json()["status"]) == (202, "pending")
        assert api.post(f"/backfill/{job}/retry").status_code == 400
        assert [command.action for command in commands(tmp_path)] == ["fetch", "cancel", "retry"]


def test_an_unknown_job_is_not_found(url: str, tmp_path: Path) -> None:
    with serving(tmp_path, url, rules()) as api:
        for answer in (
            api.get(f"/backfill/status/{UUID(int=1)}"),
            api.post(f"/backfill/{UUID(int=1)}/cancel"),
            api.post(f"/backfill/{UUID(int=1)}/retry"),
        ):
            assert answer.status_code == 404
            assert "no backfill" in answer.json()["detail"]
        assert api.get("/backfill/status/nonsense").status_code == 422


def test_when_it_is_off_or_the_database_is_away_everything_is_503(url: str, tmp_path: Path) -> None:
    with serving(tmp_path / "off", url, rules(enabled=False)) as api:
        for answer in (
            api.post("/backfill/historical", DAYS),
            api.post("/backfill/auto", {"symbol": "BTCUSDT"}),
            api.get(f"/backfill/status/{UUID(int=1)}"),
            api.get("/backfill/list"),
        ):
            assert (answer.status_code, "FEATURE_SERVICE_BACKFILL_ENABLED" in answer.text) == (503, True)
    with serving(tmp_path / "away", None, rules()) as api:
        assert api.post("/backfill/historical", DAYS).status_code == 503
        assert api.get("/backfill/list").status_code == 503


def test_what_is_missing_is_told_by_date(url: str, tmp_path: Path) -> None:
    """A worker that found holes says so in the job's status."""
    with serving(tmp_path, url, rules()) as api:
        job = UUID(api.post("/backfill/historical", {**DAYS, "data_types": ["klines"]}).json()["job_id"])
        with connect(url) as connection:
            table.done(connection, job, date(2025, 2, 20), 1440)
            table.missed(connection, job, date(2025, 2, 21), "klines: 2025-02-21 10:03 to 10:06 missing: because", 1437)
            table.end(connection, job, "failed", "1 of 3 days are not complete")

        found = api.get(f"/backfill/status/{job}").json()

    assert (found["status"], found["failed_dates"]) == ("failed", ["2025-02-21"])
    assert found["missing"] == {"2025-02-21": "klines: 2025-02-21 10:03 to 10:06 missing: because"}
    assert found["rows_saved"] == 1440 + 1437


def test_the_document_names_every_route_with_an_example(url: str, tmp_path: Path) -> None:
    with serving(tmp_path, url, rules()) as api:
        paths = api.get("/openapi.json").json()["paths"]

    assert {path for path in paths if path.startswith("/backfill")} == {
        "/backfill/historical", "/backfill/auto", "/backfill/list", "/backfill/status/{job_id}",
        "/backfill/{job_id}/cancel", "/backfill/{job_id}/retry",
    }  # fmt: skip


PERIODS = {
    "symbol": "BTCUSDT", "split_strategy": "time_based", "target_config": {"type": "regression", "horizon": 300},
    "train_period_start": "2025-01-01T00:00:00Z", "train_period_end": "2025-01-08T00:00:00Z",
    "validation_period_start": "2025-01-08T00:00:00Z", "validation_period_end": "2025-01-09T00:00:00Z",
    "test_period_start": "2025-01-09T00:00:00Z", "test_period_end": "2025-01-10T00:00:00Z",
}  # fmt: skip


@pytest.mark.req("TK-FS-21", "FS-EC-11")
@pytest.mark.parametrize(
    ("version", "allowed", "status"),
    [
        ("1.2.0", rules(), 202),
        ("1.2.0", rules(auto=False), 400),
        ("1.2.0", rules(enabled=False), 400),
        ("1.2.0", rules(max_days=9), 400),
        ("full", rules(), 400),
    ],
)
def test_a_dataset_of_days_that_nobody_heard_is_accepted_where_they_will_be_fetched(
    url: str, tmp_path: Path, version: str, allowed: BackfillRules, status: int
) -> None:
    with serving(tmp_path, url, allowed) as api:
        answer = api.post("/dataset/build", {**PERIODS, "feature_registry_version": version})

    assert answer.status_code == status, answer.text
    assert status == 202 or "the log has nothing of BTCUSDT" in answer.json()["detail"]
