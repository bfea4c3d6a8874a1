"""Jobs: what is missing is fetched, checked and said; what failed can be tried again; nothing is lost by a break."""

from datetime import date, timedelta
from pathlib import Path
from threading import Thread

import pytest

from connectors.bybit.asking import Patience
from connectors.demo.exchange_history.faults import RestFaultRates, RestFaults
from connectors.demo.exchange_history.truth import true_funding, true_klines
from connectors.history.files import BackfillFiles
from connectors.history.spans import DAY, HOUR, MINUTE, Span, day_span
from learning.backfill import control
from learning.backfill.worker import BackfillWorker
from tests.backfill.asking import ask, connect, fetched, job_of, worker
from tests.backfill.exchange import NOW, TODAY, Exchange, truth

FIRST, LAST = date(2025, 2, 27), date(2025, 2, 28)
SPAN = Span(day_span(FIRST).start, day_span(LAST).end)
EVERYTHING = RestFaultRates(
    limited=0.08, visits=0.08, failed=0.08, truncated=0.08, cut=0.05, dropped=0.05, doubled=0.3, gaps=0.3, shuffled=0.3
)


def saved(root: Path, tag: str, span: Span, symbol: str = "BTCUSDT") -> list[object]:
    return BackfillFiles(root).events(tag, symbol, span)


@pytest.mark.req("TK-FS-18")
def test_fetched_days_are_what_the_exchange_knows(url: str, tmp_path: Path) -> None:
    with Exchange() as exchange:
        job = fetched(url, exchange, tmp_path, FIRST, LAST)

    assert (job.status, job.completed_dates, job.failed_dates) == ("completed", [FIRST, LAST], {})
    assert saved(tmp_path, "kline", SPAN) == true_klines(exchange.truth, "BTCUSDT", *SPAN)
    assert saved(tmp_path, "funding", SPAN) == true_funding(exchange.truth, "BTCUSDT", *SPAN)
    assert job.rows_saved == 2 * (1440 + 3)


@pytest.mark.req("TK-FS-18", "TK-FS-19")
@pytest.mark.parametrize("seed", range(3))
def test_the_result_is_the_truth_whatever_goes_wrong_on_the_way(url: str, tmp_path: Path, seed: int) -> None:
    """429, 10006, 500, JSON and connections that break off, rows twice, left out and in another order."""
    faults = RestFaults(EVERYTHING, seed=seed, page=300)
    with Exchange(faults) as exchange:
        job = fetched(url, exchange, tmp_path, FIRST, LAST)

    assert all(faults.injected[name] for name in ("doubled", "gaps", "shuffled"))
    assert job.status == "completed", job.error_message
    assert saved(tmp_path, "kline", SPAN) == true_klines(exchange.truth, "BTCUSDT", *SPAN)
    assert saved(tmp_path, "funding", SPAN) == true_funding(exchange.truth, "BTCUSDT", *SPAN)


@pytest.mark.req("TK-FS-19")
def test_what_the_exchange_never_gives_is_named_to_the_minute_and_the_rest_is_kept(url: str, tmp_path: Path) -> None:
    lost = [day_span(LAST).start + 10 * HOUR + minute * MINUTE for minute in (3, 4, 5)]
    settled = day_span(LAST).start + 8 * HOUR  # a candle begins then, too
    with Exchange(RestFaults(withheld=[*lost, settled])) as exchange:
        job = fetched(url, exchange, tmp_path, FIRST, LAST)

        assert (job.status, job.completed_dates, list(job.failed_dates)) == ("failed", [FIRST], ["2025-02-28"])
        why = job.failed_dates["2025-02-28"]
        assert "klines: 2025-02-28 08:00 to 08:01, 2025-02-28 10:03 to 10:06 missing" in why
        assert "funding: 2025-02-28 08:00 to 16:00 missing" in why
        assert job.error_message and "1 of 2 days are not complete" in job.error_message
        kept = [row for row in true_klines(exchange.truth, "BTCUSDT", *SPAN) if row.start not in (*lost, settled)]
        assert saved(tmp_path, "kline", SPAN) == kept

        exchange.server.desk.faults = RestFaults()
        exchange.server.desk.requests.clear()
        with connect(url) as connection:
            assert control.retry(connection, job.id).status == "pending"
        worker(url, exchange, tmp_path).work_once()

    job = job_of(url, job.id)
    assert (job.status, job.completed_dates, job.failed_dates) == ("completed", [FIRST, LAST], {})
    assert saved(tmp_path, "kline", SPAN) == true_klines(exchange.truth, "BTCUSDT", *SPAN)
    assert saved(tmp_path, "funding", SPAN) == true_funding(exchange.truth, "BTCUSDT", *SPAN)
    asked = [int(path.split("start=")[1].split("&")[0]) * 1000 for path in exchange.requests if "kline" in path]
    assert asked == [settled, lost[0]], "only the holes are asked for"


@pytest.mark.req("TK-FS-20")
def test_a_day_that_is_complete_is_not_asked_for_again(url: str, tmp_path: Path) -> None:
    with Exchange() as exchange:
        fetched(url, exchange, tmp_path, FIRST, LAST)
        asked = len(exchange.requests)

        job = fetched(url, exchange, tmp_path, FIRST, LAST + timedelta(days=1), ["klines"])

    assert (job.status, job.rows_saved) == ("completed", 1440)
    starts = [path for path in exchange.requests[asked:] if "kline" in path]
    assert all(int(path.split("start=")[1].split("&")[0]) * 1000 >= SPAN.end for path in starts)


def test_today_is_fetched_as_far_as_it_has_passed_and_goes_on_later(url: str, tmp_path: Path) -> None:
    with Exchange() as exchange:
        job = fetched(url, exchange, tmp_path, TODAY, TODAY)
        known = saved(tmp_path, "kline", day_span(TODAY))
        assert job.status == "completed"
        assert known == true_klines(exchange.truth, "BTCUSDT", *day_span(TODAY))
        assert len(known) == (NOW - day_span(TODAY).start) // MINUTE

        exchange.truth.now = lambda: NOW + 3 * HOUR
        job = fetched(url, exchange, tmp_path, TODAY, TODAY)

    assert (job.status, job.rows_saved) == ("completed", 180)
    assert len(saved(tmp_path, "kline", day_span(TODAY))) == len(known) + 180


def test_before_a_symbol_was_listed_nothing_is_missing(url: str, tmp_path: Path) -> None:
    launch = day_span(LAST).start + 6 * HOUR
    with Exchange(known=truth(launch=launch)) as exchange:
        job = fetched(url, exchange, tmp_path, FIRST, LAST)

    assert (job.status, job.rows_saved) == ("completed", 18 * 60 + 2), job.error_message


@pytest.mark.req("TK-FS-19")
@pytest.mark.parametrize("spoil", ["cut", "flipped", "gone"])
def test_a_file_that_went_bad_is_removed_and_fetched_again(url: str, tmp_path: Path, spoil: str) -> None:
    with Exchange() as exchange:
        fetched(url, exchange, tmp_path, FIRST, FIRST, ["klines"])
        [file] = (tmp_path / "backfill").glob("type=kline/*/*/*.parquet")
        data = bytearray(file.read_bytes())
        if spoil == "flipped":
            data[len(data) // 2] ^= 0xFF
        file.write_bytes(bytes(data[: len(data) // 2]) if spoil == "cut" else bytes(data))
        if spoil == "gone":
            file.unlink()

        job = fetched(url, exchange, tmp_path, FIRST, FIRST, ["klines"])

    assert (job.status, job.rows_saved) == ("completed", 1440)
    assert saved(tmp_path, "kline", day_span(FIRST)) == true_klines(exchange.truth, "BTCUSDT", *day_span(FIRST))


def test_an_exchange_that_is_away_fails_the_job_without_asking_for_every_day(url: str, tmp_path: Path) -> None:
    rates = RestFaultRates(failed=1.0)
    soon = Patience(attempts=2, pause=0.001, delay=0.0)
    with Exchange(patience=soon) as exchange:
        job = ask(url, FIRST - timedelta(days=30), FIRST)
        away = Exchange(RestFaults(rates), patience=soon)
        with away:
            worker(url, away, tmp_path).work_once()
            assert "HTTP 500" in str(job_of(url, job).error_message)
            assert job_of(url, job).status == "failed"

        with connect(url) as connection:
            control.retry(connection, job)
        exchange.server.desk.faults = RestFaults(withheld=range(SPAN.start - 40 * DAY, SPAN.end, MINUTE))
        worker(url, exchange, tmp_path).work_once()

    found = job_of(url, job)
    assert (found.status, len(found.failed_dates)) == ("failed", 31)
    assert "not asked for" in found.failed_dates["2025-02-20"]


def test_two_workers_do_not_work_off_the_same_job(url: str, tmp_path: Path) -> None:
    with Exchange() as exchange:
        jobs = [ask(url, FIRST, LAST), ask(url, FIRST, LAST, symbol="ETHUSDT")]
        threads = [Thread(target=worker(url, exchange, tmp_path).run, args=(True,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    assert [job_of(url, job).status for job in jobs] == ["completed", "completed"]
    assert [job_of(url, job).rows_saved for job in jobs] == [2 * 1443] * 2


def test_a_job_that_is_cancelled_before_it_begins_is_over_at_once(url: str, tmp_path: Path) -> None:
    job = ask(url, FIRST, LAST)
    with connect(url) as connection:
        found = control.cancel(connection, job)

        assert (found.status, found.cancelled, found.error_message) == ("failed", True, control.CANCELLED)
        with pytest.raises(control.Unsuitable, match="is failed: only one that is not over"):
            control.cancel(connection, job)
        assert control.retry(connection, job).status == "pending"
        with pytest.raises(control.Unsuitable, match="is pending"):
            control.retry(connection, job)


def test_a_job_that_runs_ends_soon_after_it_is_cancelled_and_keeps_what_it_has(url: str, tmp_path: Path) -> None:
    slow = RestFaultRates(slow=1.0, slowness=0.15)
    with Exchange(RestFaults(slow)) as exchange:
        job = ask(url, FIRST - timedelta(days=60), LAST)
        thread = Thread(target=worker(url, exchange, tmp_path).work_once)
        thread.start()
        while not job_of(url, job).completed_dates:
            pass
        with connect(url) as connection:
            assert control.cancel(connection, job).status == "in_progress"
        thread.join(60)

    found = job_of(url, job)
    assert (found.status, found.cancelled, found.error_message) == ("failed", True, control.CANCELLED)
    assert 0 < len(found.completed_dates) < 60
    assert saved(tmp_path, "kline", day_span(found.completed_dates[0]))


def test_a_worker_that_is_asked_to_end_leaves_its_job_for_the_next(url: str, tmp_path: Path) -> None:
    with Exchange(RestFaults(RestFaultRates(slow=1.0, slowness=0.05))) as exchange:
        job = ask(url, FIRST - timedelta(days=3), LAST, ["klines"])
        first: BackfillWorker = worker(url, exchange, tmp_path)
        thread = Thread(target=first.run)
        thread.start()
        while not job_of(url, job).completed_dates:
            pass
        first.stop.set()
        thread.join(60)
        found = job_of(url, job)
        assert found.status == "in_progress"
        before = len(exchange.requests)
        exchange.server.desk.faults = RestFaults()
        worker(url, exchange, tmp_path).run(until_empty=True)

    found = job_of(url, job)
    assert (found.status, len(found.completed_dates), found.rows_saved) == ("completed", 5, 5 * 1440)
    assert len(exchange.requests) - before < 10
