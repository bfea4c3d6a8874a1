"""bridge: signals -> the order-manager's queue; positions, balances and fills -> events. One bridge for a log."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import structlog

from connectors.log import Log
from connectors.measures import Measures
from connectors.pace import wall_clock
from connectors.peers.peer import Peer
from connectors.rabbitmq import balance_message, order_message, position_message
from connectors.rabbitmq.balances import Balances
from connectors.rabbitmq.consume import Consumer
from connectors.rabbitmq.feature_message import LIVE, feature_message
from connectors.rabbitmq.fills import Fills
from connectors.rabbitmq.journal import AROUND, Journal
from connectors.rabbitmq.outgoing import AGE_LIMIT, Begin, Outbound, Route
from connectors.rabbitmq.positions import Positions
from connectors.rabbitmq.progress import ALIVE, Database, Progress
from connectors.rabbitmq.publish import Publisher
from connectors.rabbitmq.signal_message import QUEUE as SIGNAL_QUEUE
from connectors.rabbitmq.signal_message import signal_message
from connectors.rabbitmq.together import first_of
from schemas.topics import FEATURES, SIGNALS

PULSE = 1.0
"""Seconds between two signs of life."""
Source = Literal["table", "queue", "off"]


@dataclass(frozen=True)
class Parts:
    """What a bridge does. ``features`` publishes vectors that expire after so many seconds; None: does not.

    ``begin`` says where a queue begins that nothing was ever published to; ``position_manager`` and ``gateway`` make
    clients, and are None where there is no such service.
    """

    begin: Begin
    signals: bool = True
    features: float | None = None
    positions: bool = True
    balances: Source = "table"
    fills: Source = "table"
    age_limit: float = AGE_LIMIT
    symbols: Sequence[str] = ()
    position_manager: Callable[[], Peer] | None = None
    gateway: Callable[[], Peer] | None = None


@dataclass
class Status:
    """What a bridge did since it began, by queue and by kind of event."""

    seconds: float = 0.0
    queues: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    event_repeats: int = 0
    refused: int = 0
    database_away: bool = False


class Bridge:
    """Carries between one log and one RabbitMQ.

    Args:
        log: with its topics.
        shards: of each topic.
        amqp_url: of the broker.
        database_url: where positions are kept, and where the tables of the other services are.
        name: tells this log from another one.
        check: asks whether we are still the only bridge of this log; raises when we are not. Called in a thread.
    """

    def __init__(
        self,
        parts: Parts,
        log: Log,
        shards: int,
        amqp_url: str,
        database_url: str,
        name: str,
        check: Callable[[], object] = lambda: None,
    ) -> None:
        self.parts, self.log, self.shards, self.amqp_url = parts, log, shards, amqp_url
        self.check = check
        self.measures: Measures | None = None
        self.keeper = Database(database_url, "bridge positions")
        self.tables = Database(database_url, "bridge tables")
        self.progress = Progress(self.keeper, name)
        self.journal = Journal(log, shards)
        self.routes: list[Outbound] = []
        self.consumers: list[Consumer] = []
        self.positions: Positions | None = None
        self.began = time.monotonic()

    async def run(self, stop: asyncio.Event | None = None, told: Callable[[Status], None] | None = None) -> Status:
        """Carry until ``stop`` is set; ``told`` hears every second how far it is.

        Raises:
            LogError: when the log refuses a record for good.
            LeaseHeld, LeaseUnavailable: what ``check`` raises.
        """
        async with AsyncExitStack() as held:
            held.callback(self.keeper.close)
            held.callback(self.tables.close)
            held.push_async_callback(self.journal.close)
            writing = asyncio.create_task(self.journal.run())
            try:
                alive = (await self.progress.positions(ALIVE)).get(0, 0)
                if alive:
                    await self.journal.recover(alive)
                work: list[Callable[[], Awaitable[Any]]] = [
                    *self._out(),
                    *await self._in(held, alive),
                    partial(self._pulse, told),
                    (stop or asyncio.Event()).wait,
                ]
                await first_of([writing, *(asyncio.ensure_future(begin()) for begin in work)])
            finally:
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
        status = self.status()
        structlog.get_logger().info("bridge.done", queues=status.queues, events=status.events, refused=status.refused)
        return status

    def status(self) -> Status:
        """What was done so far."""
        return Status(
            round(time.monotonic() - self.began, 1),
            {route.route.queue: _of(route) for route in self.routes}
            | {consumer.queue: {"consumed": consumer.consumed, "up": consumer.link.up} for consumer in self.consumers},
            dict(self.journal.written),
            vars(self.positions.counts).copy() if self.positions else {},
            self.journal.repeats,
            self.journal.refused,
            self.keeper.away or self.tables.away,
        )

    def _out(self) -> list[Callable[[], Awaitable[Any]]]:
        """What is published."""
        parts, wanted = self.parts, []
        if parts.signals:
            wanted.append(Route(SIGNALS.name, SIGNAL_QUEUE, signal_message, parts.age_limit))
        if (expiration := parts.features) is not None:
            make = partial(feature_message, expiration=expiration)
            wanted.append(Route(FEATURES.name, LIVE, make, min(expiration, parts.age_limit), told=False))
        for route in wanted:
            publisher = Publisher(self.amqp_url, route.queue)
            self.routes.append(
                Outbound(
                    route, self.log, self.shards, publisher, self.progress, self.journal, parts.begin, self.measures
                )
            )
        return [route.run for route in self.routes]

    async def _in(self, held: AsyncExitStack, alive: int) -> list[Callable[[], Awaitable[Any]]]:
        """What is brought in."""
        parts = self.parts
        work: list[Callable[[], Awaitable[Any]]] = []
        make = parts.position_manager
        manager = await held.enter_async_context(make()) if make else None
        gateway = await held.enter_async_context(parts.gateway()) if parts.gateway else None
        fills = Fills(self.journal, self.tables, self.progress, self.log, self.shards, self._executed)
        held.callback(fills.close)
        if parts.positions:
            net = fills.net if parts.fills == "table" else None
            self.positions = Positions(self.journal, manager, parts.symbols, net=net)
            if manager is not None:
                work.append(self.positions.run)
            self._consume(position_message.QUEUE, self.positions.hints)
        if parts.balances != "off":
            balances = Balances(self.journal, self.tables, gateway, max(0, alive - AROUND))
            if parts.balances == "table":
                work.append(balances.poll)
            else:
                self._consume(balance_message.QUEUE, balances.take, passive=True)
        if parts.fills != "off":
            await fills.begin()
            if parts.fills == "table":
                work.append(fills.poll)
            else:
                self._consume(order_message.QUEUE, fills.take)
        return [*work, *(consumer.run for consumer in self.consumers)]

    def _consume(self, queue: str, handle: Any, passive: bool = False) -> None:
        self.consumers.append(Consumer(self.amqp_url, queue, handle, passive))

    def _executed(self, symbol: str, trace_id: str | None) -> None:
        """An order was filled: the position changed."""
        if self.positions is not None:
            self.positions.ask(symbol, trace_id)

    async def _pulse(self, told: Callable[[Status], None] | None) -> None:
        """Say that we live, and make sure that we are the only one."""
        while True:
            await asyncio.to_thread(self.check)
            await self.progress.save(ALIVE, {0: wall_clock()})
            if told:
                told(self.status())
            await asyncio.sleep(PULSE)


def fill_measures(bridge: Bridge, measures: Measures) -> None:
    """Hand the numbers of a bridge to its measures."""
    for route in bridge.routes:
        queue, sent = route.route.queue, route.sent
        measures.counted("signals_published", sent.published, queue=queue)
        measures.counted("published_repeats", route.publisher.repeats, queue=queue)
        measures.counted("signals_passed_over", sent.passed_over, queue=queue)
        measures.counted("signals_refused", sent.refused, queue=queue)
        measures.counted("broker_breaks", route.publisher.link.breaks, queue=queue)
        if sent.age is not None:
            measures.gauge("signal_age", sent.age, queue=queue)
    for kind, total in bridge.journal.written.copy().items():
        measures.counted("account_events", total, kind=kind)
    measures.counted("account_repeats", bridge.journal.repeats)
    measures.counted("messages_refused", bridge.journal.refused)
    if bridge.positions:
        measures.counted("positions_unknown", bridge.positions.counts.unknown)
        measures.counted("position_mismatches", bridge.positions.counts.mismatches)


def _of(route: Outbound) -> dict[str, Any]:
    sent = route.sent
    return {
        "published": sent.published,
        "repeats": route.publisher.repeats,
        "passed_over": sent.passed_over,
        "left_out": sent.left_out,
        "refused": sent.refused,
        "age": sent.age,
        "up": route.publisher.link.up,
        "positions": dict(sent.positions),
    }
