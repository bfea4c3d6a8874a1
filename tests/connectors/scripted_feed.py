"""A feed whose every batch is written down by the test."""

import asyncio
from collections.abc import Callable

from schemas.market import Kline


class ScriptedFeed:
    """Yields the given batches; a callable among them is called instead, and awaited if it asks for it."""

    def __init__(self, batches: list, live: bool = False, symbols=None, history: list[Kline] | None = None) -> None:
        self.script: list[list | Callable] = batches
        self.live = live
        self.symbols = symbols
        self.past = history or []
        self.resumed: list[int] = []
        self.asked: list[str] = []
        self.closed = False

    async def history(self) -> list[Kline]:
        return self.past

    def resume(self, since: int) -> None:
        self.resumed.append(since)

    async def batches(self):
        try:
            for batch in self.script:
                if callable(batch):
                    done = batch()
                    if asyncio.iscoroutine(done):
                        await done
                else:
                    yield batch
                    await asyncio.sleep(0)
        finally:
            self.closed = True

    async def resync(self, symbol: str) -> None:
        self.asked.append(symbol)
