"""The demo exchange on loopback, and our REST client against it."""

import asyncio
import itertools
import json

import httpx
import pytest
from websockets.asyncio.client import connect

from connectors.bybit.rest import BybitRest, RestError
from connectors.demo.candles import MINUTE
from connectors.demo.server import DemoServer
from connectors.validate import check

HANG = 120.0


def run(coroutine):
    """Run to the end; a hang is an error."""
    return asyncio.run(asyncio.wait_for(coroutine, HANG))


async def no_sleep(seconds: float) -> None:
    """Tests do not wait for a pause to pass."""


def client(server: DemoServer, **settings) -> BybitRest:
    return BybitRest(server.rest_url, sleep=no_sleep, **settings)


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
        async with DemoServer(["BTCUSDT"]) as server, client(server) as rest:
            klines = await rest.klines("BTCUSDT")
            recent = await rest.klines("BTCUSDT", since=klines[-3].start)
            return klines, recent, server.requests

    klines, recent, requests = run(scenario())

    assert len(klines) == 1_500
    assert [later.start - kline.start for kline, later in itertools.pairwise(klines)] == [MINUTE] * 1_499
    assert all(kline.closed and kline.backfilled and kline.ts == kline.start + MINUTE for kline in klines)
    assert all(kline.ts <= kline.recv and check(kline) is None for kline in klines)
    assert len({kline.recv for kline in klines}) == 1
    assert [kline.start for kline in recent] == [kline.start for kline in klines[-3:]]
    assert len(requests) == 3


def test_client_tries_again_when_bybit_is_busy():
    async def scenario():
        async with DemoServer(["BTCUSDT"]) as server, client(server) as rest:
            server.refuse.extend([429, 500, 403, 502])
            return await rest.klines("BTCUSDT", count=10), len(server.requests)

    klines, requests = run(scenario())

    assert len(klines) == 10
    assert requests == 5


def test_client_gives_up_with_the_reason():
    async def scenario():
        async with DemoServer(["BTCUSDT"]) as server, client(server, attempts=3) as rest:
            server.refuse.extend([429] * 3)
            return await rest.klines("BTCUSDT")

    with pytest.raises(RestError, match=r"BTCUSDT.*HTTP 429, 3 times"):
        run(scenario())


def test_client_says_which_symbol_bybit_does_not_know_and_does_not_insist():
    async def scenario():
        async with DemoServer(["BTCUSDT"]) as server, client(server) as rest:
            try:
                await rest.klines("NONE")
            except RestError as error:
                return str(error), len(server.requests)

    problem, requests = run(scenario())

    assert "NONE" in problem and "10001" in problem
    assert requests == 1


def test_client_says_so_when_nobody_answers():
    async def scenario():
        async with DemoServer(["BTCUSDT"]) as server:
            url = server.rest_url
        async with BybitRest(url, attempts=2, sleep=no_sleep) as rest:
            await rest.klines("BTCUSDT")

    with pytest.raises(RestError, match="ConnectError"):
        run(scenario())


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"<html>", "unreadable answer"),
        (b'{"retCode":10006,"retMsg":"Too many visits!","time":1}', "10006 Too many visits"),
        (b'{"retCode":0,"retMsg":"OK","time":1,"result":{"list":[["1","NaN"]]}}', "unreadable answer"),
        (
            b'{"retCode":0,"retMsg":"OK","time":1,"result":{"list":[["1","-1","1","1","1","0","0"]]}}',
            "unreadable answer",
        ),
    ],
)
def test_client_refuses_what_makes_no_sense(body, problem):
    async def scenario():
        async with BybitRest("http://bybit.invalid", attempts=2, sleep=no_sleep) as rest:
            await rest.http.aclose()
            transport = httpx.MockTransport(lambda request: httpx.Response(200, content=body))
            rest.http = httpx.AsyncClient(base_url="http://bybit.invalid", transport=transport)
            await rest.klines("BTCUSDT")

    with pytest.raises(RestError, match=problem):
        run(scenario())


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
