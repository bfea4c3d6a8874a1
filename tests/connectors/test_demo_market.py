"""The demo exchange: the same for the same seed, and coherent in itself."""

import hashlib
import json
import os
import subprocess
import sys
from collections import defaultdict
from decimal import Decimal
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.bybit.parse import BybitParser
from connectors.demo.candles import MINUTE
from connectors.demo.market import Market
from connectors.validate import check
from tests.connectors.frame_book import FrameBook, channel, messages, symbol

START = 1_750_000_000_000_000
SYMBOLS = ["BTCUSDT", "ETHUSDT", "ODDUSDT"]

PROGRAM = """
import hashlib, itertools
from connectors.demo.market import Market
market = Market(["BTCUSDT", "ETHUSDT", "ODDUSDT"], seed=5, start=1_750_000_000_000_000)
digest = hashlib.sha256()
for frame in itertools.islice(market.frames(), 5_000):
    digest.update(repr(frame).encode())
for symbol in market.symbols.values():
    digest.update(repr(symbol.history(1_500)).encode())
print(digest.hexdigest())
"""


def market(seed: int = 1, symbols=SYMBOLS, **settings) -> Market:
    return Market(symbols, seed, START, **settings)


def frames(seed: int, count: int, symbols=SYMBOLS):
    return list(islice(market(seed, symbols).frames(), count))


def test_same_seed_gives_the_same_bytes_in_every_process():
    """Two processes with different hash seeds, and this one."""
    digests = set()
    for hash_seed in ("1", "77"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout.strip())
    here = hashlib.sha256()
    again = market(5)
    for frame in islice(again.frames(), 5_000):
        here.update(repr(frame).encode())
    for item in again.symbols.values():
        here.update(repr(item.history(1_500)).encode())

    assert digests == {here.hexdigest()}


def test_another_seed_gives_another_market():
    assert frames(1, 100) != frames(2, 100)


def test_a_symbol_does_the_same_whatever_it_is_listed_with():
    """Every symbol draws its own numbers."""
    alone = [frame.data for frame in frames(3, 300, ["ETHUSDT"])]
    among = [frame.data for frame in frames(3, 2_000) if b"ETHUSDT" in frame.data[:40]]

    assert among[:300] == alone[: len(among[:300])]
    assert len(among) > 300


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), rate=st.sampled_from([0.3, 1.0, 4.0]), depth=st.sampled_from([1, 5, 50]))
def test_book_of_the_frames_is_the_book_of_the_exchange(seed, rate, depth):
    """After every step: equal to a brute-force book, never crossed, full depth on a grid, ``u`` without a hole."""
    exchange = market(seed, ["BTCUSDT"], rate=rate, depth=depth)
    simulated = exchange.symbols["BTCUSDT"]
    book = FrameBook()
    book.apply(json.loads(simulated.book_snapshot()))
    seq = 0
    for _ in range(400):
        for topic, data in exchange.step():
            if topic == f"orderbook.{depth}.BTCUSDT":
                message = json.loads(data)
                book.apply(message)
                assert message["data"]["seq"] > seq
                seq = message["data"]["seq"]
        bid, ask = book.best

        assert bid < ask
        assert len(book.bids) == len(book.asks) == depth
        assert sorted(book.asks.items()) == [(scaled(p, 1), scaled(s, 3)) for p, s in simulated.asks.levels()]
        assert sorted(book.bids.items(), reverse=True) == [
            (scaled(p, 1), scaled(s, 3)) for p, s in simulated.bids.levels()
        ]


def test_a_snapshot_at_any_time_is_the_book_that_the_deltas_led_to():
    exchange = market(8, ["BTCUSDT"])
    simulated = exchange.symbols["BTCUSDT"]
    followed = FrameBook()
    followed.apply(json.loads(simulated.book_snapshot()))
    for step in range(1_000):
        for topic, data in exchange.step():
            if topic.startswith("orderbook"):
                followed.apply(json.loads(data))
        if step % 50 == 0:
            fresh = FrameBook()
            fresh.apply(json.loads(exchange.resync("BTCUSDT").data))
            assert (fresh.bids, fresh.asks, fresh.u) == (followed.bids, followed.asks, followed.u)


def test_trades_take_what_stood_in_the_book():
    """Each fill happens at a level of the other side, best first, and takes no more than was there."""
    book, taken, filled = FrameBook(), defaultdict(Decimal), 0
    for message in messages(frames(4, 20_000, ["BTCUSDT"])):
        if channel(message) == "orderbook":
            book.apply(message)
            taken.clear()
        elif channel(message) == "publicTrade":
            for fill in message["data"]:
                price, size = Decimal(fill["p"]), Decimal(fill["v"])
                side = book.asks if fill["S"] == "Buy" else book.bids
                taken[price] += size
                better = [p for p in side if (p < price if fill["S"] == "Buy" else p > price)]
                assert taken[price] <= side[price]
                assert all(taken[p] == side[p] for p in better)
                filled += 1

    assert filled > 1_000


def test_closed_candles_equal_the_trades_inside_them():
    """OHLCV and turnover, exactly, from the trades alone; a minute is confirmed once."""
    trades, checked, confirmed = defaultdict(list), 0, []
    for message in messages(frames(6, 25_000, ["ETHUSDT"])):
        if channel(message) == "publicTrade":
            for fill in message["data"]:
                trades[fill["T"] // 60_000 * 60_000].append((Decimal(fill["p"]), Decimal(fill["v"])))
        elif channel(message) == "kline":
            for candle in message["data"]:
                if not candle["confirm"] or not trades[candle["start"]]:
                    continue
                prices = [price for price, _ in trades[candle["start"]]]
                names = ("open", "high", "low", "close", "volume", "turnover")
                assert [Decimal(candle[name]) for name in names] == [
                    prices[0],
                    max(prices),
                    min(prices),
                    prices[-1],
                    sum(size for _, size in trades[candle["start"]]),
                    sum(price * size for price, size in trades[candle["start"]]),
                ]
                confirmed.append(candle["start"])
                checked += 1

    assert checked >= 10
    assert confirmed == sorted(set(confirmed))
    assert [later - start for start, later in pairwise(confirmed)] == [60_000] * (checked - 1)


def test_running_candles_come_about_once_a_second():
    times = [
        message["ts"]
        for message in messages(frames(2, 5_000, ["BTCUSDT"]))
        if channel(message) == "kline" and not message["data"][-1]["confirm"]
    ]
    steps = [later - time for time, later in pairwise(times)]

    assert 900 <= sorted(steps)[len(steps) // 2] <= 1_200


def test_ticker_deltas_over_the_snapshot_give_the_whole_ticker():
    """Sparse: most deltas leave most fields out."""
    exchange = market(9, ["BTCUSDT"])
    simulated = exchange.symbols["BTCUSDT"]
    merged, sizes = {}, []
    for frame in islice(exchange.frames(), 4_000):
        message = json.loads(frame.data)
        if channel(message) != "tickers":
            continue
        assert message["type"] == ("delta" if merged else "snapshot")
        merged |= message["data"]
        sizes.append(len(message["data"]))
        assert merged == {"symbol": "BTCUSDT", **simulated.tickers.fields}

    assert {"fundingRate", "nextFundingTime", "openInterest", "markPrice"} <= set(merged)
    assert int(merged["nextFundingTime"]) % (8 * 3_600_000) == 0
    assert max(sizes[1:]) < sizes[0]


def test_receive_times_never_run_back_and_lie_just_after_the_exchanges():
    got = frames(1, 20_000)
    lags = [frame.recv / 1000 - message["ts"] for frame, message in zip(got, messages(got), strict=True)]

    assert all(earlier.recv < later.recv for earlier, later in pairwise(got))
    assert min(lags) > 0 and max(lags) < 60


def test_two_symbols_give_fifty_to_a_hundred_frames_a_second():
    got = frames(1, 20_000, ["BTCUSDT", "ETHUSDT"])
    a_second = len(got) / ((got[-1].recv - got[0].recv) / 1e6)

    assert 50 <= a_second <= 100


def test_every_frame_is_accepted_by_the_parser_and_the_checks():
    """Nothing is bad, and every type of event appears."""
    parser, kinds = BybitParser(), set()
    for frame in frames(12, 20_000):
        parsed = parser.parse(frame)
        assert not parsed.bad
        for event in parsed.events:
            assert check(event, frame.recv) is None
            kinds.add(type(event).__name__)

    assert kinds == {"BookSnapshot", "BookDelta", "Trade", "Kline", "Ticker"}


@pytest.mark.parametrize("name", SYMBOLS)
def test_history_ends_where_the_session_begins(name):
    """1,500 closed candles without a hole; the last one closes at the price at which trading starts."""
    simulated = market(3).symbols[name]
    past = simulated.history(1_500)

    assert [candle.start for candle in past] == [START // MINUTE * MINUTE - n * MINUTE for n in range(1_500, 0, -1)]
    assert all(candle.closed and candle.backfilled and candle.ts == candle.start + MINUTE for candle in past)
    assert all(candle.ts <= START for candle in past)
    assert past[-1].close == simulated.instrument.opening
    assert all(earlier.close == later.open for earlier, later in pairwise(past))
    assert all(check(candle) is None for candle in past)


def test_order_flow_leads_the_price_a_little():
    """There is something to learn: signed volume of three seconds goes with the return of the next five, weakly."""
    exchange = market(1, ["BTCUSDT"])
    simulated = exchange.symbols["BTCUSDT"]
    flow, price = defaultdict(float), {}
    while exchange.due < START + 1_800_000_000:
        second = exchange.due // 1_000_000
        for topic, data in exchange.step():
            if topic.startswith("publicTrade"):
                for fill in json.loads(data)["data"]:
                    flow[second] += float(fill["v"]) * (1 if fill["S"] == "Buy" else -1)
        price[second] = simulated.fair
    seconds = sorted(price)[3:-5]
    lead = [sum(flow[second - back] for back in range(3)) for second in seconds]
    then = [price[second + 5] / price[second] - 1 for second in seconds]

    assert 0.05 < correlation(lead, then) < 0.5


def test_moods_change():
    exchange = market(1, ["BTCUSDT"])
    simulated = exchange.symbols["BTCUSDT"]
    moods = set()
    for _ in range(12_000):
        exchange.step()
        moods.add(simulated.process.regime.mood)

    assert moods == {"calm", "trend", "reversion", "burst"}


@pytest.mark.parametrize(("symbols", "rate"), [([], 1.0), (["BTCUSDT"], 0.0)])
def test_a_market_that_makes_no_sense_is_refused(symbols, rate):
    with pytest.raises(ValueError, match="demo exchange"):
        Market(symbols, 1, START, rate)


def test_frames_of_the_symbols_are_named_for_them():
    assert {symbol(message) for message in messages(frames(1, 500))} == set(SYMBOLS)


def scaled(number: int, digits: int) -> Decimal:
    return Decimal(number).scaleb(-digits)


def correlation(one, other) -> float:
    n = len(one)
    mean_one, mean_other = sum(one) / n, sum(other) / n
    covariance = sum((x - mean_one) * (y - mean_other) for x, y in zip(one, other, strict=True))
    spread_one = sum((x - mean_one) ** 2 for x in one) ** 0.5
    spread_other = sum((y - mean_other) ** 2 for y in other) ** 0.5
    return covariance / (spread_one * spread_other)
