"""What fetching history needs of an installation: where rows go, which exchange is asked, what datasets get."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from cli.context import Context, Exit, UserError
from cli.plan import EXCHANGES
from connectors.archive.layout import CATALOGUE
from connectors.log import Log

if TYPE_CHECKING:
    from connectors.bybit.market import BybitMarket
    from connectors.history.coverage import Coverage
    from learning.backfill.automatic import History
    from learning.backfill.worker import MarketOf


def source_of(context: Context) -> str | None:
    """The source whose past belongs to the session in use; None for a recording, which has none.

    The demo and Bybit tell different stories, so what is fetched lies with the session's own log.
    """
    name = context.session.name
    if (source := _named(name)) is not None:
        return source
    if name.startswith("recorded-") and context.settings.bybit_rest_url is None:
        return None
    return context.settings.source if context.settings.source in EXCHANGES else "bybit"


def fetches_by_itself(context: Context) -> bool:
    """Whether what datasets lack is fetched: where it may be, and only from the exchange that the log is of.

    A session that no run began may hold anything: nothing is put into it unasked.
    """
    settings = context.settings
    known = _named(context.session.name) is not None or settings.bybit_rest_url is not None
    return settings.backfill_enabled and settings.backfill_auto and known


def _named(session: str) -> str | None:
    """The exchange whose session it is; None where it is none's."""
    return next((source for source in EXCHANGES if session in (source, f"{source}-virtual")), None)


def market_of(context: Context) -> "MarketOf":
    """Opens the exchange of the session in use.

    Raises:
        UserError: when it has none.
    """
    source = source_of(context)
    if source is None:
        raise UserError(
            f"the session in use, {context.session.name}, is a recording: it has no exchange whose past could be"
            " fetched. Run a live source, or name one with BYBIT_REST_URL",
            Exit.DATA,
        )

    @asynccontextmanager
    async def market(symbol: str) -> "AsyncIterator[BybitMarket]":
        from cli.exchange import open_market

        async with open_market(context.settings, source, [symbol]) as found:
            yield found

    return market


def coverage_of(context: Context, log: Log | None) -> "Coverage":
    """What there is: fetched files, the archive, and the log."""
    from connectors.history.coverage import Coverage

    return Coverage(context.archive, log)


def history_of(context: Context, log: Log) -> "History":
    """What datasets are built from; it fetches what they lack, where the settings allow it."""
    from learning.backfill.automatic import History

    settings = context.settings
    market = market_of(context) if fetches_by_itself(context) else None
    below = context.open_log("archive") if (context.archive / CATALOGUE).exists() else log
    return History(log, context.archive, context.database_url(), market, settings.backfill_max_days, below=below)


def refuse_when_off(context: Context) -> None:
    """Whether history may be fetched at all.

    Raises:
        UserError: when it may not.
    """
    if not context.settings.backfill_enabled:
        raise UserError("backfill is off: set FEATURE_SERVICE_BACKFILL_ENABLED=true")
