"""The stand-in: the same past for everybody who asks, coherent in itself, and as rude as one likes."""

import hashlib
import json
import os
import subprocess
import sys
from decimal import Decimal
from itertools import pairwise

import httpx
import pytest

from connectors.demo.exchange_history.answers import answer
from connectors.demo.exchange_history.faults import INSIDE, INSTEAD, RestFaultRates, RestFaults
from connectors.demo.exchange_history.past import BLOCK, Past
from connectors.demo.exchange_history.server import Desk, HistoryServer
from connectors.demo.exchange_history.truth import Generated, true_klines
from connectors.demo.instrument import instrument
from connectors.validate import check
from tests.exchange.standing import DAY, HOUR, MINUTE, NOW, SYMBOL, generated, run

PROGRAM = """
import hashlib
from connectors.demo.exchange_history.truth import Generated
truth = Generated(["ETHUSDT", "ODDUSDT", "BTCUSDT"], seed=3, clock=lambda: 1_750_000_030_500_000)
digest = hashlib.sha256()
for name in ("BTCUSDT", "ODDUSDT"):
    digest.update(repr(truth.candles(name, 1_749_900_000_000_000, 2**60, 3_000)).encode())
    digest.update(repr(truth.funding(name, 0, 2**60, 300)).encode())
    digest.update(repr(truth.trades(name, 100)).encode())
print(digest.hexdigest())
"""


def test_the_past_is_the_same_in_every_process_and_in_every_order():
    """Whatever was asked before, whatever else is listed, whatever the seed of Python's hashes."""
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
    truth = Generated(["BTCUSDT", "ODDUSDT"], seed=3, clock=lambda: NOW)
    truth.candles("BTCUSDT", NOW - 40 * DAY, NOW, 50)
    digest = hashlib.sha256()
    for name in ("BTCUSDT", "ODDUSDT"):
        digest.update(repr(truth.candles(name, 1_749_900_000_000_000, 2**60, 3_000)).encode())
        digest.update(repr(truth.funding(name, 0, 2**60, 300)).encode())
        digest.update(repr(truth.trades(name, 100)).encode())

    assert digests == {digest.hexdigest()}


def test_candles_of_the_past_are_those_of_its_trades():
    """To the digit, from the listed trades alone; the first and the last minute are listed in part."""
    rows = generated().trades(SYMBOL, 1_000)
    candles = {row[0]: row[1:] for row in generated().candles(SYMBOL, NOW - 3 * HOUR, NOW, 1_000)}
    minutes: dict[str, list[tuple[Decimal, Decimal]]] = {}
    for row in reversed(rows):
        start = str(int(row["time"]) // 60_000 * 60_000)
        minutes.setdefault(start, []).append((Decimal(row["price"]), Decimal(row["size"])))

    assert len(minutes) > 80
    for start, fills in list(minutes.items())[1:]:
        prices = [price for price, _ in fills]
        volume, turnover = sum(size for _, size in fills), sum(price * size for price, size in fills)
        expected = [prices[0], max(prices), min(prices), prices[-1], volume, turnover]
        assert [Decimal(text) for text in candles[start]] == expected


def test_trades_have_ids_of_their_own():
    ids = [row["execId"] for row in generated().trades(SYMBOL, 1_000)]

    assert len(set(ids)) == 1_000


def test_the_price_has_no_jumps_also_where_two_blocks_meet():
    """Eight hours are made at once; their ends fit together."""
    past = Past(instrument(SYMBOL), 1)
    edges = [NOW // BLOCK * BLOCK - index * BLOCK for index in range(6)]
    klines = true_klines(generated(), SYMBOL, edges[0] - 3 * HOUR, edges[0] + 3 * HOUR)
    steps = [abs(later.open / earlier.close - 1.0) for earlier, later in pairwise(klines)]
    at_edges = [abs(past.trades(edge)[0].price / past.trades(edge - MINUTE)[-1].price - 1.0) for edge in edges]

    assert all(check(kline) is None for kline in klines)
    assert max(steps) < 2e-3 and max(at_edges) < 6e-4


def test_the_price_stays_near_its_opening_for_years():
    past = Past(instrument(SYMBOL), 1)
    closes = [past.candle(NOW - days * DAY).close / 650_000 for days in range(0, 1_500, 50)]

    assert all(0.95 < close < 1.05 for close in closes) and len(set(closes)) == len(closes)


def said(path: str, truth: Generated | None = None) -> dict:
    found = answer(truth or generated(), path)
    assert found is not None
    return found


KLINES = f"/v5/market/kline?category=linear&symbol={SYMBOL}&interval=1"
FUNDING = f"/v5/market/funding/history?category=linear&symbol={SYMBOL}"


def test_pages_are_bybits():
    """Newest first, both ends included, 200 unless said otherwise, 1,000 and 200 at most, the running candle too."""
    starts = [int(row[0]) for row in said(KLINES)["result"]["list"]]
    span = f"{KLINES}&start={starts[9]}&end={starts[3]}"

    assert starts[0] == NOW // MINUTE * MINUTE // 1000 and len(starts) == 200
    assert [int(row[0]) for row in said(span)["result"]["list"]] == starts[3:10]
    assert [int(row[0]) for row in said(f"{span}&limit=2")["result"]["list"]] == starts[3:5]
    assert len(said(f"{KLINES}&limit=5000")["result"]["list"]) == 1_000
    assert len(said(f"{FUNDING}&limit=5000")["result"]["list"]) == 200


@pytest.mark.parametrize(
    "path",
    [
        KLINES.replace("linear", "option"),
        KLINES.replace(SYMBOL, "NONE"),
        KLINES.replace("interval=1", "interval=7"),
        f"{KLINES}&start=soon",
        f"{KLINES}&limit=0",
        f"{KLINES}&limit=-1",
        f"{FUNDING}&startTime=5",
        "/v5/market/kline",
        "/v5/market/orderbook?category=linear&symbol=NONE",
        "/v5/market/instruments-info?category=linear&symbol=NONE",
    ],
)
def test_what_makes_no_sense_is_refused_as_bybit_does(path):
    assert said(path)["retCode"] == 10001


def test_other_pages_there_are_none():
    assert answer(generated(), "/v5/order/create") is None
    assert Desk(generated()).reply("/v5/order/create").status == 404


def test_the_same_seed_spoils_the_same_answers():
    rates = RestFaultRates(**dict.fromkeys((*INSTEAD, *INSIDE), 0.1))
    paths = [KLINES, FUNDING, "/v5/market/time"] * 40

    def replies(seed: int) -> list:
        desk = Desk(generated(), RestFaults(rates, seed))
        return [desk.reply(path) for path in paths]

    assert replies(4) == replies(4)
    assert replies(4) != replies(5)


def test_every_fault_happens_and_is_counted():
    faults = RestFaults(RestFaultRates(**dict.fromkeys((*INSTEAD, *INSIDE), 0.2)), 1)
    desk = Desk(generated(), faults)
    for _ in range(300):
        desk.reply(KLINES)

    assert all(faults.injected[name] > 0 for name in (*INSTEAD, *INSIDE))


def test_a_probability_is_one():
    with pytest.raises(ValueError, match="gaps must be a probability"):
        RestFaultRates(gaps=1.5)


def test_one_connection_serves_many_requests_and_bad_ones_do_no_harm():
    async def scenario():
        async with HistoryServer(generated()) as server, httpx.AsyncClient(base_url=server.rest_url) as http:
            first = (await http.get(KLINES)).json()
            second = (await http.get("/v5/market/time")).json()
            with pytest.raises(httpx.RemoteProtocolError):
                await http.post(KLINES)
            async with httpx.AsyncClient(base_url=server.rest_url) as other:
                return first, second, (await other.get(FUNDING)).json()

    first, second, third = run(scenario())

    assert [one["retCode"] for one in (first, second, third)] == [0, 0, 0]
    assert json.dumps(first) == json.dumps(said(KLINES))


def test_it_ends_while_somebody_is_waiting():
    """A slow answer does not hold the stand-in back."""

    async def scenario():
        faults = RestFaults(RestFaultRates(slow=1.0, slowness=3_600.0))
        async with HistoryServer(generated(), faults) as server, httpx.AsyncClient(timeout=0.1) as http:
            with pytest.raises(httpx.ReadTimeout):
                await http.get(server.rest_url + "/v5/market/time")

    run(scenario())
