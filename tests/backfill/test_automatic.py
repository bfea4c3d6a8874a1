"""Datasets that ask for more than there is: it is fetched first, and if that fails they go on with what is there."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from connectors.bybit.asking import Patience
from connectors.bybit.market import BybitMarket
from connectors.demo.exchange_history.faults import RestFaultRates, RestFaults
from connectors.demo.exchange_history.truth import true_funding, true_klines
from connectors.history.log import HistoryLog
from connectors.history.spans import HOUR, MINUTE
from connectors.log import Log
from learning.backfill.automatic import History
from learning.builds.work import maker
from learning.datasets import DatasetMetadata, DatasetRequest, TimeBased, load_metadata
from learning.datasets import Span as Period
from learning.datasets.errors import Cancelled, CannotServe
from learning.datasets.metadata import Progress
from operators.registry import Registry, parse_registry
from schemas.learning import Target
from tests.backfill.asking import connect
from tests.backfill.candles import SHARDS, SYMBOL, live, make_log, registry, ticks
from tests.backfill.exchange import NOW, Exchange
from tests.backfill.test_dataset import compare, expected, rows

END = NOW // HOUR * HOUR
BEGIN = END - 12 * HOUR
FULL = Path(__file__).parents[2] / "config" / "feature_registry" / "full.yaml"


def request(begin: int = BEGIN, **changes: Any) -> DatasetRequest:
    cuts = [begin + (END - begin) * part // 10 // MINUTE * MINUTE for part in (0, 7, 9, 10)]
    plan = TimeBased(*(Period(one, two) for one, two in pairwise(cuts)))
    given = {"plan": plan, "target": Target("regression", horizon=300), "dataset_id": "d", **changes}
    return DatasetRequest((SYMBOL,), **given)


def history(url: str, log: Log, root: Path, exchange: Exchange | None, **options: Any) -> History:
    market = exchange.market if exchange else None
    return History(log, root, url, market, clock=lambda: NOW, **options)


def build(
    log: Log, found: History, folder: Path, asked: DatasetRequest, chosen: Registry | None = None
) -> DatasetMetadata:
    """As the queue of datasets does it."""
    make = maker(log, SHARDS, lambda _: chosen or registry(), history=found.ready)
    made = make(asked, "1.2.0", folder, lambda _: None)
    assert load_metadata(folder).backfill == made.backfill
    return made


def heard(exchange: Exchange, begin: int, end: int) -> list[Any]:
    """What a collector wrote that ran from ``begin`` to ``end``: the exchange's own candles, in time."""
    known = true_klines(exchange.truth, SYMBOL, begin - HOUR, end)
    return [row for row in live(known) if begin < row.recv <= end] + ticks(begin, end)


@pytest.mark.req("TK-FS-21", "FS-EC-11")
def test_what_a_dataset_lacks_is_fetched_before_it_is_built(url: str, tmp_path: Path) -> None:
    """Live from the seventh hour on: its rows, and the windows before them, are those of the exchange's own past."""
    with Exchange() as exchange:
        log = make_log(tmp_path / "log", heard(exchange, BEGIN + 7 * HOUR, END + MINUTE))
        found = history(url, log, tmp_path / "archive", exchange)

        made = build(log, found, tmp_path / "dataset", request())

        known = true_klines(exchange.truth, SYMBOL, BEGIN - 12 * HOUR, END)
        paid = true_funding(exchange.truth, SYMBOL, BEGIN - 12 * HOUR, END)
        table = rows(tmp_path / "dataset")
        assert table.num_rows == 12 * 60 - 3 * 4
        compare(table, expected(known, paid).drop(columns=["target"]))
        assert made.backfill["fetched"]
        assert made.backfill["source"] == "history"
        assert SYMBOL in made.backfill["spans"]
        asked = len(exchange.requests)
        assert build(log, found, tmp_path / "again", request()).digest == made.digest
        assert len(exchange.requests) == asked, "nothing is asked for twice"
        starts = [int(path.split("start=")[1].split("&")[0]) * 1000 for path in exchange.requests if "kline" in path]
        assert not [start for start in starts if BEGIN + 7 * HOUR < start < END], "what was heard is not fetched"
    log.close()


@pytest.mark.req("TK-FS-21")
def test_if_it_fails_the_dataset_goes_on_with_what_is_there_and_says_so(url: str, tmp_path: Path) -> None:
    with Exchange(RestFaults(RestFaultRates(failed=1.0))) as exchange:
        log = make_log(tmp_path / "log", heard(exchange, BEGIN + 2 * HOUR, END + MINUTE))
        quick = lambda symbol: BybitMarket(  # noqa: E731
            exchange.server.rest_url, patience=Patience(attempts=2, pause=0.001, delay=0.0)
        )
        found = History(log, tmp_path / "archive", url, quick, clock=lambda: NOW)

        made = build(log, found, tmp_path / "dataset", request())

    assert made.backfill["fetched"] is False
    assert "HTTP 500" in made.backfill["because"][SYMBOL]
    assert 500 < rows(tmp_path / "dataset").num_rows < 12 * 60
    log.close()


def test_nothing_to_build_from_stays_an_error_that_names_what_there_is(url: str, tmp_path: Path) -> None:
    with Exchange() as exchange:
        log = make_log(tmp_path / "log", heard(exchange, END - HOUR, END + MINUTE))
        found = history(url, log, tmp_path / "archive", None)

        with pytest.raises(CannotServe, match="what it has"):
            build(log, found, tmp_path / "dataset", request(plan=_past()))
    log.close()


def _past() -> TimeBased:
    first = BEGIN - 48 * HOUR
    return TimeBased(*(Period(first + hours * HOUR, first + (hours + 1) * HOUR) for hours in range(3)))


def test_where_everything_was_heard_nothing_is_asked_for(url: str, tmp_path: Path) -> None:
    """Settlements, which no live channel brings, are fetched; features of candles alone need none."""
    only = ("returns_5m", "rsi_14")
    with Exchange() as exchange:
        log = make_log(tmp_path / "log", heard(exchange, BEGIN - HOUR, END + MINUTE))

        made = build(
            log, history(url, log, tmp_path / "archive", exchange), tmp_path / "dataset", request(features=only)
        )

        assert exchange.requests == []
    assert made.backfill == {}
    log.close()


@pytest.mark.parametrize(
    ("options", "chosen", "why"),
    [
        ({"max_days": 1}, None, "2 days are more than FEATURE_SERVICE_BACKFILL_MAX_DAYS, 1"),
        ({}, FULL, "the features need what cannot be fetched"),
    ],
)
def test_what_is_not_fetched_by_itself_is_said_in_the_metadata(
    url: str, tmp_path: Path, options: dict[str, Any], chosen: Path | None, why: str
) -> None:
    full = parse_registry(chosen.read_text()) if chosen else None
    with Exchange() as exchange:
        log = make_log(tmp_path / "log", heard(exchange, BEGIN + 6 * HOUR, END + MINUTE))
        found = history(url, log, tmp_path / "archive", exchange, **options)

        made = build(log, found, tmp_path / "dataset", request(), full)

        assert exchange.requests == []
    assert made.backfill["fetched"] is False
    assert made.backfill["because"].startswith(why)
    log.close()


def test_waiting_for_it_ends_when_nobody_wants_the_dataset_any_more(url: str, tmp_path: Path) -> None:
    """The job itself goes on another time; and the patience is bounded."""
    with Exchange(RestFaults(RestFaultRates(slow=1.0, slowness=0.5))) as exchange:
        log = make_log(tmp_path / "log", [])
        found = history(url, log, tmp_path / "archive", exchange, patience=1.0)
        asked = request(BEGIN - 20 * 24 * HOUR)

        with pytest.raises(Cancelled):
            found.ready(asked, registry(), _refuse())
        ready = found.ready(asked, registry())

    assert ready.about["fetched"] is False
    assert "still" in ready.about["because"][SYMBOL]
    with connect(url) as connection:
        [(jobs, status)] = connection.execute("select count(*), min(status) from backfill_jobs").fetchall()
    assert (jobs, status) == (1, "in_progress"), "the job that is open is waited for, not asked for again"
    log.close()


def _refuse() -> Callable[[Progress], None]:
    def told(progress: Progress) -> None:
        raise Cancelled("nobody wants it")

    return told


def test_a_history_that_was_opened_as_such_is_read_as_it_is(url: str, tmp_path: Path) -> None:
    log = make_log(tmp_path / "log", [])
    opened = HistoryLog(log, tmp_path / "archive")

    assert History(opened, tmp_path / "archive", url).ready(request(), registry()).log is opened
    log.close()
