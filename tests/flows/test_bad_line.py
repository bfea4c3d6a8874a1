"""A line that loses, repeats, reorders and breaks frames, to an exchange that restarts: the features flow goes on."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import chain
from pathlib import Path

import pytest
from msgspec import structs

from connectors import pace
from connectors.demo.faults import FaultRates
from connectors.demo.feed import START, DemoFeed
from connectors.feeds import Item
from connectors.frames import Frame
from connectors.log.sqlite import SqliteLog
from dataflows.collect import collect
from dataflows.features import engine
from operators.keyframe import Keyframes
from schemas.codec import decode_command, encode
from schemas.market import AnyMarketEvent, Tick, Trade
from schemas.origin import Origin
from schemas.output import Output
from schemas.topics import shard_of
from schemas.vector import FeatureVector
from tests.flows.made import FEATURES, Made

HANG = 120.0
SECOND = 1_000_000
SYMBOLS = ["BTCUSDT", "SOLUSDT"]
SHARDS = 3
BAD = FaultRates(lost=0.01, repeated=0.02, reordered=0.01, malformed=0.01, restarted=0.005)
BAD_UNTIL = START + 50 * SECOND
END = START + 65 * SECOND


class WatchedFeed(DemoFeed):
    """A demo exchange of which is known what it sent, and what arrived."""

    def __init__(self, rates: FaultRates) -> None:
        super().__init__(SYMBOLS, 5, speed=None, start=START, seconds=(END - START) / SECOND, rates=rates)
        self.sent: list[Frame] = []
        self.arrived: list[Frame] = []
        self.original = self.market.frames
        self.market.frames = self.watched  # type: ignore[method-assign]

    def watched(self) -> Iterator[Frame]:
        for frame in self.original():
            self.sent.append(frame)
            yield frame

    async def batches(self) -> AsyncIterator[list[Item]]:
        async for batch in super().batches():
            self.arrived += [item for item in batch if isinstance(item, Frame)]
            yield batch


class Beside:
    """The features flow right behind the collector: what it asks for reaches the exchange at once."""

    def __init__(self, feed: WatchedFeed, bad_until: int) -> None:
        self.feed = feed
        self.bad_until = bad_until
        self.keyframes = Keyframes()
        self.engines = [engine(FEATURES, shard) for shard in range(SHARDS)]
        self.outputs: list[list[Output]] = [[] for _ in range(SHARDS)]
        self.asking: set[asyncio.Task[None]] = set()

    def enrich(self, event: AnyMarketEvent) -> list[AnyMarketEvent]:
        """Keyframes; on the way everything goes through the engine of its shard, and the line gets well in time."""
        if event.recv > self.bad_until:
            self.feed.faults.rates = FaultRates()
        events = self.keyframes.feed(event)
        for made in events:
            for shard in range(SHARDS) if isinstance(made, Tick) else [shard_of(made.symbol, SHARDS)]:
                self._feed(shard, made)
        return events

    def _feed(self, shard: int, event: AnyMarketEvent) -> None:
        outputs = self.engines[shard].feed([(self.engines[shard].fed, encode(event))])
        self.outputs[shard] += outputs
        for output in outputs:
            if output.topic == "commands":
                self.asking.add(asyncio.get_running_loop().create_task(self.feed.resync(output.key)))


class Ran:
    """A session over a line with these faults, with the flow beside it, and what the log alone gives afterwards."""

    def __init__(self, folder: Path, rates: FaultRates, bad_until: int = END) -> None:
        self.feed = WatchedFeed(rates)
        self.beside = Beside(self.feed, bad_until)
        log = SqliteLog(folder)
        asyncio.run(self._collect(log))
        self.made = Made(log, SHARDS)
        log.close()

    async def _collect(self, log: SqliteLog) -> None:
        await asyncio.wait_for(collect(self.feed, log, SHARDS, enrich=self.beside.enrich), HANG)


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Ran:
    return Ran(tmp_path_factory.mktemp("clean"), FaultRates())


@pytest.fixture(scope="module")
def bad(tmp_path_factory) -> Ran:
    """Everything happens; the feed looks ahead by a few frames only, so that the exchange can answer soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace, "CHUNK", 32)
        return Ran(tmp_path_factory.mktemp("bad"), BAD, BAD_UNTIL)


def vectors(ran: Ran) -> list[FeatureVector]:
    """Without their places in the log, which differ where the log holds more."""
    return [structs.replace(vector, origin=Origin(0, 0, 0)) for vector in ran.made.vectors]


def test_a_good_line_leaves_nothing_to_tell(clean):
    assert {output.topic for output in clean.made.outputs} == {"features", "quality-minutes"}
    assert clean.made.refused == []


@pytest.mark.parametrize("rate", [0.3, 1.0])
def test_frames_that_come_twice_change_no_feature(rate, clean, tmp_path):
    """Each trade that came again is told, and that is all."""
    ran = Ran(tmp_path, FaultRates(repeated=rate))
    trades = [event for shard in ran.made.events for event in shard if isinstance(event, Trade)]
    again = Counter((trade.symbol, trade.id) for trade in trades) - Counter({(t.symbol, t.id) for t in trades})

    assert ran.feed.faults.report.counts["repeated"] > 500
    assert vectors(ran) == vectors(clean)
    assert len(again) > 50
    assert Counter((r.symbol, r.detail["id"]) for r in ran.made.quality) == again
    assert {record.problem for record in ran.made.quality} == {"trade.duplicate"}
    assert ran.made.of("commands") == ran.made.of("dead-letters") == ran.made.refused == []


def test_an_exchange_that_restarts_and_sends_whole_books_changes_no_feature(clean, tmp_path):
    """The numbering begins again with a snapshot: nothing was missed."""
    ran = Ran(tmp_path, FaultRates(restarted=0.05))

    assert ran.feed.faults.report.counts["restarted"] > 50
    assert vectors(ran) == vectors(clean)
    assert {output.topic for output in ran.made.outputs} == {"features", "quality-minutes"}


@pytest.mark.req("FS-EC-01")
def test_over_a_bad_line_the_flow_goes_on(bad):
    """Every fault happened, and there is a vector for every second; nothing that was accepted is refused later."""
    assert set(bad.feed.faults.report.counts) == {"lost", "repeated", "reordered", "malformed", "restarted"}
    assert bad.made.of("dead-letters") == []
    for symbol in SYMBOLS:
        assert [v.ts for v in bad.made.vectors_of(symbol)] == list(range(START + SECOND, END, SECOND))


def test_broken_frames_are_dead_letters_with_their_bytes(bad):
    """Exactly those that are no JSON, as they arrived."""
    broken = [frame for frame in bad.feed.arrived if not is_json(frame.data)]
    letters = [(letter.source, letter.recv, letter.raw) for letter in bad.made.refused]

    assert len(broken) == bad.feed.faults.report.counts["malformed"] > 10
    assert letters == [("collect/bybit", frame.recv, frame.data) for frame in broken]


def is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def losses(ran: Ran, symbol: str) -> list[tuple[int, int]]:
    """From when to when the book of a symbol was not to be had; every loss has its end."""
    told = [r for r in ran.made.quality if r.symbol == symbol and r.problem.startswith("book.")]
    begins, ends = told[::2], told[1::2]
    assert {record.problem for record in begins} == {"book.desynchronised"}
    assert {record.problem for record in ends} == {"book.synchronised"}
    return [(begin.ts, end.ts) for begin, end in zip(begins, ends, strict=True)]


@pytest.mark.req("FS-EC-04")
def test_a_lost_book_is_asked_for_and_comes_back(bad):
    """A snapshot is asked for at each loss. While the book is away its features have no value, and vectors say so."""
    for symbol in SYMBOLS:
        spans = losses(bad, symbol)
        asked = {command.ts for command in map(decode_command, bad.made.of("commands")) if command.symbol == symbol}
        assert len(spans) >= 5
        assert {begin for begin, _ in spans} <= asked
        assert sorted(end - begin for begin, end in spans)[len(spans) // 2] < SECOND
        for vector in bad.made.vectors_of(symbol):
            away = any(begin <= vector.ts < end for begin, end in spans)
            assert (vector.tainted, vector.taint) == (away, ["book"] if away else [])
            assert (vector.features["mid_price"] is None) == (vector.features["depth_bid_top5"] is None) == away

    assert any(vector.tainted for vector in bad.made.vectors)


@pytest.mark.req("FS-SC-006")
def test_when_the_line_is_good_again_every_book_is_the_exchanges(bad):
    """Against the frames as the exchange sent them, applied to plain dicts."""
    for symbol in SYMBOLS:
        checked = 0
        for vector in bad.made.vectors_of(symbol):
            if vector.ts < BAD_UNTIL + 3 * SECOND:
                continue
            bids, asks = book_at(bad.feed.sent, symbol, vector.ts)
            top = sorted(bids, reverse=True)[:5]
            assert vector.features["mid_price"] == pytest.approx((max(bids) + min(asks)) / 2, rel=1e-12)
            assert vector.features["depth_bid_top5"] == pytest.approx(sum(bids[price] for price in top), rel=1e-12)
            checked += 1
        assert checked == 12


def book_at(frames: list[Frame], symbol: str, time: int) -> tuple[dict[float, float], dict[float, float]]:
    """Bids and asks after everything that was sent up to ``time``."""
    bids: dict[float, float] = {}
    asks: dict[float, float] = {}
    for frame in frames:
        message = json.loads(frame.data)
        if frame.recv > time or message["topic"] != f"orderbook.50.{symbol}":
            continue
        for side, levels in ((bids, message["data"]["b"]), (asks, message["data"]["a"])):
            if message["type"] == "snapshot":
                side.clear()
            side.update((float(price), float(size)) for price, size in levels)
    return {p: s for p, s in bids.items() if s}, {p: s for p, s in asks.items() if s}


def test_the_log_alone_gives_what_the_flow_beside_the_collector_gave(bad):
    """Byte for byte, faults and all."""
    assert bad.made.outputs == list(chain.from_iterable(bad.beside.outputs))
