"""A connection to RabbitMQ, made anew for as long as it is wanted."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from random import Random

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPError

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0
OPENING = 10.0
"""Seconds within which a connection must be made."""
HEARTBEAT = 15
"""Seconds between heartbeats: a broker that vanished without a word is noticed within twice that."""

BROKEN = (*CONNECTION_EXCEPTIONS, AMQPError, TimeoutError)
"""What a broker that is away, or refuses, may raise."""

Session = Callable[[AbstractConnection], Awaitable[None]]

logging.getLogger("aiormq").setLevel(logging.CRITICAL)
logging.getLogger("aio_pika").setLevel(logging.CRITICAL)


class Gone(AMQPError):
    """The broker ended what we were doing."""


class Backoff:
    """Pauses that grow up to a longest one, each of random length so that nobody returns with everybody else.

    >>> backoff = Backoff(first=1.0, longest=4.0, rng=Random(1))
    >>> [round(backoff.next(), 2) for _ in range(4)]
    [0.57, 1.85, 3.53, 2.51]
    """

    def __init__(self, first: float = FIRST_PAUSE, longest: float = LONGEST_PAUSE, rng: Random | None = None) -> None:
        self.first, self.longest = first, longest
        self.rng = rng or Random()
        self.ceiling = first

    def next(self) -> float:
        """Seconds to wait now."""
        pause = self.rng.uniform(self.ceiling / 2, self.ceiling)
        self.ceiling = min(self.ceiling * 2, self.longest)
        return pause

    def reset(self) -> None:
        """It worked: begin with short pauses again."""
        self.ceiling = self.first


class Link:
    """One connection under a name that the broker shows. ``breaks`` counts how often it was lost or could not be made.

    ``worked`` is for sessions to call when something succeeded: the next pause is short again then.
    """

    def __init__(self, url: str, name: str, backoff: Backoff | None = None) -> None:
        self.url = url
        self.name = name
        self.backoff = backoff or Backoff()
        self.breaks = 0
        self.up = False
        self.log = structlog.get_logger().bind(connection=name)

    async def run(self, session: Session) -> None:
        """Hold ``session`` on a fresh connection, again and again, until it returns or is cancelled."""
        while True:
            try:
                connection = await aio_pika.connect(
                    self.url,
                    timeout=OPENING,
                    client_properties={"connection_name": f"lockstep {self.name}"},
                    heartbeat=HEARTBEAT,
                )
                async with connection:
                    return await session(connection)
            except BROKEN as error:
                self.broken(f"{type(error).__name__} {error}".strip())
            finally:
                self.up = False
            pause = self.backoff.next()
            await asyncio.sleep(pause)

    def worked(self) -> None:
        """Something succeeded."""
        if not self.up:
            self.up = True
            self.log.info("rabbitmq.connected", after_breaks=self.breaks)
        self.backoff.reset()

    def broken(self, problem: str) -> None:
        """Count and tell a loss: the first of a row, and then now and then."""
        self.breaks += 1
        self.log.warning("rabbitmq.away", problem=problem[:300], retry_within=round(self.backoff.ceiling, 2))


async def until_closed(channel: AbstractChannel) -> None:
    """Wait until the broker or the network closes the channel.

    Raises:
        Gone: then.
    """
    await channel.closed()
    raise Gone("the channel was closed")
