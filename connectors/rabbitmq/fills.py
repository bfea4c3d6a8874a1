"""Fills: what became of our signals, from the order-manager's table or from its queue."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
import structlog

from connectors.log import Log, LogUnavailable, Reader
from connectors.pace import wall_clock
from connectors.peers.orders import net_size, order_event, read_orders
from connectors.rabbitmq.consume import Delivery
from connectors.rabbitmq.journal import Journal, said
from connectors.rabbitmq.order_message import order_message
from connectors.rabbitmq.progress import Database, Progress
from connectors.rabbitmq.read import REFUSED, readable
from connectors.rabbitmq.signal_message import is_uuid
from schemas.account import OPEN, OrderEvent
from schemas.codec import UNREADABLE, decode_signal
from schemas.topics import SIGNALS

EVERY = 0.5
"""Seconds between two looks at the table."""
WATCHED = 24 * 3_600_000_000
"""Microseconds after a signal in which its order is looked for."""
GRACE = 600_000_000
"""Microseconds for which an order that ended is still looked at: a refused one may be tried again."""
MOST = 10_000
"""Signals that are watched at once, the newest."""


@dataclass
class Watched:
    """A signal of ours whose order is looked for; ``ended``: when the log was told its end."""

    strategy: str
    symbol: str
    ts: int
    ended: int | None = None


class Fills:
    """Puts each new state of an order on the log, with the strategy whose signal it serves.

    ``bridge_orders`` keeps what the log was told, so that a restart tells it nothing twice. ``filled`` is called with
    symbol and trace id when more of an order was executed.
    """

    def __init__(
        self,
        journal: Journal,
        database: Database,
        progress: Progress,
        log: Log,
        shards: int,
        filled: Callable[[str, str | None], None] = lambda symbol, trace: None,
        every: float = EVERY,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        self.journal, self.database, self.progress, self.log = journal, database, progress, log
        self.shards, self.filled, self.every, self.clock = shards, filled, every, clock
        self.watched: dict[str, Watched] = {}
        self.told: dict[str, tuple[str, bool]] = {}
        """What the log was told of each order, and whether it was its end."""
        self.failures = 0
        self.threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="own signals")
        self.readers: list[Reader] = []

    async def begin(self) -> None:
        """Read what the log was told, and which signals to look for."""
        self.told = await self.progress.orders()

    async def poll(self) -> None:
        """Look at the table, until cancelled."""
        while True:
            try:
                await self.look()
            except (psycopg.Error, LogUnavailable) as error:
                self.failures += 1
                structlog.get_logger().error("bridge.orders_unread", problem=str(error).strip())
                await asyncio.sleep(min(5.0, self.every * 10))
            await asyncio.sleep(self.every)

    async def look(self) -> list[OrderEvent]:
        """Write what is new in the table; returns it.

        Raises:
            psycopg.Error: when the table cannot be read.
            LogUnavailable: when our signals cannot.
        """
        await asyncio.get_running_loop().run_in_executor(self.threads, self._follow)
        if not self.watched:
            return []
        signals = list(self.watched)
        rows = await self.database.once(lambda connection: read_orders(connection, signals))
        events = []
        for row in rows:
            try:
                signal = self.watched.get(row["signal_id"])
                events.append(order_event(row, self.clock(), strategy=signal.strategy if signal else None))
            except REFUSED as error:
                await self._refuse(str(row["order_id"]), str(error), json.dumps(row, default=str).encode())
        return await self.write(events)

    async def take(self, deliveries: list[Delivery]) -> None:
        """Take messages of ``order_events``; back when what they say is on the log."""
        events = await readable(
            self.journal,
            deliveries,
            lambda delivery: order_message(delivery.body, self.clock(), delivery.trace_id),
        )
        await self.write(events)

    async def write(self, events: list[OrderEvent]) -> list[OrderEvent]:
        """Put on the log what it was not told yet; returns that."""
        fresh = []
        for event in events:
            before = self.told.get(event.order_id)
            if before is None or self._news(event, *before):
                fresh.append((event, _filled(before[0]) if before else 0.0))
                self.told[event.order_id] = said(event), event.status not in OPEN
        await self.journal.write([event for event, _ in fresh])
        await self.progress.save_orders(
            (event.order_id, event.signal_id or "", *self.told[event.order_id]) for event, _ in fresh
        )
        for event, filled in fresh:
            if event.filled > filled:
                self.filled(event.symbol, event.trace_id)
            if event.signal_id in self.watched and event.status not in OPEN:
                self.watched[event.signal_id].ended = self.clock()
        return [event for event, _ in fresh]

    async def net(self, symbol: str) -> float | None:
        """What the filled orders of a symbol add up to; None when the table cannot be read."""
        try:
            return await self.database.once(lambda connection: net_size(connection, symbol))
        except psycopg.Error:
            return None

    def close(self) -> None:
        """Let go of the log."""
        self.threads.shutdown(wait=True)
        for reader in self.readers:
            reader.close()

    def _news(self, event: OrderEvent, before: str, ended: bool) -> bool:
        """Whether an event says something new: not the same again, and nothing older."""
        return said(event) != before and event.filled >= _filled(before) and not (ended and event.status in OPEN)

    async def _refuse(self, order_id: str, reason: str, raw: bytes) -> None:
        """Keep a row that cannot be read, once."""
        if self.told.get(order_id, ("", False))[0] != f"refused {reason}"[:400]:
            self.told[order_id] = f"refused {reason}"[:400], False
            await self.journal.dead("bridge/orders", f"order {order_id[:60]}: {reason}", raw)

    def _follow(self) -> None:
        """Learn of our own signals, and forget those whose order need not be looked for."""
        now = self.clock()
        for shard in range(len(self.readers), self.shards):
            start = self.log.offset_at(SIGNALS.name, shard, now - WATCHED)
            self.readers.append(self.log.reader(SIGNALS.name, shard, start))
        for reader in self.readers:
            while batch := reader.poll_raw(1_000):
                for _, value in batch:
                    self._watch(value or b"")
        for name, signal in list(self.watched.items()):
            if now - signal.ts > WATCHED or (signal.ended is not None and now - signal.ended > GRACE):
                del self.watched[name]
        for name in list(self.watched)[: max(0, len(self.watched) - MOST)]:
            del self.watched[name]

    def _watch(self, value: bytes) -> None:
        try:
            signal = decode_signal(value)
        except UNREADABLE:
            return
        if is_uuid(signal.signal_id):
            self.watched[signal.signal_id] = Watched(signal.strategy, signal.symbol, signal.ts)


def _filled(before: str) -> float:
    """How much of an order the log was told to be filled.

    >>> _filled("partially_filled 1.5 of 2.0 at 10.5, fees 0.0")
    1.5
    """
    words = before.split()
    return float(words[1]) if words and words[0] != "refused" else 0.0
