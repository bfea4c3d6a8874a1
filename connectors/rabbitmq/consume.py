"""Consuming one queue: what came is handed on in order, and acknowledged when it was handled."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

from connectors.inbox import Inbox
from connectors.rabbitmq.link import Link, until_closed

PREFETCH = 200
"""Messages that the broker hands out before the first of them is acknowledged."""


class Delivery(NamedTuple):
    """A message as it came; ``trace_id`` is its header's."""

    queue: str
    body: bytes
    trace_id: str | None = None
    redelivered: bool = False


Handle = Callable[[list[Delivery]], Awaitable[None]]


class Consumer:
    """Hands the messages of a queue to ``handle``, in batches, in order. What a batch holds is acknowledged when
    ``handle`` returns; after a break the broker delivers again what was not.

    ``passive``: the queue is somebody else's to declare; wait until it is there.
    """

    def __init__(self, url: str, queue: str, handle: Handle, passive: bool = False, prefetch: int = PREFETCH) -> None:
        self.queue = queue
        self.handle = handle
        self.passive = passive
        self.prefetch = prefetch
        self.link = Link(url, f"consume {queue}")
        self.consumed = 0

    async def run(self) -> None:
        """Consume until cancelled; raises what ``handle`` raises."""
        await self.link.run(self._session)

    async def _session(self, connection: AbstractConnection) -> None:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=self.prefetch)
        queue = await channel.declare_queue(self.queue, durable=True, passive=self.passive)
        inbox: Inbox[AbstractIncomingMessage] = Inbox()

        async def arrived(message: AbstractIncomingMessage) -> None:
            inbox.put(message)

        await queue.consume(arrived)
        self.link.worked()
        closed = asyncio.create_task(until_closed(channel))
        working = asyncio.create_task(self._work(inbox))
        try:
            done, _ = await asyncio.wait([closed, working], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (closed, working):
                task.cancel()
            await asyncio.gather(closed, working, return_exceptions=True)

    async def _work(self, inbox: Inbox[AbstractIncomingMessage]) -> None:
        while True:
            if not (batch := await inbox.take(3600.0)):
                continue
            await self.handle([_delivery(self.queue, message) for message in batch])
            # One word for all: the messages of this channel come in order, and those before were handled before.
            await batch[-1].ack(multiple=True)
            self.consumed += len(batch)


def _delivery(queue: str, message: AbstractIncomingMessage) -> Delivery:
    trace = (message.headers or {}).get("trace_id")
    return Delivery(queue, message.body, None if trace is None else str(trace)[:256], bool(message.redelivered))
