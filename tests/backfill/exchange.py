"""The stand-in exchange in a thread, for tests that wait for whoever asks it."""

import asyncio
from datetime import date
from threading import Event, Thread
from types import TracebackType

from connectors.bybit.asking import Patience
from connectors.bybit.market import BybitMarket
from connectors.demo.exchange_history.faults import RestFaults
from connectors.demo.exchange_history.server import HistoryServer
from connectors.demo.exchange_history.truth import LAUNCH, Generated
from connectors.history.spans import HOUR, MINUTE, day_span

TODAY = date(2025, 3, 4)
NOW = day_span(TODAY).start + 9 * HOUR + 30 * MINUTE + 20_000_000
HURRIED = Patience(attempts=12, pause=0.001, longest=5.0, timeout=5.0, delay=0.0)
"""As many attempts as a test with faults in half of the answers needs, without long waits."""


def truth(launch: int = LAUNCH, symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT")) -> Generated:
    """What the exchange knows; its clock stands at ``NOW``."""
    return Generated(symbols, seed=7, clock=lambda: NOW, launch=launch)


class Exchange:
    """Serves a truth on loopback while the block lasts."""

    def __init__(
        self, faults: RestFaults | None = None, known: Generated | None = None, patience: Patience = HURRIED
    ) -> None:
        self.patience = patience
        self.truth = known or truth()
        self.server = HistoryServer(self.truth, faults)
        self.ready, self.over = Event(), asyncio.Event()
        self.thread = Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        async with self.server:
            self.ready.set()
            await self.over.wait()

    def __enter__(self) -> "Exchange":
        self.thread.start()
        assert self.ready.wait(60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.loop.call_soon_threadsafe(self.over.set)
        self.thread.join(60)
        assert not self.thread.is_alive()

    @property
    def requests(self) -> list[str]:
        """What was asked for candles and settlements."""
        return [path for path in self.server.desk.requests if "kline" in path or "funding" in path]

    def market(self, symbol: str = "") -> BybitMarket:
        """A client of it."""
        return BybitMarket(self.server.rest_url, patience=self.patience)
