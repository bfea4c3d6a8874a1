"""A client and a stand-in for the tests of this folder."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from connectors.bybit.asking import Patience
from connectors.bybit.market import BybitMarket
from connectors.demo.exchange_history.faults import RestFaults
from connectors.demo.exchange_history.server import HistoryServer
from connectors.demo.exchange_history.truth import Generated, Truth

HANG = 120.0
MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOW = 1_750_000_030_500_000
"""2025-06-15 15:07:10.5 UTC: half a minute into a minute."""
SYMBOL = "BTCUSDT"

T = TypeVar("T")


def run(coroutine: Awaitable[T]) -> T:
    """Run to the end; a hang is an error."""
    return asyncio.run(asyncio.wait_for(coroutine, HANG))


class Naps:
    """In place of sleeping: notes for how long."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


def generated(now: int = NOW, **settings) -> Generated:
    """The demo exchange at a time that stands still."""
    return Generated([SYMBOL, "ETHUSDT"], clock=lambda: now, **settings)


def client(server: HistoryServer, *, sleep=None, patience: Patience | None = None, **settings) -> BybitMarket:
    """A client that does not wait for pauses to pass, at the stand-in's time."""
    settings.setdefault("clock", server.truth.now)
    return BybitMarket(
        server.rest_url, sleep=sleep or Naps(), patience=patience or Patience(delay=0.0, attempts=8), **settings
    )


def asked(
    scenario: Callable[[BybitMarket, HistoryServer], Awaitable[T]],
    truth: Truth | None = None,
    faults: RestFaults | None = None,
    **settings,
) -> T:
    """What the scenario returns, with a client and a stand-in."""

    async def everything() -> T:
        async with HistoryServer(truth or generated(), faults) as server, client(server, **settings) as market:
            return await scenario(market, server)

    return run(everything())
