"""Datasets of fetched history: the features of the candles themselves, also where a part was heard live."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from connectors.history.log import HistoryLog
from connectors.history.spans import DAY, HOUR, MINUTE, SECOND, Span
from connectors.log import Log
from learning.backfill.automatic import needs_of
from learning.datasets import DatasetMetadata, DatasetRequest, TimeBased, build, read_split
from learning.datasets import Span as Period
from schemas.learning import Target
from schemas.market import Funding, Gap, Kline, Tick
from tests.backfill.candles import (
    BEGIN,
    SHARDS,
    SYMBOL,
    candles,
    live,
    make_log,
    registry,
    save,
    settlements,
    ticks,
)  # fmt: skip


def request(start: int, end: int, **changes: Any) -> DatasetRequest:
    """A row a minute of [start, end): 7 parts to train on, 2 to validate, 1 to test."""
    cuts = [start + (end - start) * part // 10 // MINUTE * MINUTE for part in (0, 7, 9, 10)]
    plan = TimeBased(*(Period(one, two) for one, two in pairwise(cuts)))
    given = {"target": Target("regression", horizon=300), "dataset_id": "d", **changes}
    return DatasetRequest((SYMBOL,), plan, **given)


def rows(folder: Path) -> pa.Table:
    return pa.concat_tables([read_split(folder, split) for split in ("train", "validation", "test")])


def built(log: Log, folder: Path, asked: DatasetRequest, **options: Any) -> DatasetMetadata:
    return build(log, SHARDS, asked, registry(), folder, **options)


def expected(known: list[Kline], paid: list[Funding]) -> pd.DataFrame:
    """The features of 1.2.0 at the end of each candle, by pandas; and the price then and five minutes later."""
    frame = pd.DataFrame({
        "end": [row.start + MINUTE for row in known],
        "close": [row.close for row in known],
        "volume": [row.volume for row in known],
    }).set_index("end")  # fmt: skip
    close, returns = frame["close"], frame["close"].pct_change()
    found = pd.DataFrame(index=frame.index)
    found["returns_5m"] = close / close.shift(5) - 1
    found["volatility_5m"] = returns.rolling(5).std(ddof=0)
    found["rsi_14"] = close.rolling(57).apply(wilder_rsi, raw=True)
    found["ema_21"] = close.rolling(85).apply(lambda values: ema(values, 21), raw=True)
    found["price_ema21_ratio"] = close / found["ema_21"]
    found["volume_ratio_20"] = frame["volume"] / frame["volume"].rolling(20).mean()
    rates = pd.Series({rate.ts: rate.rate for rate in paid})
    found["funding_rate"] = rates.reindex(found.index, method="ffill", tolerance=8 * HOUR)
    found["target"] = close.shift(-5) / close - 1
    return found


def ema(values: np.ndarray, n: int) -> float:
    """Begins with the mean of the first n."""
    average = float(values[:n].mean())
    for value in values[n:]:
        average += (value - average) * 2 / (n + 1)
    return average


def wilder_rsi(values: np.ndarray, n: int = 14) -> float:
    """Means of gains and losses, smoothed by Wilder."""
    moves = np.diff(values)
    gain, loss = float(np.clip(moves[:n], 0, None).mean()), float(np.clip(-moves[:n], 0, None).mean())
    for move in moves[n:]:
        gain, loss = (gain * (n - 1) + max(move, 0.0)) / n, (loss * (n - 1) + max(-move, 0.0)) / n
    return 100 * gain / (gain + loss)


def compare(table: pa.Table, oracle: pd.DataFrame) -> None:
    """Every value of every row, to rounding."""
    made = table.to_pandas().drop(columns=["symbol"])
    made.index = pd.Index(table.column("timestamp").cast(pa.int64()).to_numpy())
    wanted = oracle.reindex(made.index)
    for name in oracle.columns:
        left, right = made[name].to_numpy(float), wanted[name].to_numpy(float)
        assert np.array_equal(np.isnan(left), np.isnan(right)), name
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.req("TK-FS-15", "TK-FS-18", "FS-US-3.3")
@pytest.mark.parametrize("days", [3, pytest.param(31, marks=pytest.mark.slow)], ids=["days", "month"])
def test_a_dataset_of_fetched_candles_has_the_features_of_pandas(tmp_path: Path, days: int) -> None:
    span = Span(BEGIN, BEGIN + days * DAY)
    known, paid = candles(days * 1440), settlements(span)
    save(tmp_path / "archive", known, "kline", span)
    save(tmp_path / "archive", paid, "funding", span)
    history = HistoryLog(make_log(tmp_path / "log", []), tmp_path / "archive", sources=("kline", "funding"))

    made = built(history, tmp_path / "dataset", request(BEGIN + 6 * HOUR, span.end))

    table = rows(tmp_path / "dataset")
    assert table.num_rows == days * 1440 - 360 - 3 * 4, "all but those whose target lies in the next split"
    assert made.leakage["passed"]
    compare(table, expected(known, paid))


@pytest.mark.req("FS-US-3.3")
def test_a_span_that_is_partly_live_and_partly_fetched_is_as_good_as_one_that_was_heard(tmp_path: Path) -> None:
    """Fetched before the log began, heard, an outage that was filled, heard: the same rows as all heard."""
    span = Span(BEGIN, BEGIN + 12 * HOUR)
    known, paid = candles(12 * 60), settlements(span)
    begins, fails, returns = (BEGIN + hours * HOUR + 7 * SECOND for hours in (3, 6, 8))

    def heard(start: int, end: int) -> list[Any]:
        inside = [row for row in live(known) if start < row.recv <= end]
        return [*inside, *ticks(start, end)]

    gaps = [Gap(SYMBOL, returns, fails, channel, "collector restart", fails, returns)  # type: ignore[arg-type]
            for channel in ("orderbook", "trades", "kline", "ticker")]  # fmt: skip
    log = make_log(tmp_path / "log", [*heard(begins, fails), *gaps, Tick(returns), *heard(returns, span.end + SECOND)])
    for part in (Span(BEGIN, BEGIN + 3 * HOUR), Span(BEGIN + 6 * HOUR, BEGIN + 8 * HOUR)):
        save(tmp_path / "archive", [row for row in known if part.start <= row.start < part.end], "kline", part)
    save(tmp_path / "archive", paid, "funding", span)
    history = HistoryLog(log, tmp_path / "archive", sources=("kline", "funding"))
    whole = make_log(tmp_path / "whole", [*live(known), *live(paid), *ticks(BEGIN, span.end + SECOND)])
    asked = request(BEGIN, span.end)

    built(history, tmp_path / "parts", asked)
    built(whole, tmp_path / "heard", asked)

    assert rows(tmp_path / "parts").equals(rows(tmp_path / "heard"))
    assert rows(tmp_path / "parts").num_rows > 690


def test_with_several_processes_it_has_the_same_bytes(tmp_path: Path) -> None:
    span = Span(BEGIN, BEGIN + DAY)
    save(tmp_path / "archive", candles(1440), "kline", span)
    save(tmp_path / "archive", settlements(span), "funding", span)
    history = HistoryLog(make_log(tmp_path / "log", []), tmp_path / "archive", sources=("kline", "funding"))
    asked = request(BEGIN + 10 * HOUR, BEGIN + 14 * HOUR)

    alone = built(history, tmp_path / "alone", asked)
    together = built(history, tmp_path / "together", asked, workers=2, pieces=3)

    assert alone.digest == together.digest


def test_what_a_dataset_needs_begins_one_look_back_before_it() -> None:
    asked = request(BEGIN + DAY, BEGIN + 2 * DAY)

    needs = needs_of(asked, registry(), BEGIN + 9 * DAY)

    assert (needs.sources, needs.offered, needs.refused) == ({"kline", "funding"}, ["klines", "funding"], {})
    assert needs.asked == Span(BEGIN + DAY, BEGIN + 2 * DAY)
    assert BEGIN + DAY - 12 * HOUR < needs.window.start < BEGIN + DAY - 8 * HOUR
    assert needs_of(asked, registry(), BEGIN + DAY + HOUR).asked.end == BEGIN + DAY + HOUR
