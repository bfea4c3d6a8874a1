"""Market data from ws-gateway's queues, as a feed for the collector beside the exchange's own socket."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import structlog

from connectors.feeds import CHANNELS, Item
from connectors.frames import Frame
from connectors.inbox import Inbox
from connectors.pace import wall_clock
from connectors.peers.gateway import CHANNELS as GATEWAY
from connectors.peers.gateway import subscribe_all
from connectors.peers.peer import Peer
from connectors.rabbitmq.consume import PREFETCH, Consumer, Delivery
from connectors.rabbitmq.gateway_parse import VENUE
from schemas.market import Channel, Gap, Kline

KINDS: dict[str, Channel] = {
    "trade": "trades",
    "ticker": "ticker",
    "orderbook": "orderbook",
    "kline": "kline",
    "funding": "ticker",
}
"""The queues, and which channel each is a part of."""
_SECOND = 1_000_000
_Batch = tuple[list[Frame], asyncio.Event]


class GatewayFeed:
    """Consumes ``ws-gateway.{trade,ticker,orderbook,kline,funding}`` once the gateway made them.

    A message is acknowledged when the log has it, so the queues keep what comes while we, or the log, are away. What
    they kept is late then: it is received when it is consumed.

    Args:
        url: of RabbitMQ.
        peer: makes a client of the gateway, through which subscriptions are created; None: somebody else does that.
    """

    live = True

    def __init__(
        self,
        symbols: Sequence[str],
        url: str,
        peer: Callable[[], Peer] | None = None,
        *,
        prefetch: int = PREFETCH,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        if not symbols:
            raise ValueError("the gateway's feed needs at least one symbol, for instance BTCUSDT")
        self.symbols: Sequence[str] | None = list(dict.fromkeys(symbols))
        self.peer = peer
        self.clock = clock
        self.inbox: Inbox[_Batch] = Inbox()
        self.handed_on: list[asyncio.Event] = []
        self.since: int | None = None
        self.channels: tuple[Channel, ...] = CHANNELS
        self.left: dict[Channel, int] = {}
        self.joined: list[Item] = []
        """Gaps that stand before the next data, because channels were added."""
        self.changed = asyncio.Event()
        self.consumers = [
            Consumer(url, f"{VENUE}.{kind}", self._arrived, passive=True, prefetch=prefetch) for kind in KINDS
        ]

    async def history(self) -> list[Kline]:
        """None: the gateway keeps no candles."""
        return []

    def resume(self, since: int) -> None:
        """The first data end a gap that begins here."""
        self.since = since

    async def batches(self) -> AsyncIterator[list[Item]]:
        """What came, at least once a second; closing the iterator ends the consumers."""
        tasks = [asyncio.create_task(consumer.run()) for consumer in self.consumers]
        subscribing = asyncio.create_task(self._subscribe())
        try:
            while True:
                batches = await self.inbox.take((_SECOND - self.clock() % _SECOND) / 1e6)
                for task in (*tasks, subscribing):
                    if task.done():
                        task.result()
                items: list[Item] = [frame for frames, _ in batches for frame in frames]
                if items:
                    items[:0] = self._missed()
                if self.joined:
                    items[:0], self.joined = self.joined, []
                self.handed_on += [done for _, done in batches]
                yield items
        finally:
            for task in (*tasks, subscribing):
                task.cancel()
            await asyncio.gather(*tasks, subscribing, return_exceptions=True)

    async def acknowledge(self) -> None:
        """Everything that was handed on is on the log: the broker may forget it."""
        for done in self.handed_on:
            done.set()
        self.handed_on.clear()

    async def choose(self, channels: frozenset[Channel]) -> None:
        """Pass these channels on, and no others; the gateway is asked for those that it was not asked for yet.

        Its subscriptions are never cancelled: what is not wanted any more is taken from the queues and dropped.
        """
        now = self.clock()
        chosen = tuple(channel for channel in CHANNELS if channel in channels)
        for channel in CHANNELS:
            if channel in self.channels and channel not in chosen:
                self.left[channel] = now
            elif channel in chosen and channel not in self.channels:
                self.joined += self._gaps((channel,), "not subscribed to", self.left.pop(channel), now)
        self.channels = chosen
        self.changed.set()

    async def resync(self, symbol: str) -> None:
        """Nobody can ask the gateway for a book; at depth 1 the next message brings it."""
        structlog.get_logger().info("gateway.no_resync", symbol=symbol, advice="the next message is a whole book")

    async def _arrived(self, deliveries: list[Delivery]) -> None:
        """Hand on what came, and wait until it is on the log."""
        recv, done = self.clock(), asyncio.Event()
        kind = deliveries[0].queue.partition(".")[2]
        if KINDS[kind] not in self.channels:
            return
        self.inbox.put(([Frame(VENUE, kind, recv, delivery.body) for delivery in deliveries], done))
        await done.wait()

    async def _subscribe(self) -> None:
        """Ask the gateway for the channels that are wanted, now and whenever others are."""
        asked: set[str] = set()
        while True:
            self.changed.clear()
            wanted = [channel for channel in GATEWAY if channel not in asked and self._wants(channel)]
            if self.peer is not None and wanted:
                async with self.peer() as peer:
                    await subscribe_all(peer, self.symbols or (), channels=wanted)
                asked.update(wanted)
            await self.changed.wait()

    def _wants(self, channel: str) -> bool:
        """Whether a channel, as the gateway names it, is wanted."""
        return ("ticker" if channel == "funding" else channel) in self.channels

    def _missed(self) -> list[Item]:
        """What nobody collected before the first data of this session."""
        if self.since is None:
            return []
        since, now = self.since, self.clock()
        self.since = None
        return self._gaps(self.channels, "reconnected", since, now)

    def _gaps(self, channels: Sequence[Channel], reason: str, since: int, now: int) -> list[Item]:
        return [
            Gap(symbol=symbol, ts=now, recv=now, channel=channel, reason=reason, start=since, end=now)
            for symbol in self.symbols or ()
            for channel in channels
        ]
