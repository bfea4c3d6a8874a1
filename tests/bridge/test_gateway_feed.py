"""Market data of ws-gateway's queues through the collector: read as the contract has it, acknowledged when safe."""

import asyncio
import json
import threading
from contextlib import contextmanager

import pytest

from connectors.frames import Frame
from connectors.peers.gateway import CHANNELS, subscribe_all
from connectors.peers.peer import Peer
from connectors.rabbitmq.gateway_feed import KINDS, GatewayFeed
from connectors.rabbitmq.gateway_parse import GatewayParser
from connectors.rabbitmq.link import Backoff
from dataflows.collect import collect
from schemas.market import BookDelta, BookSnapshot, Funding, Kline, Ticker, Trade
from tests.bridge.queues import T_ARGUMENTS, depth, put
from tests.bridge.running import SHARDS, Service, events, letters, until

NOW = 1_741_079_763_500_000


def message(kind: str, topic: str, payload: dict, timestamp: str = "2025-03-04T09:15:03.004000") -> bytes:
    return json.dumps(
        {"event_id": "c3d2", "event_type": kind, "topic": topic, "timestamp": timestamp, "received_at": timestamp,
         "payload": payload | {"topic": topic}, "trace_id": "a9e0"}
    ).encode()  # fmt: skip


def trade(number: int, **changes) -> bytes:
    payload = {"T": 1741079702415, "s": "SOLUSDT", "S": "Sell", "v": "3.7", "p": "142.185", "i": f"t{number}"}
    return message("trade", "publicTrade.SOLUSDT", payload | changes)


CANDLE = {
    "start": 1741079700000, "end": 1741079759999, "interval": "1", "open": "142.10", "high": "142.31",
    "low": "142.02", "close": "142.19", "volume": "1833.2", "turnover": "260625.1", "confirm": True,
    "timestamp": 1741079759871,
}  # fmt: skip
BOOK = {"s": "SOLUSDT", "type": "snapshot", "b": [["142.175", "12.6"]], "a": [["142.180", "40.1"]], "u": 7, "seq": 9}
TS = 1_741_079_703_004_000


def parse(*bodies: bytes) -> list:
    parser = GatewayParser()
    parsed = [parser.parse(Frame("ws-gateway", "x", NOW, body)) for body in bodies]
    assert not [bad for one in parsed for bad in one.bad]
    return [event for one in parsed for event in one.events]


@pytest.mark.req("MS-FR-026")
def test_every_kind_of_market_data_is_read():
    """The contract's examples; the symbol of a candle stands in its topic alone."""
    assert parse(
        trade(1),
        message("orderbook", "orderbook.1.SOLUSDT", BOOK),
        message("orderbook", "orderbook.1.SOLUSDT", BOOK | {"type": "delta", "u": 8, "b": [["142.175", "0"]], "a": []}),
        message("kline", "kline.1.SOLUSDT", CANDLE, "2025-03-04T09:16:00.012000"),
        message("funding", "fundingRate.SOLUSDT",
                {"symbol": "SOLUSDT", "fundingRate": "0.0001", "fundingRateTimestamp": "1741079700000",
                 "nextFundingTime": "1741080000000"}),
    ) == [
        Trade("SOLUSDT", 1_741_079_702_415_000, NOW, "t1", "sell", 142.185, 3.7),
        BookSnapshot("SOLUSDT", TS, NOW, 7, [(142.175, 12.6)], [(142.18, 40.1)]),
        BookDelta("SOLUSDT", TS, NOW, 8, 7, [(142.175, 0.0)], []),
        Kline("SOLUSDT", 1_741_079_760_012_000, NOW, 1_741_079_700_000_000, 142.10, 142.31, 142.02, 142.19, 1833.2,
              260625.1, True),
        Funding("SOLUSDT", 1_741_079_700_000_000, NOW, 0.0001, 1_741_080_000_000_000),
    ]  # fmt: skip


def test_a_ticker_keeps_what_a_message_leaves_out():
    """Nothing says which message is whole: what was never said stays absent."""
    first, second, other = parse(
        message("ticker", "tickers.SOLUSDT", {"symbol": "SOLUSDT", "bid1Price": "142.170", "bid1Size": "88.4"}),
        message("ticker", "tickers.SOLUSDT", {"symbol": "SOLUSDT", "bid1Size": "1", "fundingRate": "0.0001",
                                              "nextFundingTime": "1741080000000"}),
        message("ticker", "tickers.ETHUSDT", {"symbol": "ETHUSDT", "lastPrice": "2000"}),
    )  # fmt: skip
    assert first == Ticker("SOLUSDT", TS, NOW, bid=142.17, bid_size=88.4)
    assert second == Ticker(
        "SOLUSDT", TS, NOW, bid=142.17, bid_size=1.0, funding_rate=0.0001, next_funding=1_741_080_000_000_000
    )
    assert other == Ticker("ETHUSDT", TS, NOW, last=2000.0)


def test_unknown_kinds_and_block_trades_are_left_out_and_nonsense_is_kept():
    """A kind that comes one day stops nobody."""
    parser = GatewayParser()
    for body in (message("liquidation", "liquidation", {}), trade(1, BT=True)):
        assert parser.parse(Frame("ws-gateway", "x", NOW, body)) == ([], [])
    assert parser.ignored == {"other event": 1, "block trade": 1}
    for body in (b"{", b"[]", trade(1, p="-1"), trade(1, s="ETHUSDT"), message("trade", "publicTrade.?", {}), b"\xff"):
        parsed = parser.parse(Frame("ws-gateway", "x", NOW, body))
        assert not parsed.events and parsed.bad[0].raw == body


@contextmanager
def collecting(feed: GatewayFeed, log):
    """The collector in a thread, stopped at the end."""
    box: list = []

    async def main() -> None:
        stop = asyncio.Event()
        box.extend((asyncio.get_running_loop(), stop))
        await collect(feed, log, SHARDS, symbols=feed.symbols, stop=stop)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        until(lambda: box, "a collector")
        yield
    finally:
        box[0].call_soon_threadsafe(box[1].set)
        thread.join(60)


@pytest.mark.req("MS-FR-026")
def test_the_collector_waits_for_the_queues_and_acknowledges_what_is_on_the_log(log, broker):
    """The gateway makes its queues later, with arguments of its own; nothing stays behind in them."""
    with collecting(GatewayFeed(["SOLUSDT"], broker), log):
        asyncio.run(asyncio.sleep(0.5))
        for kind in KINDS:
            asyncio.run(put(broker, f"ws-gateway.{kind}", [], T_ARGUMENTS))
        asyncio.run(put(broker, "ws-gateway.trade", [trade(n) for n in range(300)] + [b"oops"], T_ARGUMENTS))
        asyncio.run(put(broker, "ws-gateway.kline", [message("kline", "kline.1.SOLUSDT", CANDLE)], T_ARGUMENTS))
        until(lambda: len(events(log, Trade)) == 300 and len(events(log, Kline)) == 1, "trades and a candle")
        until(lambda: len(letters(log)) == 1, "a dead letter")
        until(lambda: asyncio.run(depth(broker, "ws-gateway.trade")) == 0, "an empty queue")
    assert [event.id for _, event in events(log, Trade)] == [f"t{number}" for number in range(300)]
    assert asyncio.run(depth(broker, "ws-gateway.trade")) == 0
    assert letters(log)[0].raw == b"oops"


def test_nothing_is_acknowledged_before_it_is_on_the_log(log, broker):
    """The broker keeps what the feed handed on until it hears that it is safe."""

    async def without_collector() -> int:
        await put(broker, "ws-gateway.trade", [trade(1)], T_ARGUMENTS)
        feed = GatewayFeed(["SOLUSDT"], broker)
        batches = feed.batches()
        while not await anext(batches):
            pass
        await asyncio.sleep(0.3)
        await batches.aclose()
        await asyncio.sleep(0.3)
        return await depth(broker, "ws-gateway.trade")

    assert asyncio.run(without_collector()) == 1


def test_subscriptions_are_created_once_for_each_symbol_and_channel_and_tried_again():
    """The gateway is ill at first; what it took already is not asked for again; nothing is ever cancelled."""
    ill = {("SOLUSDT", "kline"): 2, ("ETHUSDT", "trades"): 1}

    def answer(method: str, path: str, body: dict):
        key = (body["symbol"], body["channel_type"])
        if ill.get(key, 0) > 0:
            ill[key] -= 1
            return 500, "Internal Server Error"
        return 200, {"id": "0a5d5d0e-5a54-4a13-8a5e-2c3f6b7d8e90"}

    async def ask(url: str) -> int:
        async with Peer("ws-gateway", url, "key-2") as peer:
            return await subscribe_all(peer, ["SOLUSDT", "ETHUSDT"], Backoff(first=0.01, longest=0.02))

    with Service(answer) as service:
        assert asyncio.run(ask(service.url)) == 10
    asked = [(body["symbol"], body["channel_type"]) for _, _, body in service.asked]
    assert set(asked) == {(symbol, channel) for symbol in ("SOLUSDT", "ETHUSDT") for channel in CHANNELS}
    assert len(asked) == 13 and asked.count(("SOLUSDT", "kline")) == 3
    assert {(method, path) for method, path, _ in service.asked} == {("POST", "/api/v1/subscriptions")}
    assert service.asked[0][2] == {
        "channel_type": "orderbook", "symbol": "SOLUSDT", "requesting_service": "lockstep",
    }  # fmt: skip
    assert set(service.keys) == {"key-2"}
