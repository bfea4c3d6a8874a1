"""Account events on their way to the log: each once, on its shards, and safe before anybody is told so."""

import asyncio
import sys
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TypeVar

import structlog

from connectors.appender import Appender
from connectors.buffer import Buffer, Pending
from connectors.log import Log, NewRecord
from connectors.log.span import span
from connectors.pace import wall_clock
from schemas.account import AccountEvent, BalanceEvent, OrderEvent, PositionEvent
from schemas.codec import UNREADABLE, decode_event, encode
from schemas.dead import DeadLetter
from schemas.topics import DEAD_LETTERS, EVENTS, shard_of

REMEMBERED = 20_000
AROUND = 60_000_000
"""Microseconds before and after the last sign of life of an earlier bridge in which it may have written what its
broker was not told of."""
E = TypeVar("E", bound=AccountEvent)
_ACCOUNT = (b'{"type":"order"', b'{"type":"position"', b'{"type":"balance"')


def identity(event: AccountEvent) -> tuple[object, ...]:
    """What makes an event the same as another one, whenever and however often it is received."""
    if isinstance(event, OrderEvent):
        return "order", event.order_id, said(event)
    if isinstance(event, PositionEvent):
        return "position", event.source, event.symbol, event.ts, event.size, event.unrealized_pnl, event.realized_pnl
    return "balance", event.coin, event.ts, event.available, event.wallet


def said(order: OrderEvent) -> str:
    """What an event tells of an order, as text.

    >>> order = OrderEvent("BTCUSDT", 1, 2, "a", "buy", "limit", 2.0, "filled", filled=2.0, average_price=10.5)
    >>> said(order)
    'filled 2.0 of 2.0 at 10.5, fees 0.0'
    """
    return f"{order.status} {order.filled} of {order.quantity} at {order.average_price}, fees {order.fees}"


class Journal:
    """Appends account events to ``events`` and refused messages to ``dead-letters``.

    The collector writes to the same shards; the log puts the two in order. What is written has passed the bounds that
    readers enforce.
    """

    def __init__(self, log: Log, shards: int) -> None:
        self.log = log
        self.shards = shards
        self.appender = Appender(log, Buffer(sys.maxsize))
        self.seen: OrderedDict[tuple[object, ...], None] = OrderedDict()
        self.repeats = 0
        """Events that were not written, because they stand on the log already."""
        self.written: dict[str, int] = {}
        self.refused = 0

    async def run(self) -> None:
        """Write what comes, until cancelled.

        Raises:
            LogError: when the log refuses a record for good.
        """
        await self.appender.run()

    async def recover(self, alive: int) -> None:
        """Remember what an earlier bridge wrote around its last sign of life (microseconds UTC)."""
        found = await self.appender.in_thread(lambda: list(self._around(alive)))
        for event in found:
            self._remember(identity(event))
        structlog.get_logger().info("bridge.recovered", events=len(found), alive=alive)

    async def write(self, events: Sequence[E], *, again: bool = False) -> list[E]:
        """Append what is new; returns it when it is safe. ``again``: also what is not new.

        Raises:
            msgspec.ValidationError: when an event is out of bounds; nothing is written then.
        """
        values = [encode(event) for event in events]
        for value in values:
            decode_event(value)
        fresh = []
        for event, value in zip(events, values, strict=True):
            if not again and identity(event) in self.seen:
                self.repeats += 1
                continue
            self._remember(identity(event))
            self._put(event, value)
            fresh.append(event)
        await self._safe()
        for event in fresh:
            kind = str(event.__struct_config__.tag)
            self.written[kind] = self.written.get(kind, 0) + 1
        return fresh

    async def dead(self, source: str, reason: str, raw: bytes, trace_id: str | None = None) -> None:
        """Keep a message that cannot be used, with everything that is known of it; back when it is safe."""
        self.refused += 1
        structlog.get_logger().warning("bridge.refused", source=source, reason=reason[:300], trace_id=trace_id)
        reason = f"{reason[:200]}; trace id {trace_id[:80]}" if trace_id else reason
        now = wall_clock()
        letter = DeadLetter.of(source, reason, raw, recv=now)
        self.appender.buffer.put(Pending(DEAD_LETTERS.name, 0, NewRecord(source.encode(), encode(letter), now)))
        await self._safe()

    async def close(self) -> None:
        """Let go of the log."""
        await asyncio.get_running_loop().run_in_executor(None, self.appender.close)

    def _put(self, event: AccountEvent, value: bytes) -> None:
        name = event.symbol or event.coin if isinstance(event, BalanceEvent) else event.symbol
        everywhere = isinstance(event, BalanceEvent) and event.symbol is None
        record = NewRecord(name.encode(), value, event.recv)
        for shard in range(self.shards) if everywhere else [shard_of(name, self.shards)]:
            self.appender.buffer.put(Pending(EVENTS.name, shard, record))

    async def _safe(self) -> None:
        self.appender.ready()
        await self.appender.room(0)

    def _remember(self, name: tuple[object, ...]) -> None:
        self.seen[name] = None
        self.seen.move_to_end(name)
        if len(self.seen) > REMEMBERED:
            self.seen.popitem(last=False)

    def _around(self, alive: int) -> Iterable[AccountEvent]:
        """The account events on the log that were written around a time."""
        for shard in range(self.shards):
            first = self.log.offset_at(EVENTS.name, shard, max(1, alive - AROUND))
            last = self.log.offset_at(EVENTS.name, shard, alive + AROUND)
            for record in span(self.log, EVENTS.name, shard, first, last):
                if record.value and record.value.startswith(_ACCOUNT):
                    try:
                        event = decode_event(record.value)
                    except UNREADABLE:
                        continue
                    if isinstance(event, OrderEvent | PositionEvent | BalanceEvent):
                        yield event
