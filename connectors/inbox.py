"""From connections to the collector: what came, in order, without waiting for more."""

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """A queue inside one event loop from which everything that is there is taken at once."""

    def __init__(self) -> None:
        self.items: list[T] = []
        self.filled = asyncio.Event()

    def put(self, *items: T) -> None:
        """Add items at the end."""
        self.items += items
        self.filled.set()

    async def take(self, patience: float) -> list[T]:
        """All that is there; where there is nothing, what comes first within ``patience`` seconds, or nothing."""
        if not self.items:
            self.filled.clear()
            try:
                async with asyncio.timeout(patience):
                    await self.filled.wait()
            except TimeoutError:
                return []
        items, self.items = self.items, []
        return items
