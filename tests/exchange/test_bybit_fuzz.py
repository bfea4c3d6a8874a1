"""Answers that nobody should send: each is refused with a reason, none crashes the client or becomes an event."""

import json
from copy import deepcopy

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.bybit.asking import Patience
from connectors.bybit.errors import RestError
from connectors.bybit.market import BybitMarket
from connectors.demo.exchange_history.answers import answer
from connectors.demo.exchange_history.truth import true_funding, true_klines
from connectors.validate import check
from tests.exchange.standing import DAY, HOUR, MINUTE, NOW, SYMBOL, Naps, generated, run

MARKET = generated()
START = NOW // MINUTE * MINUTE - 5 * MINUTE
CALLS = {
    "time": lambda market: market.time(),
    "kline": lambda market: market.klines(SYMBOL, START, NOW),
    "funding/history": lambda market: market.funding(SYMBOL, NOW - DAY, NOW),
    "recent-trade": lambda market: market.recent_trades(SYMBOL, 5),
    "orderbook": lambda market: market.orderbook(SYMBOL, 3),
    "tickers": lambda market: market.ticker(SYMBOL),
    "instruments-info": lambda market: market.instruments(SYMBOL),
}
NEVER = object()

strange = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from(
        [
            *(
                "",
                " ",
                "NaN",
                "nan",
                "inf",
                "-inf",
                "1e999",
                "-1",
                "0",
                "1e18",
                "9" * 40,
                "0x10",
                "1_000",
                "٣",
                "ETHUSDT",
            ),
            *({}, [], [[]], [{}], [[[[[[]]]]]], {"list": None}, "\x00", "𝟙"),
        ]
    ),
    st.text(max_size=20),
)


def places(body: object, path: tuple = ()) -> list[tuple]:
    """The way to every value inside."""
    inside = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    return [(*path, key) for key, _ in inside] + [way for key, value in inside for way in places(value, (*path, key))]


def spoilt(body: dict, way: tuple, value: object) -> dict:
    """The body with another value at that place, or without it."""
    body = deepcopy(body)
    inner = body
    for key in way[:-1]:
        inner = inner[key]
    if value is NEVER:
        del inner[way[-1]]
    else:
        inner[way[-1]] = value
    return body


def outcome(page: str, change) -> object:
    """What the call for ``page`` gives when every answer of it is changed; the others are as they should be."""

    def meet(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        body = answer(MARKET, path)
        hit = path.partition("?")[0] == f"/v5/market/{page}"
        return httpx.Response(200, content=change(body) if hit else json.dumps(body).encode())

    async def scenario():
        settings = {"patience": Patience(attempts=1, delay=0.0), "sleep": Naps(), "clock": lambda: NOW}
        async with BybitMarket("http://bybit.invalid", transport=httpx.MockTransport(meet), **settings) as market:
            for _ in range(3):
                market.asker.skew.feed(NOW, NOW, NOW)
            try:
                return await CALLS[page](market)
            except RestError as error:
                return error

    return run(scenario())


def believable(page: str, found: object) -> bool:
    """An error with a reason; or events that can be, and where rows have a place in time, none that were not there."""
    if isinstance(found, RestError):
        return len(str(found)) > 20
    if page == "time":
        return isinstance(found, int) and found > 0
    if page == "instruments-info":
        return all(one.tick > 0 and one.lot > 0 for one in found)
    events = found if isinstance(found, list) else [found]
    if page == "kline":
        truth = {kline.start for kline in true_klines(MARKET, SYMBOL, START, NOW)}
        return {kline.start for kline in events} == truth and all(check(event) is None for event in events)
    if page == "funding/history":
        truth = {rate.ts for rate in true_funding(MARKET, SYMBOL, NOW - DAY, NOW)}
        return {rate.ts for rate in events} >= truth and all(check(event) is None for event in events)
    return all(check(event) is None and event.symbol == SYMBOL for event in events)


@pytest.mark.parametrize("page", CALLS)
def test_an_answer_as_it_should_be_is_read(page):
    """So that the refusals below are refusals of what was changed."""
    found = outcome(page, lambda body: json.dumps(body).encode())

    assert not isinstance(found, RestError) and believable(page, found)


@settings(max_examples=250, deadline=None)
@given(page=st.sampled_from(list(CALLS)), data=st.data())
def test_one_strange_value_is_refused_or_harmless(page, data):
    def change(body: dict) -> bytes:
        way = data.draw(st.sampled_from(places(body)), label="where")
        value = data.draw(st.one_of(strange, st.just(NEVER)), label="what")
        return json.dumps(spoilt(body, way, value)).encode()

    found = outcome(page, change)

    assert believable(page, found)


@settings(max_examples=60, deadline=None)
@given(page=st.sampled_from(list(CALLS)), junk=st.binary(max_size=200))
def test_bytes_that_are_no_answer_are_refused(page, junk):
    assert isinstance(outcome(page, lambda body: junk), RestError)


@settings(max_examples=60, deadline=None)
@given(page=st.sampled_from(list(CALLS)), share=st.floats(0.0, 0.999))
def test_an_answer_that_ends_early_is_refused(page, share):
    def change(body: dict) -> bytes:
        data = json.dumps(body).encode()
        return data[: int(share * len(data))]

    assert isinstance(outcome(page, change), RestError)


@pytest.mark.parametrize("page", CALLS)
def test_nesting_without_end_is_refused(page):
    found = outcome(page, lambda body: b'{"retCode":0,"retMsg":"","time":1,"result":' + b"[" * 100_000)

    assert isinstance(found, RestError) and "unreadable" in str(found)


def changed(page: str, way: tuple, value: object) -> str:
    """The reason for which the changed answer is refused."""
    found = outcome(page, lambda body: json.dumps(spoilt(body, way, value)).encode())

    assert isinstance(found, RestError), found
    return str(found)


@pytest.mark.parametrize(
    ("page", "way", "value", "reason"),
    [
        ("kline", ("result", "symbol"), "ETHUSDT", "asked for BTCUSDT, answered with ETHUSDT"),
        ("kline", ("result", "list", 2, 2), "1.0", "do not fit together"),
        ("kline", ("result", "list", 2, 0), str(NOW // 1000), "begins no minute"),
        ("kline", ("result", "list", 2), ["1"], "unreadable answer"),
        ("kline", ("result",), {}, "unreadable answer: Object missing required field `symbol`"),
        ("funding/history", ("result", "list", 1, "symbol"), "ETHUSDT", "answered with ETHUSDT"),
        ("funding/history", ("result", "list", 1, "fundingRate"), "1.5", "unreadable answer"),
        ("recent-trade", ("result", "list", 1, "side"), "buy", "unreadable answer"),
        ("recent-trade", ("result", "list", 1, "price"), "0", "unreadable answer"),
        ("recent-trade", ("result", "list", 1, "time"), str(NOW // 1000), "not newest first"),
        ("orderbook", ("result", "b", 0, 0), "99999999", "crossed"),
        ("orderbook", ("result", "s"), "ETHUSDT", "answered with ETHUSDT"),
        ("tickers", ("result", "list"), [], "0 rows for BTCUSDT"),
        ("tickers", ("result", "list", 0, "bid1Price"), "-5", "unreadable answer"),
        ("instruments-info", ("result", "list", 0, "lotSizeFilter"), {}, "has no lot size"),
        ("time", ("result", "timeNano"), "tomorrow", "unreadable answer"),
    ],
)
def test_the_reason_says_what_is_wrong(page, way, value, reason):
    text = changed(page, way, value)

    assert reason in text and f"/v5/market/{page}" in text and "try again later" in text


def test_two_rows_that_contradict_each_other_are_refused():
    def change(body: dict) -> bytes:
        row = list(body["result"]["list"][1])
        row[5] = "123456"
        body["result"]["list"].insert(1, row)
        return json.dumps(body).encode()

    found = outcome("kline", change)

    assert isinstance(found, RestError) and "two different candles for" in str(found)


def test_rows_that_were_not_asked_for_are_left_out():
    def change(body: dict) -> bytes:
        far = [str((START - 3 * HOUR) // 1000), *body["result"]["list"][0][1:]]
        body["result"]["list"].append(far)
        return json.dumps(body).encode()

    assert outcome("kline", change) == true_klines(MARKET, SYMBOL, START, NOW)
