"""What of the past Bybit's REST interface gives."""

from connectors.bybit.errors import Kind

RECENT_TRADES = 1_000
RECENT_TRADES_SPOT = 60

_NOT_OFFERED: dict[Kind, str] = {
    "trades": (
        f"Bybit gives the last {RECENT_TRADES} trades of a contract ({RECENT_TRADES_SPOT} at spot) and no older ones;"
        " what was traded on a past day cannot be fetched"
    ),
    "ticker": "Bybit gives the ticker as it is now and no past ones; collect it live",
    "orderbook_snapshots": "Bybit gives the order book as it stands now and no past ones; collect it live",
    "orderbook_deltas": "Bybit sends changes of the order book on its WebSocket alone, as they happen: collect them",
}


def available(kind: Kind) -> str | None:
    """Why past data of this kind cannot be fetched; None where they can.

    >>> available("klines"), available("funding")
    (None, None)
    >>> available("ticker")
    'Bybit gives the ticker as it is now and no past ones; collect it live'
    """
    return _NOT_OFFERED.get(kind)
