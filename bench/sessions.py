"""What the benchmarks read: sessions collected into a log as `lockstep collect` does it."""

import asyncio
from pathlib import Path

from connectors.demo.feed import DemoFeed
from connectors.feeds import Feed
from connectors.log import Log
from connectors.lookback import time_at
from connectors.replay import RecordedFeed
from dataflows.collect import collect
from operators.keyframe import Keyframes
from schemas.topics import TOPICS

SHARDS = 4
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
BINANCE = ("spot_btcusdt_20240808.gz", "spot_btcusdt_20240809.gz")


def fill(log: Log, feed: Feed) -> int:
    """Collect the whole feed; returns how many events the log then holds."""
    for topic in TOPICS:
        log.create(topic.name, SHARDS, topic.cleanup)
    asyncio.run(collect(feed, log, SHARDS, enrich=Keyframes().feed))
    return sum(log.end("events", shard) for shard in range(SHARDS))


def demo(symbols: int, seconds: float, rate: float = 1.0) -> DemoFeed:
    """The demo exchange, as fast as it can."""
    return DemoFeed([f"SYM{number:03d}USDT" for number in range(symbols)], speed=None, seconds=seconds, rate=rate)


def recorded() -> RecordedFeed | None:
    """The longest unbroken recording of a book with its trades, where the recordings are."""
    paths = [SHARED / "l2" / "binance_raw" / name for name in BINANCE]
    return RecordedFeed(paths, None) if all(path.exists() for path in paths) else None


def market_seconds(log: Log) -> float:
    """How much market the log holds."""
    ends = [log.end("events", shard) for shard in range(SHARDS)]
    first = min(time_at(log, shard, 0) for shard, end in enumerate(ends) if end)
    last = max(time_at(log, shard, end - 1) for shard, end in enumerate(ends) if end)
    return (last - first) / 1e6
