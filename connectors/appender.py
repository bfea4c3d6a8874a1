"""Brings records from the buffer onto the log: at once, in order, each once, also across an outage of the log."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

from connectors.buffer import Buffer, Pending
from connectors.log import Log, LogUnavailable, NewRecord, Writer

BATCH = 5_000
HIGH_WATER = 20_000
"""A feed that can wait waits above this."""
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
PATIENCE = 5.0
"""Seconds to wait for records that the log says it has."""

T = TypeVar("T")
Place = tuple[str, int]
"""(topic, shard)"""


class Appender:
    """Writes in a thread of its own, so that receiving never waits for the log; whatever gathered while one batch was
    written is the next one.

    Only ``run`` takes from the buffer. While the log is away it tries again, without an end.
    """

    def __init__(self, log: Log, buffer: Buffer) -> None:
        self.log = log
        self.buffer = buffer
        self.appended = 0
        self.away = False
        """Whether the log could not be reached at the last attempt."""
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="appender")
        self.writers: dict[Place, _ShardWriter] = {}
        self.wake = asyncio.Event()
        self.progress = asyncio.Event()
        self.writing = 0
        """How many records are under way."""
        self.told = 0.0
        self.dropped_told = 0

    async def run(self) -> None:
        """Append what comes, until cancelled.

        Raises:
            LogError: when the log refuses a record for good.
        """
        while True:
            await self.wake.wait()
            self.wake.clear()
            while len(self.buffer):
                batch = self.buffer.take(BATCH)
                self.writing = len(batch)
                await self._write(batch)
                self.writing = 0
                self.appended += len(batch)
                self.progress.set()

    def ready(self) -> None:
        """There is something in the buffer."""
        if len(self.buffer):
            self.wake.set()
            self._complain()

    async def room(self, most: int = HIGH_WATER) -> None:
        """Wait until at most ``most`` records wait; with 0 until everything is on the log."""
        while len(self.buffer) > most or (not most and self.writing):
            self.progress.clear()
            await self.progress.wait()

    async def in_thread(self, action: Callable[[], T]) -> T:
        """Do something with the log in the appender's thread; try again for as long as the log is away."""
        pause = FIRST_PAUSE
        while True:
            try:
                done = await asyncio.get_running_loop().run_in_executor(self.thread, action)
            except LogUnavailable as error:
                if not self.away:
                    structlog.get_logger().error("log.away", problem=str(error), waiting=len(self.buffer))
                self.away = True
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            if self.away:
                structlog.get_logger().warning("log.back", waiting=len(self.buffer), dropped=self.buffer.dropped)
            self.away = False
            return done

    def close(self) -> None:
        """Let go of the writers and the thread; what is not flushed by then is not written."""
        self.thread.submit(self._close_writers)
        self.thread.shutdown(wait=True)

    async def _write(self, batch: list[Pending]) -> None:
        """Write one batch whole."""
        places: defaultdict[Place, list[NewRecord]] = defaultdict(list)
        for pending in batch:
            places[pending.topic, pending.shard].append(pending.record)
        for place, records in places.items():
            self._writer(place).unconfirmed = records
        writers = [self._writer(place) for place in places]
        await self.in_thread(lambda: _send(writers))

    def _writer(self, place: Place) -> "_ShardWriter":
        if place not in self.writers:
            self.writers[place] = _ShardWriter(self.log, place)
        return self.writers[place]

    def _complain(self) -> None:
        """Say once a second how much was dropped."""
        fresh = self.buffer.dropped - self.dropped_told
        if fresh and time.monotonic() - self.told >= 1.0:
            self.told, self.dropped_told = time.monotonic(), self.buffer.dropped
            structlog.get_logger().error(
                "collector.dropped",
                events=fresh,
                total=self.buffer.dropped,
                limit=self.buffer.limit,
                advice="bring the log back, or give the collector a larger buffer",
            )

    def _close_writers(self) -> None:
        for writer in self.writers.values():
            writer.close()


def _send(writers: "list[_ShardWriter]") -> None:
    """Hand every shard its records, then wait for all of them: one round trip, not one for each."""
    for writer in writers:
        writer.send()
    for writer in writers:
        writer.flush()


class _ShardWriter:
    """One shard of one topic, used in the appender's thread alone. After an outage it looks which of the unconfirmed
    records are on the log, and sends the rest."""

    def __init__(self, log: Log, place: Place) -> None:
        self.log = log
        self.place = place
        self.unconfirmed: list[NewRecord] = []
        self.confirmed: bytes | None = None
        """The value of the last record that is known to be on the log."""
        self.sent = False
        self.failed = False
        self.writer: Writer | None = None

    def send(self) -> None:
        """Send what is unconfirmed, unless that is under way."""
        if self.failed:
            del self.unconfirmed[: self._written()]
            self.failed = False
        if not self.unconfirmed or self.sent:
            return
        try:
            if self.writer is None:
                self.writer = self.log.writer(*self.place)
            self.writer.send(self.unconfirmed)
        except LogUnavailable:
            self._fail()
            raise
        self.sent = True

    def flush(self) -> None:
        """Return when what was sent is on the log."""
        if self.writer is None or not self.sent:
            return
        try:
            self.writer.flush()
        except LogUnavailable:
            self._fail()
            raise
        self.sent = False
        self.confirmed = self.unconfirmed[-1].value
        self.unconfirmed = []

    def close(self) -> None:
        """Let go of the log."""
        if self.writer is not None:
            try:
                self.writer.close()
            except LogUnavailable as error:
                structlog.get_logger().error("log.away", problem=str(error), unconfirmed=len(self.unconfirmed))

    def _fail(self) -> None:
        self.failed, self.sent = True, False
        writer, self.writer = self.writer, None
        if writer is not None:
            with contextlib.suppress(LogUnavailable):
                writer.close()

    def _written(self) -> int:
        """How many of the unconfirmed records the log has: it keeps a prefix, perhaps among records of others."""
        places = {record.value: index for index, record in enumerate(self.unconfirmed)}
        start, upper = self.log.start(*self.place), self.log.end(*self.place)
        reach = 2 * len(self.unconfirmed) + 64
        while upper > start:
            lower = max(start, upper - reach)
            values = [value for offset, value in self._read(lower, upper)]
            found = [places[value] for value in values if value in places]
            if found:
                return max(found) + 1
            if self.confirmed in values:
                return 0
            upper, reach = lower, reach * 4
        return 0

    def _read(self, lower: int, upper: int) -> list[tuple[int, bytes | None]]:
        """The records in [lower, upper)."""
        topic, shard = self.place
        reader = self.log.reader(topic, shard, lower)
        found: list[tuple[int, bytes | None]] = []
        try:
            while reader.position < upper:
                found += [item for item in reader.poll_raw(upper - reader.position) if item[0] < upper]
                if reader.position < upper and not reader.wait(PATIENCE):
                    raise LogUnavailable(f"topic {topic}, shard {shard}: offsets {lower} to {upper} do not come")
        finally:
            reader.close()
        return found
