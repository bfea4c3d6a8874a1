"""Publishing to one queue: in order, confirmed, and patient."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

import aiormq.abc
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractConnection

from connectors.rabbitmq.link import Gone, Link

CONFIRM = 30.0
"""Seconds to wait for a confirmation before the connection counts as lost."""


class Outgoing(NamedTuple):
    """A message: whom it is about (its order among messages of the same key is kept), its body, its trace id, when it
    was made (microseconds UTC), and after how many seconds it expires in the queue (None: never)."""

    key: str
    body: bytes
    trace_id: str | None
    made: int
    expiration: float | None = None


class Publisher:
    """Sends messages to a durable queue over the default exchange, persistent, and waits for the broker's word on each.

    Of each key one message at most is under way, so no break, refusal or vanished queue can put a later one before an
    earlier one. After a break, what is unconfirmed is sent again: the broker may have it twice then.
    """

    def __init__(self, url: str, queue: str) -> None:
        self.queue = queue
        self.link = Link(url, f"publish {queue}")
        self.repeats = 0
        """Messages that were sent again, because nobody knows whether the broker had them."""
        self._channel: AbstractChannel | None = None
        self._ready = asyncio.Event()

    async def run(self) -> None:
        """Keep the connection up, until cancelled."""
        await self.link.run(self._session)

    async def send(
        self,
        messages: Sequence[Outgoing],
        still: Callable[[Outgoing], bool] = lambda _: True,
        confirmed: Callable[[Outgoing], None] = lambda _: None,
    ) -> None:
        """Return when every message is confirmed; each is told to ``confirmed``, in order.

        ``still`` is asked before every attempt whether a message should go out at all. Several may send at once; each
        has its own order.
        """
        left = list(messages)
        tried: set[Outgoing] = set()
        while left:
            await self._ready.wait()
            left = [message for message in left if still(message)]
            wave = list({message.key: message for message in reversed(left)}.values())
            done = await self._attempt(wave, len(tried.intersection(wave)))
            tried = set(wave) - done
            for message in wave:
                if message in done:
                    confirmed(message)
            left = [message for message in left if message not in done]

    async def _session(self, connection: AbstractConnection) -> None:
        channel = await connection.channel(publisher_confirms=True)
        await channel.declare_queue(self.queue, durable=True)
        self._channel = channel
        self._ready.set()
        self.link.worked()
        try:
            await channel.closed()
        finally:
            self._ready.clear()
            self._channel = None
        raise Gone("the channel was closed")

    async def _attempt(self, messages: list[Outgoing], tried: int) -> set[Outgoing]:
        """Send messages at once, ``tried`` of which were sent before; which were confirmed."""
        channel = self._channel
        if channel is None or channel.is_closed:
            await asyncio.sleep(0.01)  # the session is about to notice
            return set()
        self.repeats += tried
        tasks = [asyncio.create_task(self._publish(channel, message)) for message in messages]
        try:
            results = await asyncio.gather(*tasks, return_exceptions=True)
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            raise
        done = {message for message, result in zip(messages, results, strict=True) if result is None}
        if len(done) < len(messages):
            if self._channel is channel:
                self._ready.clear()
                self._channel = None
            await _close(channel)
        return done

    async def _publish(self, channel: AbstractChannel, message: Outgoing) -> None:
        """Publish one message.

        Raises:
            Gone, or what the broker or the library says.
        """
        out = Message(
            message.body,
            headers={"trace_id": message.trace_id} if message.trace_id else None,
            content_type="application/json",
            delivery_mode=DeliveryMode.PERSISTENT,
            expiration=message.expiration,
        )
        answer = await channel.default_exchange.publish(out, self.queue, mandatory=True, timeout=CONFIRM)
        if isinstance(answer, aiormq.abc.DeliveredMessage):
            raise Gone(f"queue {self.queue} is gone")


async def _close(channel: AbstractChannel) -> None:
    try:
        await asyncio.wait_for(channel.close(), 5.0)
    except Exception:  # it is broken already; whatever else is wrong shows on the next one
        return
