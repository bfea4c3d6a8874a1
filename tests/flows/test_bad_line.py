"""A line that loses, repeats, reorders and breaks frames, to an exchange that restarts: the features flow goes on."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from connectors import pace
from connectors.bybit.parse import BybitParser
from connectors.demo.faults import FaultRates
from connectors.demo.feed import START, DemoFeed
from connectors.feeds import Item
from connectors.frames import Frame
from connectors.log.sqlite import SqliteLog
from dataflows.collect import collect
from dataflows.features import engine
from operators.keyframe import Keyframes
from schemas.codec import encode
from schemas.market import AnyEvent, Tick, Trade
from schemas.output import Output
from schemas.topics import shard_of
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

    def __init__(self, feed: WatchedFeed) -> None:
        self.feed = feed
        self.keyframes = Keyframes()
        self.engines = [engine(FEATURES, shard) for shard in range(SHARDS)]
        self.outputs: list[list[Output]] = [[] for _ in range(SHARDS)]
        self.asking: set[asyncio.Task[None]] = set()

    def enrich(self, event: AnyEvent) -> list[AnyEvent]:
        """Keyframes, and on the way everything goes through the engine of its shard. The line gets well in time."""
        if event.recv > BAD_UNTIL:
            self.feed.faults.rates = FaultRates()
        events = self.keyframes.feed(event)
        for made in events:
            for shard in range(SHARDS) if isinstance(made, Tick) else [shard_of(made.symbol, SHARDS)]:
                self._feed(shard, made)
        return events

    def _feed(self, shard: int, event: AnyEvent) -> None:
        outputs = self.engines[shard].feed([(self.engines[shard].fed, encode(event))])
        self.outputs[shard] += outputs
        for output in outputs:
            if output.topic == "commands":
                self.asking.add(asyncio.get_running_loop().create_task(self.feed.resync(output.key)))


class Ran:
    """A session over a line with these faults."""

    def __init__(self, folder: Path, rates: FaultRates) -> None:
        self.feed = WatchedFeed(rates)
        self.beside = Beside(self.feed)
        log = SqliteLog(folder)
        asyncio.run(self._collect(log))
        self.made = Made(log, SHARDS)
        log.close()

    async def _collect(self, log: SqliteLog) -> None:
        await asyncio.wait_for(collect(self.feed, log, SHARDS, enrich=self.beside.enrich), HANG)


@pytest.fixture(scope="module")
def tight() -> Iterator[None]:
    """The feed looks ahead by a few frames only, so that the exchange can answer soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace, "CHUNK", 8)
        yield
