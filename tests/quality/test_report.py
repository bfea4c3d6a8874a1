"""The report of a period: against plain sums over the minutes, over HTTP, from the log, and for a whole day."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from psycopg import sql
from psycopg.rows import dict_row
from typer.testing import CliRunner

from cli.context import Context
from cli.main import build
from connectors.log import Log, open_log
from connectors.postgres.embedded import EmbeddedPostgres
from connectors.postgres.migrate import Migrator
from connectors.postgres.quality_rows import minute_rows
from dataflows.digest import records as all_records
from reports.quality.advice import recommendations
from reports.quality.making import as_row, read_report
from reports.quality.onlog import report_on_log
from reports.quality.period import MINUTE, PeriodError, Span, holes, parse_time, whole_minutes, written
from reports.quality.report import summed
from schemas.codec import decode_quality_minute
from schemas.origin import Origin
from schemas.quality import ChannelMinute, QualityMinute
from tests.persist.tables import rows
from tests.quality.conftest import SHARDS, Told, outputs, store, told_of, write
from tests.serving.conftest import Api, running
from tests.streams import SECOND, START

PERIOD = whole_minutes(START, START + 1_900 * SECOND)
DAY = 24 * 60 * MINUTE


def minute(end: int, symbol: str = "X", **changes: Any) -> QualityMinute:
    """A minute in which all was well."""
    channels = {
        "orderbook": ChannelMinute(received=600, expected=60),
        "trades": ChannelMinute(received=100),
        "kline": ChannelMinute(received=60, expected=1),
    }
    fields: dict[str, Any] = {"channels": channels, "origin": Origin(0, end // MINUTE, 0)}
    return QualityMinute(symbol, end, **fields | changes)


def plain(minutes: list[QualityMinute], period: Span) -> dict[str, float]:
    """The rates of a period by plain sums; a minute that is not there counts as wholly missing."""
    inside = {one.ts: one for one in minutes if period.start + MINUTE <= one.ts <= period.end}
    most: dict[str, int] = {}
    for one in inside.values():
        for name, channel in one.channels.items():
            most[name] = max(most.get(name, 0), channel.expected)
    expected = missing = received = anomalies = gaps = lost = 0
    for end in range(period.start + MINUTE, period.end + 1, MINUTE):
        if end not in inside:
            expected += sum(most.values())
            missing += sum(most.values())
            continue
        lost += inside[end].desynchronised
        for channel in inside[end].channels.values():
            expected += channel.expected
            missing += channel.missing
            received += channel.received
            anomalies += channel.anomalies
            gaps += channel.gaps
    rates = {"missing_rate": missing / expected, "anomaly_rate": anomalies / received}
    return {**rates, "sequence_gaps": gaps, "desynchronization_events": lost, "covered_minutes": len(inside)}


class Reported(NamedTuple):
    """The API over a database in which the minutes of two symbols stand."""

    api: Api
    told: Told
    url: str


@pytest.fixture(scope="module")
def reported(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reported]:
    """Persist and API as they run, over one log."""
    folder, name = tmp_path_factory.mktemp("reported"), f"reported_{uuid4().hex}"
    with psycopg.connect(postgres.start(), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    url = postgres.url.replace("/lockstep?", f"/{name}?")
    Migrator(url).up()
    with closing(open_log(None, folder / "log")) as log:
        write(log)
        store(log, url)
        with running(lambda: open_log(None, folder / "log"), folder, database_url=url) as api:
            yield Reported(api, told_of(), url)


def asked(api: Api, symbol: str, period: Span) -> dict[str, Any]:
    query = {"symbol": symbol, "from": written(period.start), "to": written(period.end)}
    answer = api.get("/data-quality/report", **query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.req("FS-US-4.2", "FS-FR-020", "FS-FR-042", "TK-DQ-01")
@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_a_report_over_http_is_what_plain_sums_give(reported: Reported, symbol: str) -> None:
    """Rates, gaps and recommendations, kept in its table; the same question gives the same report, stored once."""
    api, told, url = reported
    found = asked(api, symbol, PERIOD)
    wanted = plain([one for one in told.minutes if one.symbol == symbol], PERIOD)

    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, abs=5.1e-5), name
    assert found["recommendations"]
    assert all(symbol in text for text in found["recommendations"])
    assert all("`lockstep" in text or "`timedatectl" in text for text in found["recommendations"])
    assert asked(api, symbol.lower(), PERIOD) == found
    kept = "select id::text, missing_rate::float, recommendations from data_quality_reports where symbol = %s"
    assert rows(url, kept, symbol) == [(found["id"], found["missing_rate"], found["recommendations"])]


@pytest.mark.req("FS-FR-042")
@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"from": "2025-03-04", "to": "2025-03-03"}, "must lie before"),
        ({"from": "2025-03-04T09:00:10Z", "to": "2025-03-04T09:00:50Z"}, "no whole minute"),
        ({"from": "yesterday"}, "is no time"),
        ({"to": "9" * 40}, "is no time"),
        ({"from": "2025-01-01", "to": "2025-03-04"}, "31 days"),
    ],
)
def test_a_bad_period_is_refused_with_the_reason(reported: Reported, query: dict[str, str], why: str) -> None:
    answer = reported.api.get("/data-quality/report", symbol="BTCUSDT", **query)

    assert answer.status_code == 400
    assert why in answer.json()["detail"]


def test_of_a_symbol_that_nobody_collected_everything_is_missing(reported: Reported) -> None:
    """And the report says what to do."""
    found = asked(reported.api, "NOBODY", PERIOD)

    assert (found["missing_rate"], found["covered_minutes"]) == (1.0, 0)
    assert "lockstep persist" in found["recommendations"][0]
    assert "`lockstep backfill fetch NOBODY --from 2023-11-14 --to 2023-11-14`" in found["recommendations"][0]


def test_without_times_the_last_day_is_reported(reported: Reported) -> None:
    found = reported.api.get("/data-quality/report", symbol="BTCUSDT").json()

    assert found["minutes"] == 24 * 60
    begin, end = (datetime.fromisoformat(found[name]) for name in ("period_start", "period_end"))
    assert end - begin == timedelta(days=1)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 60), st.integers(0, 9)), min_size=1, max_size=40),
    st.integers(-5, 5),
    st.integers(-5, 5),
)
def test_a_report_is_the_plain_sum_of_its_minutes(drawn: list[Any], early: int, late: int) -> None:
    """With any of them missing, and any ends of the period."""
    minutes = [
        minute(
            (number + 10) * MINUTE,
            channels={"orderbook": ChannelMinute(received=9, expected=60, missing=missing, anomalies=odd, gaps=odd)},
            desynchronised=odd,
        )
        for number, (there, missing, odd) in enumerate(drawn)
        if there
    ]
    period = Span((9 + early) * MINUTE, (9 + len(drawn) + 10 + late) * MINUTE)
    inside = [one for one in minutes if period.start + MINUTE <= one.ts <= period.end]
    report = summed("X", period, inside)
    if not inside:
        assert (report.missing_rate, report.anomaly_rate) == (1.0, 0.0)
        return

    found = as_row(report)
    for name, value in plain(minutes, period).items():
        if name in found:
            assert found[name] == pytest.approx(value, abs=5.1e-5), name
    ends = {end for span in report.uncovered for end in range(span.start + MINUTE, span.end + 1, MINUTE)}
    every = set(range(period.start + MINUTE, period.end + 1, MINUTE))
    assert ends == every - {one.ts for one in inside}


def test_holes_are_what_lies_between() -> None:
    assert holes(Span(0, 3 * MINUTE), []) == [Span(0, 3 * MINUTE)]
    assert holes(Span(0, 2 * MINUTE), [MINUTE, 2 * MINUTE]) == []


@pytest.mark.parametrize("text", ["2025-03-04T10:15:04+01:00", "2025-03-04 09:15:04", "2025-03-04T09:15:04Z"])
def test_a_time_is_utc_unless_it_says_otherwise(text: str) -> None:
    assert parse_time(text, "from") == 1_741_079_704_000_000


@pytest.mark.parametrize("text", ["", "x", "2025-13-01", "0001-01-01T00:00:00+23:59x"])
def test_what_is_no_time_is_refused_by_name(text: str) -> None:
    with pytest.raises(PeriodError, match="--from="):
        parse_time(text, "--from")


CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("all is well", {}, []),
    ("candles", {"kline": ChannelMinute(received=60, expected=1, missing=1, gaps=1)}, ["X kline", "backfill fetch X"]),
    ("silence", {"orderbook": ChannelMinute(9, 60, 50, silence=50 * SECOND)}, ["X orderbook: silent for 500 of 600"]),
    ("funding", {"funding": ChannelMinute(1, gaps=1)}, ["X funding: the collector lost", "backfill fetch X"]),
    ("repeated", {"trades": ChannelMinute(100, duplicates=50)}, ["500 of 1000 messages came twice", "only one"]),
    ("late", {"trades": ChannelMinute(100, late=50)}, ["came out of order", "one connection"]),
]


@pytest.mark.req("FS-US-4.2", "TK-DQ-01")
@pytest.mark.parametrize(("name", "channels", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_a_recommendation_names_symbol_channel_and_command(
    name: str, channels: dict[str, Any], wanted: list[str]
) -> None:
    well = minute(0).channels
    found = [minute(end * MINUTE, channels={**well, **channels}) for end in range(1, 11)]
    advice = recommendations(summed("X", Span(0, 10 * MINUTE), found))

    assert len(advice) == bool(wanted)
    assert all(text in advice[0] for text in wanted)


@pytest.mark.req("FS-US-4.2", "TK-DQ-01")
@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"desynchronised": 1, "blind": SECOND}, "unknown for 10.0 s"),
        ({"desynchronised": 1, "blind": 20 * SECOND}, "`lockstep quality resync X`"),
        ({"anomalies": {"clock.skew": 3}, "skew": -2 * SECOND}, "timedatectl set-ntp true"),
        ({"anomalies": {"clock.skew": 3}, "skew": 90 * SECOND}, "stood still"),
        ({"anomalies": {"trade.spike": 3}}, "lockstep quality records X --from 1970-01-01T00:00:00Z"),
        ({"anomalies": {"trade.volume": 3}}, "30 sizes cannot be"),
        ({"anomalies": {"book.crossed": 1}}, "`lockstep quality resync X`"),
        ({"anomalies": {"candle.impossible": 1}}, "10 are impossible"),
    ],
)
def test_a_recommendation_answers_what_was_wrong(changes: dict[str, Any], wanted: str) -> None:
    found = [minute(end * MINUTE, **changes) for end in range(1, 11)]
    advice = recommendations(summed("X", Span(0, 10 * MINUTE), found))

    assert len(advice) == 1
    assert wanted in advice[0]


def test_the_log_gives_the_report_that_the_database_gives(log: Log, told: Told, url: str) -> None:
    """Where nothing was stored yet."""
    store(log, url)
    with psycopg.connect(url, row_factory=dict_row) as connection:
        stored = read_report(lambda query, params: connection.execute(query, params).fetchall(), "BTCUSDT", PERIOD)
    assert as_row(report_on_log(log, SHARDS, "BTCUSDT", PERIOD)) == as_row(stored)


@pytest.mark.req("FS-SC-007", "FS-FR-042")
def test_a_day_of_two_symbols_is_reported_within_five_seconds(url: str) -> None:
    """Of processor time. The rows are written as ``persist`` writes them, from minutes of a stream with faults, one
    after the other for 24 hours (derived: half an hour repeated)."""
    pattern = [decode_quality_minute(one.value) for one in outputs() if one.topic == "quality-minutes"]
    with psycopg.connect(url, row_factory=dict_row, autocommit=True) as connection:
        with connection.transaction(), connection.pipeline():
            for symbol in ("BTCUSDT", "ETHUSDT"):
                mine = [one for one in pattern if one.symbol == symbol]
                for number in range(24 * 60):
                    copy = structs.replace(mine[number % len(mine)], ts=(number + 1) * MINUTE)
                    for row in minute_rows(copy):
                        connection.execute(row.statement, row.params)
        begin = time.process_time()
        made = read_report(lambda query, params: connection.execute(query, params).fetchall(), "ETHUSDT", Span(0, DAY))
        row = as_row(made)
        spent = time.process_time() - begin

    assert (made.covered, made.minutes) == (1440, 1440)
    assert row["recommendations"]
    assert spent < 5.0


@pytest.fixture
def quality(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`lockstep quality` in an installation of its own; what it prints, as JSON where it is that."""
    for name, value in {
        "LOCKSTEP_HOME": str(tmp_path / "home"),
        "DATABASE_URL": url,
        "LOCKSTEP_SHARDS": SHARDS,
    }.items():
        monkeypatch.setenv(name, str(value))

    def run(*arguments: str, code: int = 0) -> Any:
        done = CliRunner().invoke(build("quality"), ["quality", *arguments])
        assert done.exit_code == code, (done.output, done.exception)
        return json.loads(done.stdout) if "--json" in arguments else done.output

    return run


@pytest.mark.req("FS-US-4.2", "FS-FR-042")
def test_the_command_says_what_the_api_says(url: str, quality: Callable[..., Any]) -> None:
    """`lockstep quality report`, `minutes`, `records` and `resync`; without rows in the database from the log."""
    span = ["--from", written(PERIOD.start), "--to", written(PERIOD.end), "--json"]
    with closing(Context()) as context, closing(context.open_log()) as own:
        write(own)
        from_log = quality("report", "BTCUSDT", *span)
        store(own, url)
        stored = quality("report", "btcusdt", *span)
        minutes = quality("minutes", "BTCUSDT", *span)
        records = quality("records", "BTCUSDT", *span, "--problem", "gap")
        quality("resync", "btcusdt")
        commands = [record.value for shard in range(SHARDS) for record in all_records(own, "commands", shard)]

    assert stored == from_log
    assert stored["covered_minutes"] == len(minutes) > 20
    assert sum(one["desynchronisations"] for one in minutes) == stored["desynchronization_events"]
    assert {one["problem"] for one in records} <= {"gap"}
    assert [(one["symbol"], one["reason"]) for one in map(json.loads, commands)] == [("BTCUSDT", "by hand")]
    assert "minutes known" in quality("report", "BTCUSDT", *span[:-1])
    assert len(quality("minutes", "BTCUSDT", *span[:-1]).splitlines()) == len(minutes) + 1


def test_the_command_refuses_a_bad_period(quality: Callable[..., Any]) -> None:
    with pytest.raises(AssertionError, match="is no time"):
        quality("report", "BTCUSDT", "--from", "x")
