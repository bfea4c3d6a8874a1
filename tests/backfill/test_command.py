"""``lockstep backfill`` as a person runs it, against the stand-in exchange; killed half way, and run again."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli import sessions
from cli.backfill_parts import fetches_by_itself, source_of
from cli.context import Context, UserError
from cli.main import build
from connectors.demo.exchange_history.faults import RestFaultRates, RestFaults
from connectors.demo.exchange_history.truth import true_funding, true_klines
from connectors.history.files import BackfillFiles
from connectors.history.spans import Span, day_span
from connectors.postgres.migrate import Migrator
from tests.backfill.asking import ask, job_of
from tests.backfill.exchange import Exchange
from tests.installation import Installation, kill, wait_until

FIRST, LAST = date(2025, 2, 20), date(2025, 2, 27)
SPAN = Span(day_span(FIRST).start, day_span(LAST).end)


@pytest.fixture
def install(tmp_path: Path, database_url: str) -> Callable[[Exchange], Installation]:
    """An installation that asks a stand-in."""

    def made(exchange: Exchange) -> Installation:
        found = Installation(tmp_path / "home", database_url, None, registry="1.2.0")
        rest = {"BYBIT_REST_URL": exchange.server.rest_url, "FEATURE_SERVICE_BACKFILL_RATE_LIMIT_DELAY_MS": "0"}
        found.settings |= rest
        return found

    return made


def ensure_true(lockstep: Installation, exchange: Exchange) -> None:
    """What was saved is what the exchange knows, and nothing else lies there."""
    files = BackfillFiles(sessions.current(lockstep.home) / "archive")
    assert files.events("kline", "BTCUSDT", SPAN) == true_klines(exchange.truth, "BTCUSDT", *SPAN)
    assert files.events("funding", "BTCUSDT", SPAN) == true_funding(exchange.truth, "BTCUSDT", *SPAN)
    assert files.covered("kline", "BTCUSDT", SPAN) == files.covered("funding", "BTCUSDT", SPAN) == [SPAN]


@pytest.mark.req("TK-FS-18")
def test_a_worker_that_is_killed_leaves_no_half_file_and_the_next_one_goes_on(
    install: Callable[[Exchange], Installation],
) -> None:
    """kill -9 in the middle of a job; then whoever comes next finishes it, and fetches no day twice."""
    with Exchange(RestFaults(RestFaultRates(slow=1.0, slowness=0.1))) as exchange:
        lockstep = install(exchange)
        url = lockstep.settings["DATABASE_URL"]
        Migrator(url).up()
        job = ask(url, FIRST, LAST)
        working = lockstep.start("backfill", "work")
        wait_until(lambda: len(job_of(url, job).completed_dates) >= 2, "two days", working)
        kill(working)
        interrupted = job_of(url, job)
        assert interrupted.status == "in_progress"
        assert len(interrupted.completed_dates) < 8

        exchange.server.desk.faults = RestFaults()
        lockstep.run("backfill", "work", "--until-empty")

        assert (job_of(url, job).status, len(job_of(url, job).completed_dates)) == ("completed", 8)
        ensure_true(lockstep, exchange)
        starts = [path.split("start=")[1] for path in exchange.requests if path.startswith("/v5/market/kline")]
        assert len(starts) - len(set(starts)) <= 2, "only what was under way when it was killed is asked for again"


def test_fetching_here_and_now_tells_how_far_it_is_and_what_is_missing(
    install: Callable[[Exchange], Installation],
) -> None:
    lost = day_span(LAST).start + 90 * 60_000_000
    with Exchange(RestFaults(withheld=[lost])) as exchange:
        lockstep = install(exchange)
        days = ["--from", "2025-02-26", "--to", str(LAST)]

        told = lockstep.run("backfill", "fetch", "BTCUSDT", *days, "--types", "klines", code=1)

        assert "in_progress: " in told
        assert "failed: 1 of 2 days" in told
        assert "2025-02-27: klines: 2025-02-27 01:30 to 01:31 missing" in told
        [job] = json.loads(lockstep.run("backfill", "list", "--json"))
        exchange.server.desk.faults = RestFaults()
        assert "completed: 2 of 2 days" in lockstep.run("backfill", "retry", job["job_id"])


@pytest.fixture
def here(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCKSTEP_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database_url)
    return lambda *arguments, **env: CliRunner().invoke(build("backfill"), ["backfill", *arguments], env=env)


def test_jobs_are_shown_as_json_that_other_programs_read(here: Callable[..., Result]) -> None:
    """The same object as the API's; a job that failed ends the command with 1."""
    days = ("--from", str(FIRST), "--to", str(LAST), "--types", "klines")

    job = json.loads(here("fetch", "btcusdt", *days, "--later", "--json").stdout)

    assert (job["symbol"], job["status"], job["progress"]["dates_total"]) == ("BTCUSDT", "pending", 8)
    assert json.loads(here("status", job["job_id"], "--json").stdout) == job
    assert json.loads(here("list", "--symbol", "BTCUSDT", "--json").stdout) == [job]
    assert here("cancel", job["job_id"]).stdout == f"{job['job_id']}: failed\n"
    given_up = here("status", job["job_id"], "--json")
    assert (given_up.exit_code, json.loads(given_up.stdout)["cancelled"]) == (1, True)
    again = json.loads(here("retry", job["job_id"], "--later", "--json").stdout)
    assert (again["status"], again["cancelled"], again["error_message"]) == ("pending", False, None)


def test_what_cannot_be_done_is_refused_with_the_reason(here: Callable[..., Result], tmp_path: Path) -> None:
    def refused(*arguments: str, **env: str) -> UserError:
        done = here(*arguments, **env)
        assert isinstance(done.exception, UserError), done.output
        return done.exception

    off = refused("fetch", "BTCUSDT", FEATURE_SERVICE_BACKFILL_ENABLED="false")
    assert (off.exit_code, "FEATURE_SERVICE_BACKFILL_ENABLED=true" in off.message) == (2, True)
    ticker = refused("fetch", "BTCUSDT", "--types", "ticker")
    assert (ticker.exit_code, "ticker cannot be fetched: Bybit gives the ticker" in ticker.message) == (2, True)
    long = refused("fetch", "BTCUSDT", "--days", "91")
    assert "91 days are more than FEATURE_SERVICE_BACKFILL_MAX_DAYS, 90" in long.message
    for verb in ("status", "cancel", "retry"):
        unknown = refused(verb, "00000000-0000-0000-0000-000000000001")
        assert (unknown.exit_code, "no backfill" in unknown.message) == (1, True)
    sessions.choose(tmp_path, "recorded-session.jsonl")
    recording = refused("fetch", "BTCUSDT")
    assert (recording.exit_code, "is a recording" in recording.message) == (4, True)


@pytest.mark.parametrize(
    ("session", "source", "unasked"),
    [
        ("demo", "demo", True),
        ("demo-virtual", "demo", True),
        ("bybit", "bybit", True),
        ("ws-gateway", "ws-gateway", True),
        ("main", "demo", False),
        ("recorded-bybit", None, False),
    ],
)
def test_what_is_fetched_is_of_the_exchange_that_the_log_is_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, session: str, source: str | None, unasked: bool
) -> None:
    """The demo and Bybit tell different stories; by itself nothing goes into a log of unknown origin."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCKSTEP_HOME", str(tmp_path))
    sessions.choose(tmp_path, session)
    with Context() as context:
        assert (source_of(context), fetches_by_itself(context)) == (source, unasked)
