"""The exchange whose past is fetched: Bybit, or the demo exchange on loopback."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from cli.context import UserError
from cli.settings import Settings
from connectors.bybit.asking import Patience
from connectors.bybit.keys import Keys
from connectors.bybit.market import BybitMarket
from connectors.bybit.place import PLACES

PATIENT = Patience(attempts=8, longest=120.0)
"""Nobody waits for a backfill."""


@asynccontextmanager
async def open_market(
    settings: Settings, source: str | None = None, demo: Sequence[str] = (), patience: Patience = PATIENT
) -> AsyncIterator[BybitMarket]:
    """A client of the exchange that ``source`` (by default the one in the settings) stands for.

    ``demo`` gives the demo exchange, started here on loopback, whose past is the same whenever it is asked; it lists
    the symbols of the settings and those in ``demo``. Everything else is collected from Bybit, and its past is Bybit's.

    Raises:
        UserError: when only one half of an API key is set.
    """
    patience = replace(patience, delay=settings.rate_limit_delay_ms / 1000)
    if (source or settings.source) == "demo" and settings.bybit_rest_url is None:
        async with _demo([*settings.symbols, *demo]) as url, BybitMarket(url, patience=patience) as market:
            yield market
        return
    try:
        keys = Keys.from_environment()
    except ValueError as error:
        raise UserError(str(error)) from error
    url = settings.bybit_rest_url or PLACES[settings.bybit_environment].rest
    async with BybitMarket(url, patience=patience, keys=keys) as market:
        yield market


@asynccontextmanager
async def _demo(symbols: Sequence[str]) -> AsyncIterator[str]:
    """The demo exchange's REST interface, and where it is."""
    from connectors.demo.exchange_history.server import HistoryServer
    from connectors.demo.exchange_history.truth import Generated

    async with HistoryServer(Generated(list(dict.fromkeys(symbols)))) as server:
        yield server.rest_url
