"""What stands in a queue, read by somebody who is not the bridge; and putting something in."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

T_ARGUMENTS = {"x-message-ttl": 86_400_000, "x-max-length": 100_000, "x-overflow": "drop-head"}
"""How ws-gateway declares its queues."""
QUIET = 0.2
"""Seconds without a message after which nothing more is expected."""


def drain(url: str, queue: str, done: Callable[[list[AbstractIncomingMessage]], bool], seconds: float = 60.0) -> list:
    """Take messages out of a queue until ``done`` says so, and then whatever else is there."""
    return asyncio.run(_drain(url, queue, done, seconds))


async def _drain(url: str, queue: str, done: Any, seconds: float) -> list[AbstractIncomingMessage]:
    found: list[AbstractIncomingMessage] = []
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        place = await channel.declare_queue(queue, durable=True)
        came = asyncio.Event()

        async def take(message: AbstractIncomingMessage) -> None:
            found.append(message)
            came.set()

        await place.consume(take, no_ack=True)
        async with asyncio.timeout(seconds):
            while not done(found):
                came.clear()
                await came.wait()
        while came.is_set():
            came.clear()
            await asyncio.sleep(QUIET)
    return found


async def put(url: str, queue: str, bodies: Sequence[bytes], arguments: dict[str, Any] | None = None, **more) -> None:
    """Publish messages to a queue as another service would."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(queue, durable=True, arguments=arguments)
        for body in bodies:
            await channel.default_exchange.publish(aio_pika.Message(body, delivery_mode=2, **more), queue)


async def empty(url: str, queue: str) -> None:
    """Delete a queue that another test may have left."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.queue_delete(queue)


async def depth(url: str, queue: str) -> int:
    """How many messages wait in a queue, with those that somebody took and did not acknowledge yet not counted."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        place = await channel.declare_queue(queue, passive=True)
        return place.declaration_result.message_count or 0
