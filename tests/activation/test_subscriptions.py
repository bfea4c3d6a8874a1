"""The collector subscribes to what the registries in force read, and to nothing else, and follows activations."""

import asyncio
from collections.abc import Callable

import pytest

from connectors.bybit.live import BybitFeed
from connectors.demo.feed import DemoFeed
from connectors.demo.server import DemoServer
from connectors.feeds import CHANNELS
from connectors.frames import Frame
from connectors.log import NewRecord
from connectors.log.sqlite import SqliteLog
from dataflows.collect import collect
from dataflows.digest import records
from dataflows.features import engine
from dataflows.subscriptions import TRADING, Subscriptions
from operators.features.featureset import FeatureSet
from operators.registry import parse_registry
from schemas.codec import decode_event, decode_vector, encode
from schemas.market import BookDelta, BookSnapshot, Gap, Kline, Tick, Ticker, Trade
from schemas.topics import TOPICS
from tests.activation.made import CONFIG, activation, config
from tests.connectors.scripted_feed import ScriptedFeed
from tests.connectors.test_live_bybit import HANG, PATIENT, SYMBOLS, Watch
from tests.streams import SECOND, START

BOOKS = {"version": "books", "features": config("x", mid_price={})["features"][:1]}
CANDLES = FeatureSet.compile(parse_registry((CONFIG / "1.2.0.yaml").read_text()))
EVERYTHING = FeatureSet.compile(parse_registry((CONFIG / "full.yaml").read_text()))
KINDS = {BookSnapshot: "orderbook", BookDelta: "orderbook", Trade: "trades", Kline: "kline", Ticker: "ticker"}


def opened(folder, shards: int = 1) -> SqliteLog:
    log = SqliteLog(folder / "log")
    for topic in TOPICS:
        log.create(topic.name, shards)
    return log


def write(log: SqliteLog, event) -> None:
    log.append("events", 0, [NewRecord(None, encode(event), START)])


@pytest.mark.req("FS-FR-002", "FS-US-5.2")
def test_wanted_is_what_the_registries_in_force_and_to_come_read(tmp_path) -> None:
    log = opened(tmp_path)
    wanted = Subscriptions(log, CANDLES)
    assert wanted.wanted(START) == {"kline", "ticker"}
    assert Subscriptions(log, EVERYTHING).wanted(START) == set(CHANNELS)
    assert Subscriptions(log, CANDLES, TRADING).wanted(START) == set(CHANNELS)

    write(log, activation(BOOKS, START + 60 * SECOND))

    assert wanted.wanted(START + SECOND) == {"kline", "ticker", "orderbook"}, "before its boundary"
    assert wanted.wanted(START + 59 * SECOND) == {"kline", "ticker", "orderbook"}
    assert wanted.wanted(START + 60 * SECOND) == {"orderbook"}, "what nobody reads any more is dropped"
    assert Subscriptions(log, CANDLES).wanted(START + 90 * SECOND) == {"orderbook"}, (
        "also by a collector that begins then"
    )


def test_a_registry_that_is_refused_changes_nothing(tmp_path) -> None:
    log = opened(tmp_path)
    wanted = Subscriptions(log, CANDLES)
    write(log, activation({"version": "bad", "features": []}, START))

    assert wanted.wanted(START + 10 * SECOND) == {"kline", "ticker"}


class Choosy(ScriptedFeed):
    """A scripted feed that writes down what it was told to bring."""

    def __init__(self, batches: list) -> None:
        super().__init__(batches, symbols=["BTCUSDT"])
        self.chosen: list[frozenset] = []

    async def choose(self, channels: frozenset) -> None:
        self.chosen.append(channels)


@pytest.mark.req("FS-US-5.2")
def test_a_collector_follows_an_activation_before_its_boundary(tmp_path) -> None:
    """At run time: first what the registry reads, then what both read, then what the new one reads."""
    log = opened(tmp_path)

    async def told(times: int) -> None:
        while len(feed.chosen) < times:
            await asyncio.sleep(0.01)

    def at(second: int) -> list:
        data = b'{"topic":"tickers.BTCUSDT","type":"snapshot","ts":1,"data":{"symbol":"BTCUSDT","lastPrice":"1"}}'
        return [Frame("bybit", "linear", START + second * SECOND, data)]

    feed = Choosy([])
    feed.script += [
        at(1),
        lambda: write(log, activation(BOOKS, START + 60 * SECOND)),
        lambda: told(2),
        at(59),
        at(61),
        lambda: told(3),
    ]
    asyncio.run(asyncio.wait_for(collect(feed, log, 1, subscriptions=Subscriptions(log, CANDLES)), HANG))

    assert feed.chosen == [{"kline", "ticker"}, {"kline", "ticker", "orderbook"}, {"orderbook"}]


@pytest.mark.req("FS-FR-002")
def test_bybit_is_asked_for_what_is_wanted_and_what_joins_begins_with_a_gap() -> None:
    """Nothing else arrives; a channel that joins says since when it was missing, and the book and candles are whole."""

    async def scenario() -> tuple[list, list, list]:
        async with DemoServer(SYMBOLS, rate=3.0) as server:
            feed = BybitFeed(SYMBOLS, url=server.ws_url, rest_url=server.rest_url, timing=PATIENT)
            await feed.choose(frozenset({"ticker"}))
            watch = Watch(feed)
            reading = asyncio.create_task(watch.read())
            try:
                await watch.until(lambda: len(watch.of(Ticker)) > 20)
                before = list(watch.events)
                await feed.choose(frozenset(CHANNELS))
                await watch.until(lambda: len(watch.of(BookDelta)) > 20 and watch.of(Trade) and candles(watch) >= 3_000)
                both = list(watch.events)
                await feed.choose(frozenset({"orderbook"}))
                count = len(watch.of(Trade)) + 1_000_000
                await until_quiet(watch, lambda: len(watch.of(BookDelta)), lambda: len(watch.of(Ticker)))
                assert count
                return before, both[len(before) :], watch.events[len(both) :]
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    before, joined, after = asyncio.run(asyncio.wait_for(scenario(), HANG))

    assert {type(event) for event in before} == {Ticker}
    gaps = [event for event in joined if isinstance(event, Gap)]
    assert {(gap.symbol, gap.channel) for gap in gaps} == {
        (name, channel) for name in SYMBOLS for channel in ("orderbook", "trades", "kline")
    }
    for name in SYMBOLS:
        trades = [gap for gap in gaps if (gap.symbol, gap.channel) == (name, "trades")]
        assert trades[0].end == trades[1].start, "from when it was not wanted until it is subscribed to, without a hole"
        books = [
            event for event in joined if isinstance(event, BookSnapshot | BookDelta | Gap) and event.symbol == name
        ]
        books = [event for event in books if getattr(event, "channel", "orderbook") == "orderbook"]
        assert [type(event) for event in books[:2]] == [Gap, BookSnapshot]
    assert not [event for event in after if isinstance(event, Gap)]
    tail = after[-20:]
    assert {KINDS[type(event)] for event in tail} == {"orderbook"}


def candles(watch: Watch) -> int:
    return len([event for event in watch.of(Kline) if event.backfilled])


async def until_quiet(watch: Watch, goes_on: Callable[[], int], stops: Callable[[], int]) -> None:
    """Wait until many of the one came while none of the other did."""
    begun, last = goes_on(), stops()
    while goes_on() < begun + 40:
        await asyncio.sleep(0.01)
        if stops() != last:
            begun, last = goes_on(), stops()


@pytest.mark.req("FS-US-5.2")
def test_what_was_not_collected_is_no_quiet_market(tmp_path) -> None:
    """A vector whose windows reach into the time without trades is tainted, and says null where it would say nought."""
    log = opened(tmp_path)
    feed = DemoFeed(["BTCUSDT"], 1, speed=None, seconds=400)
    original, state = feed._frames, {"at": feed.market.start}

    def frames():
        for frame in original():
            state["at"] = frame.recv
            yield frame

    feed._frames = frames  # type: ignore[method-assign]  # to see the time at which its channels change

    async def run() -> None:
        await feed.choose(frozenset({"ticker", "orderbook", "kline"}))
        choosing = asyncio.create_task(join())
        await collect(feed, log, 1)
        await choosing

    async def join() -> None:
        while state["at"] < feed.market.start + 150 * SECOND:
            await asyncio.sleep(0)
        await feed.choose(frozenset(CHANNELS))

    asyncio.run(asyncio.wait_for(run(), HANG))
    messages = [(found.offset, found.value) for found in records(log, "events", 0)]
    events = [decode_event(value) for _, value in messages]
    joined = next(event.recv for event in events if isinstance(event, Gap))
    first = next(event.recv for event in events if isinstance(event, Trade))
    assert joined <= first and any(isinstance(event, Tick) for event in events)
    features = FeatureSet.compile(parse_registry((CONFIG / "1.1.0.yaml").read_text()))
    outputs = engine(features, 0).feed(messages)
    vectors = [decode_vector(output.value) for output in outputs if output.topic == "features"]
    after = [vector for vector in vectors if vector.ts > joined]

    assert len(after) > 120
    for vector in after:
        recent = vector.ts - joined < 60 * SECOND
        assert vector.tainted or not recent
        assert vector.features["volume_1m"] is None or not recent
    assert after[-1].features["volume_1m"] is not None and not after[-1].tainted
