"""What backfilling needs of an exchange: ``connectors.bybit.market.BybitMarket`` is one."""

from collections.abc import Sequence
from typing import Protocol

from connectors.bybit.instruments import Instrument
from schemas.market import Funding, Kline


class Market(Protocol):
    """Rows of the past, oldest first, marked as backfilled, each received when it was known; times microseconds UTC.

    What an answer lacks is asked for again; what is still missing then is raised as ``MissingRows``, with what was
    found. Everything else that goes wrong for good is a ``RestError``.
    """

    async def klines(self, symbol: str, start: int, end: int) -> Sequence[Kline]:
        """The closed one-minute candles that begin in [start, end)."""
        ...

    async def funding(self, symbol: str, start: int, end: int) -> Sequence[Funding]:
        """The rates that were paid in [start, end)."""
        ...

    async def instruments(self, symbol: str | None = None) -> Sequence[Instrument]:
        """What is traded, or the one symbol."""
        ...

    async def time(self) -> int:
        """The exchange's time."""
        ...
