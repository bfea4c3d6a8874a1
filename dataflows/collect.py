"""collect: an exchange, the demo exchange or a recorded session -> events, dead-letters."""

import asyncio
import sys
import time
from collections.abc import Callable, Collection, Coroutine
from contextlib import aclosing
from typing import Any

import structlog

from connectors.appender import Appender
from connectors.buffer import Buffer
from connectors.collector import Collector, Enrich, Summary, alone
from connectors.commands import Commands
from connectors.feeds import CHANNELS, Acknowledging, Choosing, Feed, Item, Lost
from connectors.log import Log, LogUnavailable
from connectors.pace import wall_clock
from connectors.resume import restart_gaps
from dataflows.subscriptions import Subscriptions
from schemas.market import Channel, Gap, Kline
from schemas.topics import COMMANDS, DEAD_LETTERS, EVENTS

BUFFER_LIMIT = 100_000
"""Records that are kept while the log is away: about 100 MB, and some 20 minutes of two busy symbols."""
LAST_WORDS = 30.0
PROGRESS_SECONDS = 0.25
CHOOSING = 0.25
"""Seconds between two looks for another feature registry."""
_CHUNK = 1_000


async def collect(
    feed: Feed,
    log: Log,
    shards: int,
    *,
    enrich: Enrich = alone,
    symbols: Collection[str] | None = None,
    buffer_limit: int = BUFFER_LIMIT,
    stop: asyncio.Event | None = None,
    progress: Callable[[Summary], None] | None = None,
    clock: Callable[[], int] = wall_clock,
    last_words: float = LAST_WORDS,
    subscriptions: Subscriptions | None = None,
) -> Summary:
    """Collect until the feed ends or ``stop`` is set; returns what was done.

    Args:
        feed: ``BybitFeed``, ``DemoFeed`` or ``RecordedFeed``.
        log: where ``events``, ``dead-letters`` and ``commands`` are; they are created where they are missing.
        shards: how many each of the topics has.
        enrich: what stands behind an event, for instance ``Keyframes().feed``.
        symbols: whose events are accepted (our names); others become dead letters. None: everybody's.
        buffer_limit: records that are kept while the log is away. Beyond it a live feed loses the oldest, counted and
            marked by gaps; a feed that is not live waits.
        stop: set it to end; what was received is still written. Cancelling does the same.
        progress: told a few times a second how far it is.
        clock: the wall clock, microseconds UTC.
        last_words: seconds to wait at the end for a log that is away.
        subscriptions: which channels are wanted, now and then; None: all of them.

    Raises:
        LogError: when the log refuses what is written, for instance because ``events`` has another number of shards.
    """
    buffer = Buffer(buffer_limit if feed.live else sys.maxsize)
    appender = Appender(log, buffer)
    collector = Collector(buffer, shards, enrich, symbols)
    session = _Session(feed, log, appender, collector, progress, clock, subscriptions)
    stopped = (stop or asyncio.Event()).wait()
    work = [appender.run(), session.run(), stopped]
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(_plain(part)) for part in work]
    writing, reading, _ = tasks
    try:
        await _first(tasks)
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        await _drain(appender, writing, last_words)
        await _cancel(tasks)
        await asyncio.get_running_loop().run_in_executor(None, appender.close)
    summary = session.summary()
    structlog.get_logger().info(
        "collector.done",
        frames=summary.frames,
        events=dict(summary.events),
        bad=dict(summary.bad),
        appended=summary.appended,
        dropped=summary.dropped,
        seconds=round(summary.seconds, 3),
    )
    return summary


class _Session:
    """One run of a feed: what the log missed before it, its history, its frames."""

    def __init__(
        self,
        feed: Feed,
        log: Log,
        appender: Appender,
        collector: Collector,
        progress: Callable[[Summary], None] | None,
        clock: Callable[[], int],
        subscriptions: Subscriptions | None,
    ) -> None:
        self.feed = feed
        self.log = log
        self.appender = appender
        self.collector = collector
        self.shards = collector.shards
        self.commands = Commands(log, collector.shards, feed.resync)
        self.progress = progress
        self.clock = clock
        self.subscriptions = subscriptions if isinstance(feed, Choosing) else None
        self.channels: frozenset[Channel] = frozenset(CHANNELS)
        self.started = self.told = time.monotonic()

    async def run(self) -> None:
        """Collect until the feed ends."""
        await self.appender.in_thread(self._create)
        await self.appender.in_thread(self.commands.begin)
        if self.subscriptions is not None:
            await self._choose(self.subscriptions)
        parts = (self.commands.run(), self._keep_choosing(), self._collect())
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            await _first(tasks)
        finally:
            await _cancel(tasks)

    def summary(self) -> Summary:
        """What was done so far."""
        summary = self.collector.summary
        summary.appended = self.appender.appended
        summary.dropped = self.appender.buffer.dropped
        summary.resyncs = self.commands.obeyed
        summary.seconds = time.monotonic() - self.started
        return summary

    def _create(self) -> None:
        for topic in (EVENTS, DEAD_LETTERS, COMMANDS):
            self.log.create(topic.name, self.shards, topic.cleanup)

    async def _keep_choosing(self) -> None:
        """Follow the activations of feature registries for as long as anything is collected."""
        while True:
            await asyncio.sleep(CHOOSING)
            if self.subscriptions is not None:
                await self._choose(self.subscriptions)

    async def _choose(self, subscriptions: Subscriptions) -> None:
        try:
            clock = max(self.collector.clock, self.clock() if self.feed.live else 0)
            wanted = await self.appender.in_thread(lambda: subscriptions.wanted(clock))
        except LogUnavailable as error:
            structlog.get_logger().warning("subscriptions.away", problem=str(error))
            return
        if wanted != self.channels and isinstance(self.feed, Choosing):
            self.channels = wanted
            await self.feed.choose(wanted)
            structlog.get_logger().info("subscriptions.chosen", channels=sorted(wanted))

    async def _collect(self) -> None:
        if self.feed.live:
            await self._begin(self.clock())
        begun = self.feed.live
        async with aclosing(self.feed.batches()) as batches:  # type: ignore[type-var]
            async for batch in batches:
                if not begun and (first := _first_time(batch)) is not None:
                    await self._begin(first)
                    begun = True
                await self._take(batch)
        self.collector.finish()
        self.appender.ready()

    async def _begin(self, now: int) -> None:
        """Record what is missing since the end of each shard, turn its clock to ``now``, and add the candles before."""
        known = self.collector.symbols or self.feed.symbols
        gaps = await self.appender.in_thread(lambda: self._restart_gaps(known, now))
        if gaps:
            self.feed.resume(now)
            structlog.get_logger().warning("collector.restarted", symbols=len({gap.symbol for gap in gaps}), until=now)
        klines: list[Kline] = await self.feed.history() if "kline" in self.channels else []
        self.collector.missed(gaps)
        self.collector.tick(now)
        for first in range(0, len(klines), _CHUNK):
            self.collector.feed(klines[first : first + _CHUNK])
            self.appender.ready()
            await self.appender.room()

    def _restart_gaps(self, known: Collection[str] | None, now: int) -> list[Gap]:
        return restart_gaps(self.log, self.shards, known, now, [name for name in CHANNELS if name in self.channels])

    async def _take(self, batch: list[Item]) -> None:
        if self.feed.live:
            self.collector.feed(batch, self.clock())
            self.collector.tick(self.clock())
            self.appender.ready()
            if batch and isinstance(self.feed, Acknowledging):
                await self.appender.room(0)
                await self.feed.acknowledge()
        else:
            # One thing at a time: the embedded log lets go of the interpreter at every row, and takes long to get it
            # back from a thread that computes.
            self.collector.feed(batch)
            self.appender.ready()
            await self.appender.room(0)
        if self.progress and time.monotonic() - self.told >= PROGRESS_SECONDS:
            self.told = time.monotonic()
            self.progress(self.summary())


def _first_time(batch: list[Item]) -> int | None:
    """When the first thing that says so was received (a frame of an unknown time has 0); None: nothing does."""
    return next((item.recv for item in batch if not isinstance(item, Lost) and item.recv), None)


async def _drain(appender: Appender, writing: asyncio.Task[None], patience: float) -> None:
    """Wait until everything is on the log; not for longer than ``patience``, and not after the writer failed."""
    appender.ready()
    draining = asyncio.create_task(appender.room(0))
    await asyncio.wait([draining, writing], timeout=patience, return_when=asyncio.FIRST_COMPLETED)
    await _cancel([draining])
    if left := len(appender.buffer) + appender.writing:
        appender.buffer.dropped += left
        structlog.get_logger().error("collector.unwritten", records=left, advice="the log was away at the end")


async def _plain(part: Coroutine[Any, Any, Any]) -> None:
    await part


async def _first(tasks: list[asyncio.Task[Any]]) -> None:
    """Return when the first task ends; raises what it raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancel the tasks and wait for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
