"""From a topic to a queue: shard by shard in order, from where it stopped, each record at least once."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeVar

import structlog

from connectors.log import Log, LogUnavailable, Reader, Record
from connectors.measures import Measures
from connectors.pace import wall_clock
from connectors.rabbitmq.journal import Journal
from connectors.rabbitmq.link import Backoff
from connectors.rabbitmq.progress import Progress
from connectors.rabbitmq.publish import Outgoing, Publisher
from connectors.rabbitmq.together import first_of
from schemas.codec import UNREADABLE

WINDOW = 64
"""Records of a shard that are under way at once; so many at most are sent again after a break or a crash."""
WAIT = 0.2
AGE_LIMIT = 300.0

Begin = Callable[[Log, str, int], int]
"""(log, topic, shard) -> offset at which a fresh start begins"""
T = TypeVar("T")


class Route(NamedTuple):
    """What goes where.

    ``make`` gives the message of a record, or None for one that is left out on purpose; it raises ``ValueError`` or a
    decoding error for one that cannot be sent. Older ones than ``age_limit`` seconds are passed over. ``told``: each
    message that was sent gets a log line.
    """

    topic: str
    queue: str
    make: Callable[[bytes], Outgoing | None]
    age_limit: float = AGE_LIMIT
    told: bool = True


@dataclass
class Sent:
    """What one route did so far; ``age`` is that of the last message when it was confirmed, in seconds."""

    published: int = 0
    passed_over: int = 0
    left_out: int = 0
    refused: int = 0
    age: float | None = None
    positions: dict[int, int] = field(default_factory=dict)


class Outbound:
    """Carries one topic to one queue.

    The position of a shard is kept after the broker confirmed everything before it. So a crash in between repeats
    records, with the same bytes, and loses none.
    """

    def __init__(
        self,
        route: Route,
        log: Log,
        shards: int,
        publisher: Publisher,
        progress: Progress,
        journal: Journal,
        begin: Begin,
        measures: Measures | None = None,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        self.route, self.log, self.shards = route, log, shards
        self.publisher, self.progress, self.journal = publisher, progress, journal
        self.begin, self.measures, self.clock = begin, measures, clock
        self.sent = Sent()
        self.changed = asyncio.Event()
        self.threads = [ThreadPoolExecutor(1, f"{route.queue}/{shard}") for shard in range(shards)]
        """One for each shard: a reader must not be closed while it reads."""

    async def run(self) -> None:
        """Carry on until cancelled; what was confirmed by then is on record."""
        starts = await self._starts()
        await self.progress.save(self.route.queue, starts)
        self.sent.positions = dict(starts)
        tasks = [asyncio.create_task(self._shard(shard, starts[shard])) for shard in range(self.shards)]
        tasks += [asyncio.create_task(self.publisher.run()), asyncio.create_task(self._save())]
        try:
            await first_of(tasks)
        finally:
            for thread in self.threads:
                thread.shutdown(wait=True)

    async def _starts(self) -> dict[int, int]:
        """Where each shard goes on, or begins."""
        known = await self.progress.positions(self.route.queue)
        return {shard: await self._patiently(shard, partial(self._start, shard, known)) for shard in range(self.shards)}

    def _start(self, shard: int, known: dict[int, int]) -> int:
        topic = self.route.topic
        first, end = self.log.start(topic, shard), self.log.end(topic, shard)
        if shard not in known:
            return min(max(self.begin(self.log, topic, shard), first), end)
        place = known[shard]
        if place < first:
            structlog.get_logger().error(
                "bridge.trimmed", topic=topic, shard=shard, wanted=place, first=first, advice="keep records for longer"
            )
            return first
        if place > end:
            structlog.get_logger().error(
                "bridge.another_log", topic=topic, shard=shard, wanted=place, end=end, advice="it begins at the end"
            )
            return end
        return place

    async def _shard(self, shard: int, start: int) -> None:
        """Carry one shard."""
        reader: Reader = await self._patiently(shard, lambda: self.log.reader(self.route.topic, shard, start))
        try:
            while True:
                records = await self._patiently(shard, lambda: _read(reader))
                if records:
                    await self._carry(shard, records)
                    self.sent.positions[shard] = records[-1].offset + 1
                    self.changed.set()
        finally:
            self.threads[shard].submit(reader.close)

    async def _carry(self, shard: int, records: Sequence[Record]) -> None:
        """Send what is to be sent of some records; back when all of it is confirmed."""
        messages = []
        for record in records:
            try:
                message = self.route.make(record.value or b"")
            except (ValueError, *UNREADABLE) as error:
                await self._refuse(shard, record, str(error))
                continue
            if message is None:
                self.sent.left_out += 1
            else:
                messages.append(message)
        await self.publisher.send(messages, self._young, self._confirmed)

    def _young(self, message: Outgoing) -> bool:
        """Whether it may still be sent; if not, it is passed over for good."""
        age = (self.clock() - message.made) / 1e6
        if age <= self.route.age_limit:
            return True
        self.sent.passed_over += 1
        structlog.get_logger().warning(
            "bridge.passed_over", queue=self.route.queue, age=round(age, 1), limit=self.route.age_limit,
            trace_id=message.trace_id,
        )  # fmt: skip
        return False

    def _confirmed(self, message: Outgoing) -> None:
        age = max(0.0, (self.clock() - message.made) / 1e6)
        self.sent.published += 1
        self.sent.age = age
        if self.measures:
            self.measures.observe("signal_age_seconds", age, queue=self.route.queue)
        if self.route.told:
            structlog.get_logger().info(
                "bridge.published", queue=self.route.queue, age=round(age, 3), trace_id=message.trace_id
            )

    async def _refuse(self, shard: int, record: Record, reason: str) -> None:
        self.sent.refused += 1
        source = f"bridge/{self.route.queue}"
        where = f"{self.route.topic}/{shard}, offset {record.offset}: {reason}"
        await self.journal.dead(source, where, record.value or b"")

    async def _save(self) -> None:
        """Keep the newest positions, as often as the database can take them."""
        while True:
            await self.changed.wait()
            self.changed.clear()
            await self.progress.save(self.route.queue, dict(self.sent.positions))

    async def _patiently(self, shard: int, act: Callable[[], T]) -> T:
        """Do it in the shard's thread as soon as the log allows."""
        backoff = Backoff(first=0.05, longest=2.0)
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(self.threads[shard], act)
            except LogUnavailable as error:
                structlog.get_logger().warning("log.away", problem=str(error))
            await asyncio.sleep(backoff.next())


def _read(reader: Reader) -> list[Record]:
    """What is there, or comes within a moment."""
    return reader.poll(WINDOW) or (reader.poll(WINDOW) if reader.wait(WAIT) else [])
