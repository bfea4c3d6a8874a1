"""How things stand: trades, book, ticker, instruments, and the clock."""

import gzip
import json

import pytest

from connectors.bybit.errors import RestError
from connectors.bybit.market import BybitMarket
from connectors.bybit.offered import available
from connectors.bybit.skew import Skew
from connectors.demo.exchange_history.faults import RestFaultRates, RestFaults
from connectors.demo.exchange_history.recorded import Recorded
from connectors.demo.exchange_history.truth import Generated
from connectors.validate import check
from tests.exchange.standing import HOUR, MINUTE, NOW, SYMBOL, asked, generated


def test_the_last_trades_come_oldest_first_each_once():
    async def scenario(market, server):
        return await market.recent_trades(SYMBOL), await market.recent_trades(SYMBOL, 7), server.desk.requests

    trades, few, requests = asked(scenario, faults=RestFaults(RestFaultRates(doubled=0.5), 3))
    listed = [row["execId"] for row in generated().trades(SYMBOL, 1_000)]

    assert [trade.id for trade in trades] == list(reversed(listed))
    assert few == trades[-7:]
    assert [trade.ts for trade in trades] == sorted(trade.ts for trade in trades)
    assert all(trade.backfilled and trade.recv == trade.ts <= NOW and check(trade) is None for trade in trades)
    assert "limit=1000" in requests[0]


def test_no_trades_is_no_number_of_trades():
    assert len(asked(lambda market, _: market.recent_trades(SYMBOL, 0))) == 1
    assert len(asked(lambda market, _: market.recent_trades(SYMBOL, 10**6))) == 1_000


def test_trades_out_of_order_are_asked_for_again():
    faults = RestFaults(RestFaultRates(shuffled=0.6), 2)
    trades = asked(lambda market, _: market.recent_trades(SYMBOL, 50), faults=faults)

    assert faults.injected["shuffled"] > 0
    assert [trade.id for trade in trades] == [row["execId"] for row in reversed(generated().trades(SYMBOL, 50))]


def test_block_trades_are_left_out():
    """They are agreed off the book, at prices of their own; the live feed leaves them out as well."""

    class Blocks(Generated):
        def trades(self, symbol, limit):
            rows = super().trades(symbol, limit)
            return [{**row, "isBlockTrade": index % 3 == 0} for index, row in enumerate(rows)]

    trades = asked(lambda market, _: market.recent_trades(SYMBOL, 9), Blocks([SYMBOL], clock=lambda: NOW))

    assert len(trades) == 6


def test_the_book_stands_best_first():
    book = asked(lambda market, _: market.orderbook(SYMBOL, 5))

    assert len(book.bids) == len(book.asks) == 5
    assert book.bids == sorted(book.bids, reverse=True) and book.asks == sorted(book.asks)
    assert book.bids[0][0] < book.asks[0][0] and book.ts == book.recv == NOW // 1000 * 1000
    assert check(book) is None


def test_the_ticker_knows_the_next_payment():
    ticker = asked(lambda market, _: market.ticker(SYMBOL))

    assert ticker.next_funding is not None and NOW < ticker.next_funding <= NOW + 8 * HOUR
    assert ticker.last == ticker.bid and ticker.volume_24h is None
    assert check(ticker) is None


def test_instruments_come_in_pages_by_name():
    names = [f"A{number:04d}USDT" for number in range(2_500)]

    async def scenario(market, server):
        return await market.instruments(), server.desk.requests

    found, requests = asked(scenario, Generated(names, clock=lambda: NOW))

    assert [one.symbol for one in found] == names
    assert len(requests) == 3


def test_a_list_without_end_is_refused():
    class Endless(Generated):
        def instruments(self, symbol=None):
            return super().instruments(symbol) * 100_001

    with pytest.raises(RestError, match="no end after 100 pages"):
        asked(lambda market, _: market.instruments(), Endless([SYMBOL], clock=lambda: NOW))


@pytest.mark.parametrize(("category", "count"), [("linear", 800), ("spot", 557)])
def test_recorded_instruments_are_read_in_full(shared_data, category, count):
    """The whole answer of the real exchange, every row of it; compared with the raw JSON."""
    file = shared_data / "bybit_rest" / f"instruments_info_{category}_20260809.json.gz"
    recorded = json.loads(gzip.decompress(file.read_bytes()))
    rows = recorded["result"]["list"]
    truth = Recorded(recorded["time"] * 1000, listed=rows, category=category)
    found = asked(lambda market, _: market.instruments(market=category), truth)
    raw = {row["symbol"] + ("-SPOT" if category == "spot" else ""): row for row in rows}

    assert len(found) == len(raw) == count and {one.symbol for one in found} == set(raw)
    for one in found:
        row = raw[one.symbol]
        assert one.tick == float(row["priceFilter"]["tickSize"]) and one.status == row["status"]
        assert one.lot == float(row["lotSizeFilter"].get("qtyStep") or row["lotSizeFilter"]["basePrecision"])
        assert (one.funding_interval or 0) == row.get("fundingInterval", 0) * MINUTE
        assert (one.launch or 0) == int(row.get("launchTime", 0)) * 1000


def test_the_exchange_says_what_time_it_is():
    """Its clock is an hour ahead of ours: measured within the time that an answer takes."""

    async def scenario(market, _):
        return await market.time(), await market.now(), market.skew

    theirs, now, skew = asked(scenario, clock=lambda: NOW - HOUR)

    assert theirs == NOW
    assert abs(skew - HOUR) <= 1_000 and abs(now - NOW) <= 1_000


def test_one_answer_that_lies_does_not_move_the_clock():
    skew = Skew()
    for theirs in (1_000, 3_600_001_000, 1_005, 990, 1_010):
        skew.feed(asked=0, came=0, theirs=theirs)

    assert skew.offset == 1_005 and skew.believed


def test_a_clock_is_believed_when_three_answers_agree():
    async def scenario(market, server):
        await market.now()
        await market.now()
        return len(server.desk.requests), market.skew

    requests, skew = asked(scenario, faults=RestFaults(RestFaultRates(lying=0.4), seed=2))

    assert 3 < requests <= 9 and skew == 0


def test_what_cannot_be_fetched_is_refused_with_the_reason():
    """Nothing of it is invented."""
    reasons = {kind: BybitMarket.available(kind) for kind in ("klines", "funding")}
    refused = [available(kind) for kind in ("trades", "ticker", "orderbook_snapshots", "orderbook_deltas")]

    assert reasons == {"klines": None, "funding": None}
    assert all(reason and reason.startswith("Bybit ") for reason in refused)
