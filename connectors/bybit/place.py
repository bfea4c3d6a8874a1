"""Where Bybit is: the real exchange, or the one for trying things out."""

from typing import Literal, NamedTuple

Environment = Literal["mainnet", "testnet"]


class Place(NamedTuple):
    """Addresses: of the REST interface, and of the public WebSocket up to the market's name."""

    rest: str
    websocket: str


PLACES: dict[Environment, Place] = {
    "mainnet": Place("https://api.bybit.com", "wss://stream.bybit.com/v5/public"),
    "testnet": Place("https://api-testnet.bybit.com", "wss://stream-testnet.bybit.com/v5/public"),
}
"""Prices of the testnet are not those of the market: never mix the two in one log."""
