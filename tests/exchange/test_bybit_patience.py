"""How the client waits, tries again and gives up."""

import asyncio
import json
import time

import httpx
import pytest

from connectors.bybit.asking import Patience
from connectors.bybit.errors import RestError
from connectors.bybit.limits import wait_needed, wait_told
from connectors.bybit.market import BybitMarket
from connectors.demo.exchange_history.faults import RestFaultRates, RestFaults
from connectors.demo.exchange_history.server import HistoryServer
from tests.exchange.standing import HOUR, NOW, SYMBOL, Naps, asked, client, generated, run


def scripted(*answers: httpx.Response | Exception, **settings) -> tuple[BybitMarket, list[httpx.Request]]:
    """A client whose requests meet these answers in turn, the last one again and again."""
    requests: list[httpx.Request] = []

    def meet(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        found = answers[min(len(requests), len(answers)) - 1]
        if isinstance(found, Exception):
            raise found
        return found

    transport = httpx.MockTransport(meet)
    return BybitMarket("http://bybit.invalid", clock=lambda: NOW, transport=transport, **settings), requests


def said(code: int = 0, result: object = None, message: str = "OK", status: int = 200, **headers) -> httpx.Response:
    body = {"retCode": code, "retMsg": message, "result": result or {"timeNano": str(NOW * 1000)}, "time": NOW // 1000}
    return httpx.Response(
        status, content=json.dumps(body), headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def waits(*answers: httpx.Response | Exception, **patience) -> list[float]:
    """For how long the client rests before each further attempt."""
    naps = Naps()
    market, _ = scripted(*answers, sleep=naps, patience=Patience(delay=0.0, **patience))

    async def scenario():
        async with market:
            await market.time()

    run(scenario())
    return naps.taken


RESET = {"X_Bapi_Limit_Status": "0", "X_Bapi_Limit_Reset_Timestamp": str(NOW // 1000 + 1_700)}


@pytest.mark.req("TK-FS-18")
@pytest.mark.parametrize(
    ("refused", "seconds"),
    [
        (said(status=429, **RESET), 1.7),
        (said(10006, message="Too many visits!", **RESET), 1.7),
        (said(10018, message="Exceeded the IP rate limit", **RESET), 1.7),
        (said(status=429, Retry_After="12"), 12.0),
        (said(status=503, Retry_After="3"), 3.0),
        (said(status=403, Retry_After="20"), 20.0),
    ],
)
def test_the_client_waits_as_long_as_bybit_says(refused, seconds):
    assert waits(refused, said()) == [pytest.approx(seconds, abs=0.1)]


@pytest.mark.parametrize(
    "passing",
    [
        said(status=429),
        said(status=403),
        said(status=500),
        said(status=504),
        said(10000, message="Server Timeout"),
        said(10006, message="Too many visits!", X_Bapi_Limit_Reset_Timestamp=str(NOW // 1000 + 3_600_000)),
        said(10006, message="Too many visits!", X_Bapi_Limit_Reset_Timestamp="soon"),
        httpx.Response(200, content=b'{"retCode":0,"ret'),
        httpx.Response(200, content=b'{"retCode":0,"retMsg":"OK","time":1,"result":{}}'),
        httpx.Response(200, content=b"\x00\xff"),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("late"),
        httpx.RemoteProtocolError("broken"),
        httpx.DecodingError("bad gzip"),
    ],
)
def test_without_a_word_from_bybit_the_pauses_grow(passing):
    """From half to one and a half of 1, 2, 4 seconds."""
    taken = waits(passing, passing, passing, said(), pause=1.0, attempts=4)

    assert len(taken) == 3
    assert all(0.5 * 2**n <= pause <= 1.5 * 2**n for n, pause in enumerate(taken))


def test_a_ban_is_not_sat_out():
    """Ten minutes are said once, as the reason, and nothing is asked in the meantime."""
    market, requests = scripted(httpx.Response(403, content=b"403, access too frequent"), sleep=Naps())

    async def scenario():
        async with market:
            await market.time()

    with pytest.raises(RestError, match="HTTP 403; it wants no request for 600 s") as caught:
        run(scenario())

    assert caught.value.retry_in == 600.0
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (10001, "check the symbol"),
        (10003, "BYBIT_API_KEY"),
        (10004, "BYBIT_API_SECRET"),
        (10024, "country"),
        (99, "check"),
    ],
)
def test_a_refusal_for_good_is_not_repeated(code, advice):
    market, requests = scripted(said(code, message="no"), sleep=Naps())

    async def scenario():
        async with market:
            await market.ticker(SYMBOL)

    with pytest.raises(RestError, match=rf"tickers .*BTCUSDT.*retCode {code} no; .*{advice}"):
        run(scenario())
    assert len(requests) == 1


@pytest.mark.parametrize("status", [301, 302, 400, 401, 404, 418])
def test_another_status_names_the_address(status):
    market, requests = scripted(httpx.Response(status, headers={"Location": "http://elsewhere.invalid"}), sleep=Naps())

    async def scenario():
        async with market:
            await market.time()

    with pytest.raises(RestError, match=rf"HTTP {status}; check the address http://bybit\.invalid"):
        run(scenario())
    assert len(requests) == 1


def test_the_last_request_of_a_window_is_followed_by_a_rest():
    """``X-Bapi-Limit-Status: 0`` on a good answer: the next request waits for the reset."""
    naps = Naps()
    market, _ = scripted(said(**RESET), said(), sleep=naps, patience=Patience(delay=0.0))

    async def scenario():
        async with market:
            await market.time()
            await market.time()

    run(scenario())

    assert naps.taken == [pytest.approx(1.7, abs=0.1)]


def test_a_limit_hit_by_one_request_holds_the_others_back():
    """Requests of several tasks share one patience."""
    naps = Naps()
    market, requests = scripted(said(10006, **RESET), said(), sleep=naps, patience=Patience(delay=0.0))

    async def scenario():
        async with market:
            try:
                await market.time()
            finally:
                await market.time()

    run(scenario())

    assert len(requests) == 3 and len(naps.taken) == 2


def test_requests_keep_their_distance():
    """At least ``delay`` from one to the next, also when several tasks ask at once."""
    naps = Naps()
    market, _ = scripted(said(), sleep=naps, patience=Patience(delay=10.0))

    async def scenario():
        async with market:
            await asyncio.gather(*(market.time() for _ in range(4)))

    run(scenario())

    assert [round(nap) for nap in naps.taken] == [10, 20, 30]


def test_real_pauses_pass():
    """With the real clock: four requests at 20 milliseconds."""

    async def scenario():
        async with (
            HistoryServer(generated()) as server,
            client(server, sleep=asyncio.sleep, patience=Patience(delay=0.02)) as market,
        ):
            begin = time.monotonic()
            for _ in range(4):
                await market.time()
            return time.monotonic() - begin

    assert run(scenario()) >= 0.06


@pytest.mark.parametrize("rates", [RestFaultRates(slow=1.0, slowness=30.0), RestFaultRates(dropped=1.0)])
def test_an_exchange_that_does_not_answer_is_given_up(rates):
    with pytest.raises(RestError, match=r"(ReadTimeout|RemoteProtocolError|ReadError).*2 times; try again later"):
        asked(
            lambda market, _: market.time(),
            faults=RestFaults(rates),
            patience=Patience(attempts=2, delay=0.0, timeout=0.1),
        )


def test_an_answer_that_trickles_is_given_up():
    """Each part comes in time, the whole never does."""

    async def trickle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        try:
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            writer.close()

    async def scenario():
        server = await asyncio.start_server(trickle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        patience = Patience(attempts=1, timeout=0.1)
        async with server, BybitMarket(f"http://127.0.0.1:{port}", patience=patience) as market:
            await market.time()

    with pytest.raises(RestError, match=r"no whole answer within 0\.3 s"):
        run(scenario())


def test_an_endless_answer_is_cut_off():
    endless = httpx.Response(200, content=b" " * (17 * 1024 * 1024))
    market, _ = scripted(endless, sleep=Naps(), patience=Patience(attempts=1))

    async def scenario():
        async with market:
            await market.time()

    with pytest.raises(RestError, match="more than 16777216 bytes"):
        run(scenario())


def test_faults_that_pass_cost_requests_and_nothing_else(lines):
    """One of each; every failure is a line with what went wrong."""

    async def scenario(market, server):
        server.desk.refuse.extend([429, 500, 403, 502])
        return await market.klines(SYMBOL, NOW - HOUR, NOW), server.desk.requests

    klines, requests = asked(scenario)

    assert len(klines) == 59 and len(requests) == 4 + 3 + 1
    assert [line["problem"] for line in lines] == ["HTTP 429", "HTTP 500", "HTTP 403", "HTTP 502"]


def test_an_address_that_is_none_is_refused_at_once():
    for url in ("", "bybit.com", "ftp://bybit.com", "http://"):
        with pytest.raises(ValueError, match="address must be"):
            BybitMarket(url)


def test_impossible_patience_is_refused():
    for wrong in ({"attempts": 0}, {"delay": -1.0}, {"timeout": 0.0}):
        with pytest.raises(ValueError, match="no such patience"):
            Patience(**wrong)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"},
        {"Retry-After": "-5"},
        {"Retry-After": "nan"},
        {"Retry-After": "1e9"},
        {"Retry-After": "9" * 40},
        {"X-Bapi-Limit-Reset-Timestamp": str(NOW // 1000 - 1)},
        {"X-Bapi-Limit-Reset-Timestamp": "inf"},
    ],
)
def test_headers_that_make_no_sense_say_nothing(headers):
    assert wait_told(headers, NOW) is None
    assert wait_needed({"X-Bapi-Limit-Status": "0", **headers}, NOW) == 0.0
