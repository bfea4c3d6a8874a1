"""``position_states``: one row for each open position, with its entry, its peak and its highest profit."""

from typing import Any

import msgspec

from connectors.postgres.columns import Row, decimal, moment
from schemas.account import PositionEvent

WRITE = """
insert into position_states as known
    (asset, entry_price, entry_time, peak_price, highest_unrealized_pnl, created_at, updated_at)
values (%(asset)s, %(entry)s, %(since)s, %(peak)s, %(highest)s, now() at time zone 'utc', now() at time zone 'utc')
on conflict (asset) do update set
    entry_price = excluded.entry_price, entry_time = excluded.entry_time, peak_price = excluded.peak_price,
    highest_unrealized_pnl = excluded.highest_unrealized_pnl, updated_at = excluded.updated_at,
    last_exit_signal_time = case when known.entry_time = excluded.entry_time then known.last_exit_signal_time end
"""
CLOSE = "delete from position_states where asset = %(asset)s"


class Open(msgspec.Struct, array_like=True):
    """An open position. ``size`` is signed; ``since`` microseconds UTC; ``peak`` is the best price for its side."""

    size: float
    entry: float
    since: int
    peak: float
    highest: float = 0.0


class OpenPositions:
    """Folds the position events of one shard into open positions. A position that changes its side is a new one.

    >>> positions = OpenPositions()
    >>> _ = positions.feed(PositionEvent("BTCUSDT", 5, 5, size=2.0, entry=100.0, unrealized_pnl=10.0))
    >>> _ = positions.feed(PositionEvent("BTCUSDT", 9, 9, size=1.0, entry=100.0, unrealized_pnl=-1.0))
    >>> positions.open["BTCUSDT"]
    Open(size=1.0, entry=100.0, since=5, peak=105.0, highest=10.0)
    """

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self.open = msgspec.convert(state or {}, dict[str, Open])

    def feed(self, event: PositionEvent) -> list[Row]:
        """Take what the account reports of one symbol; returns what its row becomes.

        Without an entry price there is nothing that could be written. The price of the moment follows from the
        unrealised profit.
        """
        if event.size == 0:
            self.open.pop(event.symbol, None)
            return [Row(CLOSE, {"asset": event.symbol})]
        if event.entry is None:
            return []
        profit = event.unrealized_pnl or 0.0
        price = max(event.entry + profit / event.size, 0.0) or event.entry
        held = self.open.get(event.symbol)
        if held is None or held.size * event.size < 0:
            held = self.open[event.symbol] = Open(event.size, event.entry, event.ts, price)
        best = max if event.size > 0 else min
        held.size, held.entry = event.size, event.entry
        held.peak, held.highest = best(held.peak, price), max(held.highest, profit)
        return [_row(event.symbol, held)]

    def state(self) -> dict[str, Any]:
        """The open positions as plain data."""
        kept: dict[str, Any] = msgspec.to_builtins(self.open)
        return kept


def _row(asset: str, held: Open) -> Row:
    params = {
        "asset": asset,
        "entry": decimal(held.entry),
        "since": moment(held.since),
        "peak": decimal(held.peak),
        "highest": decimal(held.highest),
    }
    return Row(WRITE, params)
