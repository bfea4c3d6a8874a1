"""Histories of candles and funding become events, exactly as the file says."""

import asyncio
import csv
import gzip
from pathlib import Path

import pytest

from connectors.log.sqlite import SqliteLog
from connectors.recorded import Recording, RecordingError, describe
from connectors.replay import RecordedFeed
from connectors.venues import parser_for
from dataflows.collect import collect
from dataflows.digest import records
from learning.study.bars import read_bars, read_rates
from schemas.codec import decode_event
from schemas.market import Funding, Kline, Tick
from tests.study.drawn import MINUTE, START, walk, write

SECOND = 1_000_000


def events_of(path: Path) -> list:
    parser = parser_for("csv")
    parsed = [parser.parse(frame) for frame in Recording(path)]
    assert not [bad for one in parsed for bad in one.bad]
    return [event for one in parsed for event in one.events]


def head(path: Path, folder: Path, rows: int = 3_000) -> Path:
    """The first rows of a file, under its name: thirty days tell no more than two."""
    with gzip.open(path, "rb") as file:
        lines = [next(file) for _ in range(rows + 1)]
    (folder / path.name).write_bytes(gzip.compress(b"".join(lines)))
    return folder / path.name


def by_hand(path: Path) -> list[list[str]]:
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.reader(file))[1:]


@pytest.mark.parametrize(
    "name",
    ["binance_usdm_1m/SOLUSDT_1m_20250525.csv.gz", "bybit_linear_1m/WIFUSDT_1m.csv.gz"],
)
def test_a_recorded_history_becomes_closed_candles_that_are_known_at_their_end(shared_data, tmp_path, name):
    path = head(shared_data / "klines" / name, tmp_path)
    rows = by_hand(path)
    events = events_of(path)

    assert [(one.start, one.recv, one.ts) for one in events] == [
        (int(row[0]) * 1000, int(row[0]) * 1000 + MINUTE, int(row[0]) * 1000 + MINUTE) for row in rows
    ]
    assert [[one.open, one.high, one.low, one.close, one.volume] for one in events] == [
        list(map(float, row[1:6])) for row in rows
    ]
    assert {(one.symbol, one.closed, one.backfilled) for one in events} == {(path.name.split("_")[0], True, False)}


def test_turnover_is_read_where_the_file_has_it(shared_data, tmp_path):
    folder = shared_data / "klines"
    for name, place in (
        ("binance_vision_1m/AVAXUSDT-1m-2024-02.csv.gz", 7),
        ("bybit_linear_1m_windows/ADAUSDT_1m.csv.gz", 6),
    ):
        path = head(folder / name, tmp_path)
        assert [one.turnover for one in events_of(path)] == [float(row[place]) for row in by_hand(path)]


def test_funding_rates_are_paid_at_their_time_in_utc(shared_data):
    """The dated files run three hours ahead; both say what was paid at midnight, 08:00 and 16:00."""
    for name, count in (("bybit_BTCUSDT_202509_202607.csv", 902), ("bybit_BTCUSDT_2021_2023.csv", 3285)):
        events = events_of(shared_data / "funding" / name)

        assert len(events) == count
        assert {type(one) for one in events} == {Funding}
        assert {one.symbol for one in events} == {"BTCUSDT"}
        assert all(one.settled and one.ts == one.recv and one.ts % (8 * 3600 * SECOND) == 0 for one in events)
        assert [(one.ts, one.rate) for one in events] == read_rates(shared_data / "funding" / name)


def test_the_log_takes_candles_and_the_ticks_between_them(tmp_path):
    """As a collector writes them: a hole of hours has a minute of ticks and one at its end, a minute has sixty."""
    drawn = walk(1, 200, holes=tuple(range(50, 150)))
    path = write(tmp_path, drawn, "BTCUSDT_1m.csv.gz")
    log = SqliteLog(tmp_path / "log")

    asyncio.run(collect(RecordedFeed(path), log, 1))

    found = [decode_event(record.value) for record in records(log, "events", 0)]
    assert [one.close for one in found if type(one) is Kline] == drawn.close.tolist()
    ticks = [one.recv for one in found if type(one) is Tick]
    ends = drawn.end.tolist()
    tail = [ends[49] + second * SECOND for second in range(61)]
    expected = [*range(ends[0] - SECOND, ends[49], SECOND), *tail, *range(ends[50] - SECOND, ends[-1] + 1, SECOND)]
    assert ticks == expected
    assert [one.recv for one in found] == sorted(one.recv for one in found)


def test_longer_candles_are_refused_where_minutes_are_counted_and_read_for_studies(tmp_path):
    path = write(tmp_path, walk(2, 5, 5 * MINUTE), "BTCUSDT_5m.csv")

    with pytest.raises(RecordingError, match=r"BTCUSDT_5m.csv: holds candles of 5 minutes.*lockstep study"):
        Recording(path)
    assert read_bars(path).interval == 5 * MINUTE


def test_a_study_reads_what_was_written(tmp_path):
    drawn = walk(3, 300, 5 * MINUTE, holes=(7, 8))
    for name in ("BTCUSDT_5m.csv", "BTCUSDT_5m_2024.csv.gz"):
        found = read_bars(write(tmp_path, drawn, name))

        assert (found.symbol, found.interval) == (drawn.symbol, drawn.interval)
        for one, other in zip(found.columns, drawn.columns, strict=True):
            assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,2,3", "row 3: 3 fields"),
        (f"{START // 1000 + 60_000},100,99,98,97,1", "row 3: open, high, low and close do not fit"),
        (f"{START // 1000 + 60_000},100,101,nan,100,1", "row 3: open, high, low and close do not fit"),
        (f"{START // 1000 + 60_000},100,101,99,100,-1", "row 3: volume -1.0 is negative"),
        (f"{START // 1000 + 60_000},100,101,99,100,nan", "row 3: volume nan"),
        (f"{START // 1000},100,101,99,100,1", "row 3: a candle of 60 s cannot begin at"),
        (f"{START // 1000 + 59_000},100,101,99,100,1", "row 3: a candle of 60 s cannot begin at"),
        ("x,100,101,99,100,1", "row 3: invalid literal"),
    ],
)
def test_what_cannot_be_is_refused_by_file_and_row(tmp_path, row, reason):
    path = tmp_path / "BTCUSDT_1m.csv"
    path.write_text(f"ts_ms,open,high,low,close,volume\n{START // 1000},100,101,99,100,1\n{row}\n")

    with pytest.raises(RecordingError, match=f"BTCUSDT_1m.csv, {reason}"):
        read_bars(path)


def test_bad_rows_of_a_recording_are_reported_and_the_others_stay(tmp_path):
    path = tmp_path / "BTCUSDT_1m.csv"
    path.write_text(f"ts_ms,open,high,low,close,volume\n{START // 1000},100,101,99,100,1\n7,8\nrubbish\n")

    told = describe(path)

    assert (told.events, told.bad) == ({"kline": 1}, 2)


def test_a_name_must_say_whose_candles_they_are(tmp_path):
    path = write(tmp_path, walk(4, 3), "prices.csv")

    with pytest.raises(RecordingError, match=r"prices.csv does not say whose candles"):
        Recording(path)
    with pytest.raises(RecordingError, match=r"prices.csv does not say whose candles"):
        read_bars(path)
