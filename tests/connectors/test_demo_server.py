"""The demo exchange on loopback, and our REST client against it."""

import asyncio
import itertools
import json

import httpx
import pytest
from websockets.asyncio.client import connect

from connectors.bybit.asking import Patience
from connectors.bybit.errors import RestError
from connectors.bybit.market import BybitMarket
from connectors.demo.candles import MINUTE
from connectors.demo.exchange_history.faults import RestFaultRates, RestFaults
from connectors.demo.server import DemoServer
from connectors.validate import check

HANG = 120.0


def run(coroutine):
    """Run to the end; a hang is an error."""
    return asyncio.run(asyncio.wait_for(coroutine, HANG))


async def no_sleep(seconds: float) -> None:
    """Tests do not wait for a pause to pass."""


def client(server: DemoServer, **patience) -> BybitMarket:
    return BybitMarket(server.rest_url, sleep=no_sleep, patience=Patience(delay=0.0, **patience))


async def ask(socket, **request) -> dict:
    """Send a request; the next message that is no market data."""
    await socket.send(json.dumps(request))
    while True:
        message = json.loads(await socket.recv())
        if "op" in message:
            return message


def test_requests_are_acknowledged_as_bybit_does():
    async def scenario():
        async with DemoServer(["BTCUSDT"]) as server, connect(server.ws_url + "/linear") as socket:
            return [
                await ask(socket, op="ping"),
                await ask(socket, op="subscribe", args=["tickers.BTCUSDT"], req_id="7"),
                await ask(socket, op="subscribe", args=["tickers.BTCUSDT"]),
                await ask(socket, op="subscribe", args=["tickers.NONE"]),
                await ask(socket, op="unsubscribe", args=["tickers.BTCUSDT"]),
                await ask(socket, op="subscribe", args=["x"] * 11),
                await ask(socket, op="dance"),
            ]

    replies = run(scenario())

    assert [reply["success"] for reply in replies] == [True, True, False, False, True, False, False]
    assert replies[0]["ret_msg"] == "pong" and replies[1]["req_id"] == "7"
    assert "already subscribed" in replies[2]["ret_msg"] and "tickers.NONE" in replies[3]["ret_msg"]


def test_every_subscription_begins_with_a_snapshot_and_goes_on_from_it():
    """Also the second one, after unsubscribing: fresh, and the deltas follow on it."""

    async def scenario():
        topic = "orderbook.50.BTCUSDT"
        found = []
        async with DemoServer(["BTCUSDT"]) as server, connect(server.ws_url + "/linear") as socket:
            for _ in range(2):
                await ask(socket, op="subscribe", args=[topic])
                found.append([json.loads(await socket.recv()) for _ in range(4)])
                await ask(socket, op="unsubscribe", args=[topic])
        return found

    for first, *deltas in run(scenario()):
        assert first["type"] == "snapshot"
        assert [delta["type"] for delta in deltas] == ["delta"] * 3
        assert [delta["data"]["u"] for delta in deltas] == [first["data"]["u"] + n for n in (1, 2, 3)]


def test_candles_come_in_pages_newest_first():
    """1,000 at most and 200 by default, bounded by start and end, the running candle in front."""

    async def scenario():
        async with DemoServer(["BTCUSDT"]) as server, httpx.AsyncClient(base_url=server.rest_url) as http:
            query = {"category": "linear", "symbol": "BTCUSDT", "interval": "1"}

            async def page(**more):
                answer = (await http.get("/v5/market/kline", params={**query, **more})).json()
                return answer["time"], [int(row[0]) for row in answer["result"]["list"]]

            default, full = await page(), await page(limit=5_000)
            bounded = await page(start=full[1][9], end=full[1][3])
            now = (await http.get("/v5/market/time")).json()
            missing = await http.get("/v5/market/nothing")
            return default, full, bounded, now, missing.status_code

    default, full, bounded, now, missing = run(scenario())

    assert len(default[1]) == 200 and len(full[1]) == 1_000
    assert [newer - older for newer, older in zip(full[1], full[1][1:], strict=False)] == [60_000] * 999
    assert full[1][0] <= full[0] < full[1][0] + 120_000
    assert bounded[1] == full[1][3:10]
    assert int(now["result"]["timeNano"]) // 1_000_000 == now["time"]
    assert missing == 404


def test_client_brings_the_last_closed_candles_oldest_first():
    """Two pages become 1,500 backfilled events without a hole; the running candle is left out."""

    async def scenario():
        async with DemoServer(["BTCUSDT"]) as server, client(server) as market:
            klines = await market.recent_klines("BTCUSDT", 1_500)
            recent = await market.recent_klines("BTCUSDT", 1_500, since=klines[-3].start)
            return klines, recent

    klines, recent = run(scenario())

    assert len(klines) == 1_500
    assert [later.start - kline.start for kline, later in itertools.pairwise(klines)] == [MINUTE] * 1_499
    assert all(kline.closed and kline.backfilled and kline.ts == kline.start + MINUTE for kline in klines)
    assert all(kline.ts == kline.recv and check(kline) is None for kline in klines)
    assert [kline.start for kline in recent][:3] == [kline.start for kline in klines[-3:]]


def test_client_says_which_symbol_bybit_does_not_know_and_does_not_insist():
    async def scenario():
        async with DemoServer(["BTCUSDT"]) as server, client(server) as market:
            try:
                await market.recent_klines("NONE", 1_500)
            except RestError as error:
                return str(error), [path for path in server.requests if "kline" in path]

    problem, requests = run(scenario())

    assert "NONE" in problem and "10001" in problem
    assert len(requests) == 1


def test_client_says_so_when_nobody_answers():
    async def scenario():
        async with DemoServer(["BTCUSDT"]) as server:
            url = server.rest_url
        patience = Patience(attempts=2, delay=0.0)
        async with BybitMarket(url, patience=patience, sleep=no_sleep) as market:
            await market.recent_klines("BTCUSDT", 10)

    with pytest.raises(RestError, match="ConnectError"):
        run(scenario())


def test_faults_of_the_rest_interface_are_the_demo_servers_as_well():
    """A connection that breaks, a body that ends in the middle, errors: the client gets through."""
    rates = RestFaultRates(dropped=0.2, cut=0.2, failed=0.2, truncated=0.1, limited=0.1)

    async def scenario():
        faults = RestFaults(rates, seed=5)
        async with DemoServer(["BTCUSDT"], rest_faults=faults) as server, client(server, attempts=30) as market:
            return await market.recent_klines("BTCUSDT", 1_500), faults.injected

    klines, injected = run(scenario())

    assert len(klines) == 1_500 and injected.total() > 0


def test_server_runs_by_the_wall_clock_and_ends_cleanly():
    async def scenario():
        before = asyncio.all_tasks()
        async with DemoServer(["BTCUSDT"]) as server:
            while server.market.due - server.market.start < 300_000:
                await asyncio.sleep(0.01)
            ahead = server.market.due - server.clock()
        return ahead, asyncio.all_tasks() - before

    ahead, left = run(scenario())

    assert ahead < 1_000_000
    assert not left
