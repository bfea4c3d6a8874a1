"""What is traded on Bybit: grid, lots, since when, and how often funding is paid."""

import msgspec

from connectors.bybit.answers import InstrumentRow
from connectors.bybit.errors import Passing
from connectors.bybit.topics import our_name


class Instrument(msgspec.Struct, frozen=True):
    """One contract or spot pair. ``symbol`` is our name; times in microseconds, prices in quote, sizes in base.

    ``launch`` is None where Bybit does not say (spot), ``funding_interval`` where there is no funding.
    """

    symbol: str
    market: str
    status: str
    tick: float
    lot: float
    launch: int | None = None
    funding_interval: int | None = None


def instrument(market: str, row: InstrumentRow) -> Instrument:
    """A row of ``instruments-info``.

    Raises:
        Passing: when it lacks its lot.
    """
    lot = row.lots.step or row.lots.precision
    if lot is None:
        raise Passing(f"the instrument {row.symbol} has no lot size")
    return Instrument(
        our_name(market, row.symbol),
        market,
        row.status,
        row.prices.tick,
        lot,
        int(row.launch) * 1000 if row.launch else None,
        row.funding * 60_000_000 if row.funding else None,
    )
