"""``lockstep exchange``: whether the exchange's REST interface answers, and what it says of our symbols."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli.context import Context, Exit, UserError
from cli.exchange import open_market
from cli.plan import parse_symbols
from connectors.bybit.asking import Patience
from connectors.bybit.errors import RestError
from connectors.bybit.market import BybitMarket

COLUMNS = ("symbol", "status", "listed", "tick", "lot", "funding_hours", "newest_candle", "close")
IMPATIENT = Patience(attempts=2)


def exchange(
    symbols: Annotated[str | None, typer.Option(help="Such as BTCUSDT,BTCUSDT-SPOT; unset: SYMBOLS.")] = None,
    source: Annotated[str | None, typer.Option(help="demo or bybit; unset: SOURCE.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """Ask the exchange's REST interface for the time and for our symbols: reachable, clocks together, names known."""
    with Context() as context:
        names = parse_symbols(symbols) if symbols else context.settings.symbols
        try:
            found = asyncio.run(_asked(context, source, names))
        except RestError as error:
            raise UserError(str(error), Exit.UNAVAILABLE) from error
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(f"{found['address']}: its clock is {found['clock_ahead_ms']:+,.0f} ms from ours")
    table = Table(*(column.replace("_", " ") for column in COLUMNS), box=None, pad_edge=False)
    for row in found["symbols"]:
        table.add_row(*("-" if row[column] is None else str(row[column]) for column in COLUMNS))
    Console().print(table)


async def _asked(context: Context, source: str | None, names: tuple[str, ...]) -> dict[str, Any]:
    async with open_market(context.settings, source, names, IMPATIENT) as market:
        await market.now()
        rows = [await _row(market, name) for name in names]
        return {
            "address": str(market.asker.http.base_url),
            "clock_ahead_ms": market.skew / 1000,
            "symbols": rows,
        }


async def _row(market: BybitMarket, name: str) -> dict[str, Any]:
    """What the exchange says of one symbol."""
    one = (await market.instruments(name))[0]
    candle = (await market.recent_klines(name, 1))[-1]
    hours = None if one.funding_interval is None else one.funding_interval / 3_600_000_000
    facts = (one.status, _day(one.launch), one.tick, one.lot, hours, _minute(candle.start), candle.close)
    return dict(zip(COLUMNS, (name, *facts), strict=True))


def _day(time: int | None) -> str | None:
    return None if time is None else f"{datetime.fromtimestamp(time / 1e6, UTC):%Y-%m-%d}"


def _minute(time: int) -> str:
    return f"{datetime.fromtimestamp(time / 1e6, UTC):%Y-%m-%d %H:%M}"
