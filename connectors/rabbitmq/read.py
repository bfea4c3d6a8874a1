"""Reading messages: what cannot be read is kept with its reason, and stops nobody."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from connectors.rabbitmq.consume import Delivery
from connectors.rabbitmq.journal import Journal
from schemas.codec import UNREADABLE, decode_event, encode

T = TypeVar("T")
REFUSED = (ValueError, KeyError, TypeError, OverflowError, *UNREADABLE)
"""What reading a strange message may raise."""


async def readable(journal: Journal, deliveries: Sequence[Delivery], read: Callable[[Delivery], T]) -> list[T]:
    """What the messages say, in order. Those that cannot be read, or say what no event may hold, become dead letters.

    ``read`` gives an event or a list of events.
    """
    found = []
    for delivery in deliveries:
        try:
            said = read(delivery)
            for event in said if isinstance(said, list) else [said]:
                decode_event(encode(event))
        except REFUSED as error:
            reason = f"{type(error).__name__} {error}" if isinstance(error, KeyError | TypeError) else str(error)
            await journal.dead(f"bridge/{delivery.queue}", reason, delivery.body, delivery.trace_id)
        else:
            found.append(said)
    return found
