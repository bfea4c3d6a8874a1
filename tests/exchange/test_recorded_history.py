"""Candles and funding of the real exchange, recorded, served again and read through the client."""

import csv
import gzip
from itertools import pairwise
from pathlib import Path

import pytest

from connectors.bybit.errors import MissingRows
from connectors.demo.exchange_history.faults import RestFaultRates, RestFaults
from connectors.demo.exchange_history.recorded import Recorded
from tests.exchange.standing import DAY, MINUTE, asked
from tests.exchange.test_bybit_funding import EIGHT_HOURS

ROUGH = RestFaultRates(limited=0.1, visits=0.1, failed=0.1, truncated=0.1, cut=0.1, doubled=0.3, gaps=0.2, shuffled=0.5)


def table(path: Path) -> list[dict[str, str]]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return list(csv.DictReader(text.splitlines()))


def candles(path: Path) -> list[list[str]]:
    names = ("ts_ms", "open", "high", "low", "close", "volume")
    return [[row[name] for name in names] + [row.get("turnover", "0")] for row in table(path)]


def test_three_days_of_recorded_candles_come_back_to_the_digit(shared_data):
    """WIFUSDT, through everything that can go wrong: compared with the file itself."""
    rows = candles(shared_data / "klines" / "bybit_linear_1m" / "WIFUSDT_1m.csv.gz")[1_000 : 1_000 + 3 * 1_440]
    first, last = int(rows[0][0]) * 1000, int(rows[-1][0]) * 1000
    truth = Recorded(last + DAY, {"WIFUSDT": rows})
    klines = asked(lambda market, _: market.klines("WIFUSDT", first, last + 1), truth, RestFaults(ROUGH, 7))

    assert [[kline.open, kline.high, kline.low, kline.close, kline.volume] for kline in klines] == [
        [float(text) for text in row[1:6]] for row in rows
    ]
    assert [kline.start for kline in klines] == [int(row[0]) * 1000 for row in rows]


def test_the_holes_that_another_collector_left_are_named(shared_data):
    """ADAUSDT was recorded by a program with the paging bug: about 200 minutes, then a hole of 802."""
    rows = candles(shared_data / "klines" / "bybit_linear_1m_windows" / "ADAUSDT_1m.csv.gz")[:900]
    starts = [int(row[0]) * 1000 for row in rows]
    holes = [(one + MINUTE, other) for one, other in pairwise(starts) if other - one > MINUTE]
    truth = Recorded(starts[-1] + DAY, {"ADAUSDT": rows})

    async def scenario(market, _):
        with pytest.raises(MissingRows) as caught:
            await market.klines("ADAUSDT", starts[0], starts[-1] + MINUTE)
        return caught.value

    error = asked(scenario, truth)

    assert len(holes) >= 3 and error.missing == holes
    assert [kline.start for kline in error.found] == starts


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_ten_months_of_recorded_funding_come_back(shared_data, symbol):
    rows = table(shared_data / "funding" / f"bybit_{symbol}_202509_202607.csv")
    paid = [(int(row["ts_ms"]) * 1000, row["funding_rate"]) for row in rows]
    truth = Recorded(paid[-1][0] + DAY, funding={symbol: paid})
    rates = asked(lambda market, _: market.funding(symbol, paid[0][0], paid[-1][0] + 1), truth, RestFaults(ROUGH, 11))

    assert [(rate.ts, rate.rate) for rate in rates] == [(time, float(rate)) for time, rate in paid]
    assert all(later - earlier == EIGHT_HOURS for (earlier, _), (later, _) in pairwise(paid))
