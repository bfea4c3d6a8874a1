"""How many messages wait in queues that belong to others: looked at, never touched."""

import asyncio
from collections.abc import Sequence
from typing import Literal, NamedTuple

import aio_pika
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity

from connectors.rabbitmq.link import BROKEN

GATEWAY = tuple(
    f"ws-gateway.{name}"
    for name in ("trade", "ticker", "orderbook", "kline", "funding", "order", "balance", "position", "liquidation")
)
"""The queues that ws-gateway declares (contracts: rabbitmq 2)."""
LONGEST = 3.0
"""Seconds that looking may take in all."""


class Depth(NamedTuple):
    """A queue: messages ready to be delivered, and who consumes it. ``missing``: nobody declared it."""

    queue: str
    messages: int | None
    consumers: int | None
    state: Literal["active", "waiting", "missing"]


class BrokerAway(Exception):
    """The broker does not say; the message says why, without its password."""


async def depths(url: str, queues: Sequence[str] = GATEWAY, longest: float = LONGEST) -> list[Depth]:
    """Look at queues over AMQP by declaring them passively, which changes nothing and takes no message.

    ``active`` queues have a consumer, ``waiting`` ones have none.

    Raises:
        BrokerAway: when the broker cannot be asked within ``longest`` seconds.
    """
    try:
        async with asyncio.timeout(longest):
            connection = await aio_pika.connect(url, client_properties={"connection_name": "lockstep statistics"})
            async with connection:
                return [await _depth(connection, queue) for queue in queues]
    except TimeoutError:
        raise BrokerAway(f"RabbitMQ did not answer within {longest:g} s") from None
    except BROKEN as error:
        raise BrokerAway(f"RabbitMQ is away: {type(error).__name__} {_told(error)}".strip()) from error


async def _depth(connection: AbstractConnection, queue: str) -> Depth:
    """One queue on a channel of its own: a broker closes the channel on which a missing queue was asked for."""
    channel = await connection.channel()
    try:
        found = (await channel.declare_queue(queue, passive=True)).declaration_result
    except ChannelNotFoundEntity:
        return Depth(queue, None, None, "missing")
    await channel.close()
    consumers = found.consumer_count or 0
    return Depth(queue, found.message_count or 0, consumers, "active" if consumers else "waiting")


def _told(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else ""
