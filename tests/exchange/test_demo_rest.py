"""The demo exchange's REST interface says what its WebSocket said."""

import json
from collections import defaultdict
from decimal import Decimal
from functools import cache

from connectors.demo.candles import MINUTE
from connectors.demo.exchange_history.lived import Lived
from connectors.demo.exchange_history.truth import true_funding, true_klines
from connectors.demo.market import Market
from connectors.validate import check
from tests.connectors.frame_book import FrameBook

START = 1_749_999_590_000_000
"""A few seconds before a minute ends."""
EIGHT_HOURS = 480 * MINUTE
SYMBOLS = ["BTCUSDT", "ETHUSDT"]
FAR = 2**60


@cache
def lived(seconds: int, start: int = START, seed: int = 4) -> tuple[Lived, list[dict]]:
    """An exchange after a while, and what its WebSocket said in that time."""
    market = Market(SYMBOLS, seed, start)
    messages = [json.loads(data) for one in market.symbols.values() for _, data in one.snapshots()]
    while market.due <= start + seconds * 1_000_000:
        messages += [json.loads(data) for _, data in market.step()]
    return Lived(market, lambda: start + seconds * 1_000_000), messages


def of(messages: list[dict], topic: str) -> list[dict]:
    return [message for message in messages if message["topic"] == topic]


def test_candles_equal_the_trades_of_the_websocket():
    """Every minute since the start, the running one too: open, high, low, close, volume, turnover, to the digit."""
    truth, messages = lived(400)
    for symbol in SYMBOLS:
        fills = defaultdict(list)
        for message in of(messages, f"publicTrade.{symbol}"):
            for fill in message["data"]:
                fills[fill["T"] // 60_000 * 60_000].append((Decimal(fill["p"]), Decimal(fill["v"])))
        rows = {int(row[0]): row[1:] for row in truth.candles(symbol, START // MINUTE * MINUTE, FAR, 100)}

        assert len(rows) == len(fills) >= 7
        for start, trades in fills.items():
            prices = [price for price, _ in trades]
            sums = [sum(size for _, size in trades), sum(price * size for price, size in trades)]
            assert [Decimal(text) for text in rows[start]] == [prices[0], max(prices), min(prices), prices[-1], *sums]


def test_closed_candles_are_those_that_the_websocket_confirmed():
    truth, messages = lived(400)
    names = ("open", "high", "low", "close", "volume", "turnover")
    confirmed = {
        candle["start"]: [candle[name] for name in names]
        for message in of(messages, "kline.1.BTCUSDT")
        for candle in message["data"]
        if candle["confirm"]
    }
    rows = {int(row[0]): row[1:] for row in truth.candles("BTCUSDT", 0, FAR, 1_000)}

    assert len(confirmed) >= 6
    assert {start: rows[start] for start in confirmed} == confirmed


def test_recent_trades_are_the_last_ones_of_the_tape():
    """The same ids, so that whoever has both knows which are the same."""
    truth, messages = lived(400)
    tape = [fill for message in of(messages, "publicTrade.ETHUSDT") for fill in message["data"]]
    listed = truth.trades("ETHUSDT", 1_000)

    assert len(listed) == 1_000 < len(tape)
    for row, fill in zip(listed, reversed(tape), strict=False):
        assert (row["execId"], row["price"], row["size"], row["side"]) == (fill["i"], fill["p"], fill["v"], fill["S"])
        assert int(row["time"]) == fill["T"]


def test_the_book_is_the_one_that_the_deltas_led_to():
    truth, messages = lived(60)
    book = FrameBook()
    for message in of(messages, "orderbook.50.BTCUSDT"):
        book.apply(message)
    listed = truth.book("BTCUSDT", 500)

    assert {Decimal(price): Decimal(size) for price, size in listed["b"]} == book.bids
    assert {Decimal(price): Decimal(size) for price, size in listed["a"]} == book.asks
    assert listed["u"] == book.u and len(truth.book("BTCUSDT", 3)["a"]) == 3


def test_the_ticker_is_the_merged_one():
    truth, messages = lived(60)
    merged: dict[str, str] = {}
    for message in of(messages, "tickers.BTCUSDT"):
        merged |= message["data"]

    assert truth.ticker("BTCUSDT") == merged


def test_funding_is_paid_at_the_rate_that_the_ticker_announced():
    """Once the time has come; and before the start at the rates that every session shares."""
    paid = START // EIGHT_HOURS * EIGHT_HOURS
    truth, messages = lived(90, start=paid - 30_000_000)
    announced = [
        message["data"]["fundingRate"]
        for message in of(messages, "tickers.BTCUSDT")
        if message["ts"] * 1000 < paid and "fundingRate" in message["data"]
    ]
    listed = truth.funding("BTCUSDT", 0, FAR, 3)
    before, _ = lived(29, start=paid - 30_000_000)

    assert listed[0] == (paid, announced[-1])
    assert listed[1:] == before.funding("BTCUSDT", 0, FAR, 2)
    assert before.funding("BTCUSDT", 0, FAR, 1)[0][0] == paid - EIGHT_HOURS
    assert len(true_funding(truth, "BTCUSDT", paid - 30 * EIGHT_HOURS, paid + 1)) == 31


def test_history_reaches_back_before_the_session_without_a_hole():
    """The candles that a collector gets at its start, and before those the past that every session shares."""
    truth, _ = lived(128)
    other, _ = lived(70, start=START + 3_600_000_000)
    own = truth.market.symbols["BTCUSDT"].history(1_500)
    klines = true_klines(truth, "BTCUSDT", START - 3 * 1_440 * MINUTE, FAR)
    shared = true_klines(other, "BTCUSDT", START - 3 * 1_440 * MINUTE, START - 2 * 1_440 * MINUTE)

    assert [kline.start for kline in klines] == [
        klines[0].start + index * MINUTE for index in range(len(klines))
    ] and klines[-1].ts <= truth.now()
    assert [(kline.start, kline.close) for kline in klines[-len(own) :]] == [
        (kline.start, kline.close) for kline in own
    ]
    assert klines[: len(shared)] == shared
    assert all(check(kline) is None for kline in klines)


def test_the_clock_is_never_ahead_of_the_market():
    """A minute is over for the REST interface only when every trade of it was made."""
    market = Market(SYMBOLS, 4, START)
    ahead, behind = Lived(market, lambda: START + 3_600_000_000), Lived(market, lambda: START - 1)
    for _ in range(500):
        market.step()

        assert ahead.now() == market.due - 1
        assert behind.now() == START - 1
