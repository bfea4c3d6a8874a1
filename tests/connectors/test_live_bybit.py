"""The live feed against the demo exchange on loopback: subscribe, keep alive, lose, recover, ask again."""

import asyncio
import itertools
from collections.abc import Callable

import pytest

from connectors.bybit.connection import Timing
from connectors.bybit.live import BybitFeed
from connectors.bybit.parse import BybitParser
from connectors.bybit.requests import share_out, topics_of
from connectors.demo.candles import MINUTE
from connectors.demo.faults import FaultRates
from connectors.demo.server import DemoServer
from connectors.feeds import CHANNELS, Lost
from connectors.frames import Frame
from schemas.market import BookDelta, BookSnapshot, Gap, Kline

SYMBOLS = ["BTCUSDT", "ETHUSDT"]
HANG = 120.0
PATIENT = Timing(heartbeat=0.1, silence=60.0, quiet=60.0, opening=60.0, first_pause=0.05, longest_pause=0.2)
ALERT = Timing(heartbeat=0.1, silence=1.0, quiet=1.5, opening=2.0, first_pause=0.05, longest_pause=0.2)


class Watch:
    """Reads a feed in the background and keeps what came."""

    def __init__(self, feed: BybitFeed) -> None:
        self.feed = feed
        self.items: list = []
        self.batches = 0
        self.parser = BybitParser()
        self.events: list = []
        self.bad: list = []

    async def read(self) -> None:
        stream = self.feed.batches()
        try:
            async for batch in stream:
                self.batches += 1
                for item in batch:
                    self._keep(item)
        finally:
            await stream.aclose()

    def _keep(self, item) -> None:
        self.items.append(item)
        if isinstance(item, Frame):
            parsed = self.parser.parse(item)
            self.events += parsed.events
            self.bad += parsed.bad
        elif isinstance(item, Lost):
            self.parser.forget(item.conn)
        else:
            self.events.append(item)

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for it; a test that waits in vain ends by its own time limit."""
        while not condition():
            await asyncio.sleep(0.01)


def watched(scenario, symbols=SYMBOLS, timing=PATIENT, feed_settings=None, **server_settings):
    """Run ``scenario(server, watch)`` with a feed that reads in the background; returns the watch and the server."""

    async def everything():
        async with DemoServer(symbols, **server_settings) as server:
            feed = BybitFeed(
                symbols, url=server.ws_url, rest_url=server.rest_url, timing=timing, **(feed_settings or {})
            )
            watch = Watch(feed)
            reading = asyncio.create_task(watch.read())
            acting = asyncio.create_task(scenario(server, watch))
            done, _ = await asyncio.wait({acting, reading}, return_when="FIRST_COMPLETED")
            for task in done:
                task.result()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            left = [task for task in asyncio.all_tasks() if task.get_coro().__qualname__ == "Connection.run"]
            return watch, server, left

    return asyncio.run(asyncio.wait_for(everything(), HANG))


def in_every_channel(gaps: list[Gap], symbols=SYMBOLS) -> bool:
    return {(gap.symbol, gap.channel) for gap in gaps} == {(name, c) for name in symbols for c in CHANNELS}


def test_every_channel_of_every_symbol_arrives_stamped_in_order():
    async def scenario(server, watch):
        await watch.until(lambda: len({(type(e), e.symbol) for e in watch.of(object)}) == 10)

    watch, _, left = watched(scenario)
    times = [item.recv for item in watch.items if isinstance(item, Frame)]

    assert not watch.bad and not watch.of(Gap)
    assert times == sorted(times)
    assert all(event.ts <= event.recv + 1_000_000 for event in watch.events)
    assert not left


def test_books_follow_their_snapshot_without_a_hole():
    async def scenario(server, watch):
        await watch.until(lambda: len(watch.of(BookDelta)) > 50)

    watch, *_ = watched(scenario)
    for name in SYMBOLS:
        ids = [event.u for event in watch.events if type(event) in (BookSnapshot, BookDelta) and event.symbol == name]
        assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_pings_are_sent_while_data_flow():
    async def scenario(server, watch):
        await watch.until(lambda: server.pings >= 3)

    _, server, _ = watched(scenario)

    assert server.pings >= 3
    assert server.accepted == 1


@pytest.mark.req("FS-EC-01")
def test_a_dropped_connection_leaves_gaps_and_a_fresh_book():
    """Lost, a gap per symbol and channel up to the loss, another up to the first data after it, then a snapshot."""

    async def scenario(server, watch):
        await watch.until(lambda: len(watch.of(BookDelta)) > 20)
        server.drop()
        await watch.until(lambda: len(watch.of(BookSnapshot)) >= 4 and len(watch.of(Kline)) > 0)
        seen = len(watch.of(BookDelta))
        await watch.until(lambda: len(watch.of(BookDelta)) > seen + 10)

    watch, server, _ = watched(scenario)
    lost = next(place for place, item in enumerate(watch.items) if isinstance(item, Lost))
    before = [item for item in watch.items[:lost] if isinstance(item, Frame) and b'"topic"' in item.data]
    after = next(item for item in watch.items[lost:] if isinstance(item, Frame) and b'"topic"' in item.data)
    gaps = watch.of(Gap)
    first, second = gaps[:8], gaps[8:]

    assert server.accepted == 2
    assert in_every_channel(first) and in_every_channel(second) and len(gaps) == 16
    assert {gap.start for gap in first} == {before[-1].recv}
    assert {gap.end for gap in first} == {gap.start for gap in second}
    assert {gap.end for gap in second} == {after.recv}
    assert watch.items.index(after) > watch.items.index(second[-1])
    for name in SYMBOLS:
        books = [e for e in watch.events if type(e) in (BookSnapshot, BookDelta, Gap) and e.symbol == name]
        last_gap = max(place for place, e in enumerate(books) if isinstance(e, Gap))
        assert isinstance(books[last_gap + 1], BookSnapshot)


@pytest.mark.req("FS-EC-01")
def test_candles_missed_while_away_are_fetched_afterwards():
    """They come as backfilled events, those that closed since the last message."""

    async def scenario(server, watch):
        await watch.until(lambda: len(watch.of(BookDelta)) > 5)
        server.drop()
        await watch.until(lambda: len(watch.of(BookSnapshot)) >= 4)
        await watch.until(lambda: sum(kline.backfilled for kline in watch.of(Kline)) >= 4)

    watch, *_ = watched(scenario)
    fetched = [kline for kline in watch.of(Kline) if kline.backfilled]

    assert {kline.symbol for kline in fetched} == set(SYMBOLS)
    assert all(kline.closed and kline.recv - kline.ts < 3 * MINUTE for kline in fetched)


def test_a_silent_exchange_is_noticed_and_left():
    """No frame and no pong for ``silence``: gaps, and another connection."""

    async def scenario(server, watch):
        await watch.until(lambda: len(watch.of(BookDelta)) > 5)
        server.stall(1.5)
        await watch.until(lambda: server.accepted >= 2 and len(watch.of(BookSnapshot)) >= 4)

    watch, *_ = watched(scenario, timing=ALERT)

    assert "it brings nothing" in watch.of(Gap)[0].reason
    assert in_every_channel(watch.of(Gap)[:8])
    assert watch.of(Gap)[0].end - watch.of(Gap)[0].start >= 900_000


def test_pongs_alone_do_not_pass_for_data():
    """A server that answers pings but lost the subscription is left for a connection that brings data."""

    async def scenario(server, watch):
        await watch.until(lambda: len(watch.of(BookDelta)) > 5)
        for client in server.clients.values():
            client.topics.clear()
        await watch.until(lambda: len(watch.of(BookSnapshot)) >= 4)

    watch, server, _ = watched(scenario, timing=ALERT)

    assert server.accepted >= 2
    assert in_every_channel(watch.of(Gap)[:8])


def test_unanswered_pings_do_no_harm_while_data_flow():
    async def scenario(server, watch):
        server.answer_pings = False
        await watch.until(lambda: server.pings >= 15)

    watch, server, _ = watched(scenario)

    assert server.accepted == 1
    assert not watch.of(Gap)


@pytest.mark.req("FS-SC-006", "FS-US-4.3", "FS-EC-04")
def test_resync_brings_a_fresh_snapshot_of_that_book_alone():
    """Asked twice at once, it is done once. The time until it arrives is what a test machine makes of it."""
    took = []

    async def scenario(server, watch):
        await watch.until(lambda: len(watch.of(BookDelta)) > 20)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        await watch.feed.resync("ETHUSDT")
        await watch.feed.resync("ETHUSDT")
        await watch.until(lambda: len(watch.of(BookSnapshot)) > 2)
        took.append(loop.time() - begin)
        seen = len(watch.of(BookDelta))
        await watch.until(lambda: len(watch.of(BookDelta)) > seen + 30)

    watch, server, _ = watched(scenario)
    snapshots = watch.of(BookSnapshot)

    assert [snapshot.symbol for snapshot in snapshots[2:]] == ["ETHUSDT"]
    assert server.accepted == 1 and not watch.of(Gap)
    assert took[0] < 5.0


def test_resync_of_a_symbol_that_is_not_collected_does_nothing():
    async def scenario(server, watch):
        await watch.until(lambda: watch.of(BookSnapshot))
        await watch.feed.resync("DOGEUSDT")

    watch, *_ = watched(scenario)

    assert not watch.bad


def test_a_refused_connection_is_tried_again_until_it_is_made():
    async def scenario(server, watch):
        await watch.until(lambda: len(watch.of(BookDelta)) > 5)

    async def refusing(server, watch):
        server.refuse.extend([503, 503, 500])
        await scenario(server, watch)

    watch, server, _ = watched(refusing)

    assert not server.refuse
    assert len(watch.of(BookSnapshot)) == 2


def test_symbols_are_spread_over_connections():
    """Three symbols, four topics each, four topics a connection."""

    async def scenario(server, watch):
        await watch.until(lambda: len({event.symbol for event in watch.of(BookSnapshot)}) == 3)

    watch, server, _ = watched(
        scenario, symbols=["BTCUSDT", "ETHUSDT", "SOLUSDT"], feed_settings={"topics_a_connection": 4}
    )
    conns = {item.conn for item in watch.items if isinstance(item, Frame)}

    assert server.accepted == 3
    assert conns == {"linear", "linear/2", "linear/3"}


def test_one_unknown_symbol_spoils_no_other():
    async def everything():
        async with DemoServer(["BTCUSDT"]) as server:
            feed = BybitFeed(["NONE1", "BTCUSDT"], url=server.ws_url, rest_url=server.rest_url, timing=PATIENT)
            history = await feed.history()
            watch = Watch(feed)
            reading = asyncio.create_task(watch.read())
            await watch.until(lambda: len(watch.of(BookDelta)) > 3 and watch.bad)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            return history, watch

    history, watch = asyncio.run(asyncio.wait_for(everything(), HANG))

    assert {kline.symbol for kline in history} == {"BTCUSDT"} and len(history) == 1_500
    assert any("handler not found" in bad.reason for bad in watch.bad)


@pytest.mark.req("FS-EC-04")
def test_faults_of_the_exchange_become_bad_parts_and_never_end_the_feed():
    rates = FaultRates(lost=0.05, repeated=0.05, reordered=0.05, malformed=0.1, restarted=0.05)

    async def scenario(server, watch):
        await watch.until(lambda: len(watch.bad) > 10 and len(watch.of(BookDelta)) > 60)

    watch, server, _ = watched(scenario, rates=rates)

    assert any(event.u == 1 for event in watch.of(BookSnapshot))
    assert server.accepted == 1


def test_connections_that_break_all_the_time_are_made_again_all_the_time():
    async def scenario(server, watch):
        await watch.until(lambda: server.accepted >= 5 and len(watch.of(BookSnapshot)) >= 8)

    watch, *_ = watched(scenario, drop_rate=0.02)
    spans = sorted({(gap.start, gap.end) for gap in watch.of(Gap)})

    assert all(start <= end for start, end in spans)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


def test_a_quiet_feed_yields_an_empty_batch_each_second():
    """So that ticks go on while nothing comes."""

    async def scenario(server, watch):
        server.stall(60.0)
        await watch.until(lambda: watch.batches >= 2)

    watch, *_ = watched(scenario)

    assert watch.items == []


def test_shares_respect_the_length_of_arguments():
    """Many symbols with long names: no connection has more than 20,000 characters of topics."""
    symbols = [f"A{number:035d}USDT" for number in range(400)]
    shares = share_out(symbols, depth=50, most=10_000)
    lengths = [sum(len(t) + 3 for name in share for t in topics_of(name, 50).values()) for share in shares]

    assert [name for share in shares for name in share] == symbols
    assert max(lengths) <= 20_000 and len(shares) > 1


def test_a_feed_without_symbols_is_refused():
    with pytest.raises(ValueError, match="at least one symbol"):
        BybitFeed([])
