"""Files of fetched rows: read back before they count, and what stands on them."""

from pathlib import Path

import duckdb
import msgspec
import pyarrow.dataset as ds
import pytest

from connectors.demo.exchange_history.truth import true_klines
from connectors.history import files as module
from connectors.history import heard
from connectors.history.coverage import Coverage
from connectors.history.fetch import sound
from connectors.history.files import BackfillFiles, BadFile
from connectors.history.spans import DAY, HOUR, MINUTE, Span, day_span
from tests.backfill.asking import fetched
from tests.backfill.candles import BEGIN, SYMBOL, candles, live, make_log, save, ticks
from tests.backfill.exchange import Exchange
from tests.backfill.test_jobs import FIRST, saved

HALF = Span(BEGIN, BEGIN + 12 * HOUR)


@pytest.mark.req("TK-FS-19")
def test_a_file_that_is_read_back_wrong_is_removed_and_written_again(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk spoils every other write."""
    write, writes = module.write, []

    def spoiling(path: Path, *rest: object) -> None:
        write(path, *rest)  # type: ignore[arg-type]
        writes.append(path)
        if len(writes) % 2:
            data = bytearray(path.read_bytes())
            data[len(data) // 3] ^= 0x55
            path.write_bytes(bytes(data))

    monkeypatch.setattr(module, "write", spoiling)
    with Exchange() as exchange:
        job = fetched(url, exchange, tmp_path, FIRST, FIRST)

    assert (job.status, len(writes)) == ("completed", 4)
    assert saved(tmp_path, "kline", day_span(FIRST)) == true_klines(exchange.truth, SYMBOL, *day_span(FIRST))
    assert len(list((tmp_path / "backfill").rglob("*.*"))) == 2


@pytest.mark.req("TK-FS-19")
def test_a_disk_that_spoils_every_file_fails_the_date_and_leaves_nothing(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = module.write

    def truncating(path: Path, *rest: object) -> None:
        write(path, *rest)  # type: ignore[arg-type]
        path.write_bytes(path.read_bytes()[:-20])

    monkeypatch.setattr(module, "write", truncating)
    with Exchange() as exchange:
        job = fetched(url, exchange, tmp_path, FIRST, FIRST, ["klines"])

    assert job.status == "failed"
    assert "it was removed, 3 times: check the disk" in job.failed_dates[FIRST.isoformat()]
    assert list((tmp_path / "backfill").rglob("*.*")) == []


def test_rows_that_are_not_right_are_not_saved(tmp_path: Path) -> None:
    rows = candles(3)
    for wrong in (rows[::-1], [*rows, rows[-1]], live(rows), [rows[2], rows[0]]):
        with pytest.raises(BadFile, match=r"row \d+"):
            BackfillFiles(tmp_path).save("kline", SYMBOL, wrong, [HALF])
    with pytest.raises(BadFile, match="its time"):
        BackfillFiles(tmp_path).save("kline", SYMBOL, rows, [Span(BEGIN, BEGIN + MINUTE)])
    assert list((tmp_path / "backfill").rglob("*.*")) == []


def test_of_rows_that_contradict_each_other_none_is_believed() -> None:
    one, two, three = candles(3)
    [other] = candles(1, seed=2)

    rows, doubtful, wrong = sound([three, one, two, two, other], [HALF])

    assert rows == [two, three]
    assert doubtful == [one.start]
    assert "two different rows" in wrong


def test_other_tools_read_them_as_they_are(tmp_path: Path) -> None:
    """pyarrow and DuckDB find type, date and symbol in the path, and the mark in a column."""
    save(tmp_path, candles(2 * 1440), "kline", Span(BEGIN, BEGIN + 2 * DAY))
    folder = tmp_path / "backfill"

    table = ds.dataset(folder, partitioning="hive").to_table()
    told = duckdb.sql(
        f"select type, symbol, date::varchar, count(*), bool_and(backfilled), min(close) > 0"
        f" from read_parquet('{folder}/*/*/*/*.parquet', hive_partitioning = true) group by all order by 3"
    ).fetchall()

    assert table.num_rows == 2 * 1440
    assert [row[:5] for row in told] == [
        ("kline", SYMBOL, "2025-02-01", 1440, True),
        ("kline", SYMBOL, "2025-02-02", 1440, True),
    ]


@pytest.mark.parametrize("dense", [0, 10**9], ids=["sampled", "whole"])
def test_what_was_heard_live_is_not_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dense: int) -> None:
    """But candles that came at a start for an earlier time are; whichever way a log is looked through."""
    monkeypatch.setattr(heard, "DENSE", dense)
    rows = candles(600)
    quiet = range(300, 330)
    spoken = [row for number, row in enumerate(live(rows)) if number >= 120 and number not in quiet]
    begins = rows[120].start
    at_start = [msgspec.structs.replace(row, recv=begins) for row in rows[:120]]
    events = [*at_start, *spoken, *ticks(begins, BEGIN + 600 * MINUTE)]
    log = make_log(tmp_path / "log", events)

    missing = Coverage(tmp_path / "archive", log).missing("klines", SYMBOL, Span(BEGIN, BEGIN + 600 * MINUTE))

    assert missing == [Span(BEGIN, begins), Span(rows[300].start, rows[330].start)]
    log.close()
