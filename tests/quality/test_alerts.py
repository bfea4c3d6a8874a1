"""Alerts: told when a rate of the last five minutes exceeds its limit, and when it no longer does; once each."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from connectors.log import NewRecord, open_log
from reports.quality.limits import Alerts, Limits, rates
from reports.quality.period import MINUTE
from schemas.codec import encode
from schemas.origin import HEADER, Origin
from schemas.quality import ChannelMinute, QualityMinute, QualityRecord
from schemas.topics import TOPICS
from serving.quality_alerts import QualityAlerts, log_observation
from tests.serving.conftest import SHARDS, eventually, running

LIMITS = Limits(missing_rate=0.1, anomaly_rate=0.2, desynchronisations=2, blind_rate=0.5)


def minute(number: int, missing: int = 0, symbol: str = "X", **changes: Any) -> QualityMinute:
    channels = {"orderbook": ChannelMinute(received=100, expected=60, missing=missing)}
    fields: dict[str, Any] = {"channels": channels, "origin": Origin(0, number, 0)}
    return QualityMinute(symbol, number * MINUTE, **fields | changes)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=40))
@pytest.mark.req("TK-FS-35")
def test_an_alert_begins_and_ends_with_the_rate_of_five_minutes(missing: list[int]) -> None:
    """Against plain sums over the last five minutes, for each minute again."""
    alerts, before = Alerts(LIMITS), False
    for number, lost in enumerate(missing, start=1):
        change = alerts.add(minute(number, lost))
        recent = missing[max(0, number - 5) : number]
        over = sum(recent) / (60 * len(recent)) > 0.1

        assert [one.rate for one in change.begun] == ["missing_rate"] * (over and not before)
        assert [one.rate for one in change.ended] == ["missing_rate"] * (before and not over)
        assert bool(alerts.raised(number * MINUTE)) == over
        before = over


@pytest.mark.parametrize(
    ("changes", "rate"),
    [
        ({"channels": {"trades": ChannelMinute(received=10, anomalies=3)}}, "anomaly_rate"),
        ({"desynchronised": 3}, "desynchronisations"),
        ({"blind": 40_000_000}, "blind_rate"),
    ],
)
@pytest.mark.req("TK-FS-35")
def test_each_rate_has_a_limit(changes: dict[str, Any], rate: str) -> None:
    (alert,) = Alerts(LIMITS).add(minute(7, **changes)).begun

    assert (alert.symbol, alert.rate, alert.since) == ("X", rate, 7 * MINUTE)
    assert alert.value > alert.limit == getattr(LIMITS, rate)


def test_at_its_limit_a_rate_is_no_reason_for_an_alert() -> None:
    assert Alerts(LIMITS).add(minute(1, 6)).begun == []
    assert dict(rates([minute(1, 6)]))["missing_rate"] == 0.1


def test_symbols_do_not_share_alerts() -> None:
    alerts = Alerts(LIMITS)
    alerts.add(minute(1, 60))
    alerts.add(minute(1, 0, "Y"))

    assert [one.symbol for one in alerts.raised(MINUTE)] == ["X"]


@pytest.mark.req("TK-FS-35", "FS-US-4.1")
def test_an_alert_is_one_line_when_it_begins_and_one_when_it_ends() -> None:
    """What happened before the API started is known, but not told as news."""
    watch = QualityAlerts(LIMITS)
    with capture_logs() as lines:
        watch.add(minute(1, 60, "OLD"), live=False)
        for number, missing in enumerate([0, 60, 60, 0, 0, 0, 0, 0], start=1):
            watch.add(minute(number, missing), live=True)

    assert [(line["event"], line["symbol"], line["rate"]) for line in lines] == [
        ("quality.alert", "X", "missing_rate"),
        ("quality.alert_over", "X", "missing_rate"),
    ]
    assert lines[0]["advice"] == "lockstep quality report X"
    assert [one.symbol for one in watch.raised(5 * MINUTE)] == ["OLD"]


@pytest.mark.req("TK-FS-33", "FS-US-4.1")
@pytest.mark.parametrize(("problem", "level"), [("book.desynchronised", "warning"), ("book.synchronised", "info")])
def test_what_happens_to_the_data_is_one_line_each(problem: Any, level: str) -> None:
    """With its numbers and its place on the log."""
    record = QualityRecord("X", 1, problem, {"u": 7}, Origin(1, 2, 3))
    with capture_logs() as lines:
        log_observation(record)

    wanted = {"symbol": "X", "problem": problem, "detail": {"u": 7}, "origin": "1/2/3"}
    assert lines == [{"event": "quality.observed", "log_level": level, **wanted}]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A log with every topic, and on it a bad minute that ended just now."""
    now = time.time_ns() // 1_000 // MINUTE
    with closing(open_log(None, tmp_path / "log")) as log:
        for topic in TOPICS:
            log.create(topic.name, SHARDS)
        bad = minute(now, 30)
        log.append("quality-minutes", 0, [NewRecord(b"X", encode(bad), bad.ts, [(HEADER, bad.origin.header())])])
    yield tmp_path


@pytest.mark.req("TK-FS-35")
def test_the_api_lists_what_exceeds_its_limit(home: Path) -> None:
    with running(lambda: open_log(None, home / "log"), home) as api:
        assert eventually(lambda: api.get("/data-quality/alerts").json()["alerts"])
        (alert,) = api.get("/data-quality/alerts").json()["alerts"]
        metrics = api.client.get(f"{api.url}/metrics").text

    assert (alert["symbol"], alert["rate"], alert["value"], alert["limit"]) == ("X", "missing_rate", 0.5, 0.01)
    assert alert["action"] == "lockstep quality report X"
    assert 'lockstep_quality_rate{rate="missing_rate",symbol="X"} 0.5' in metrics
    assert 'lockstep_quality_alert{rate="missing_rate",symbol="X"} 1.0' in metrics
