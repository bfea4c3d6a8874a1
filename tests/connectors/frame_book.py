"""A second, plain reader of Bybit frames: decimals instead of floats, no library but json."""

import json
from decimal import Decimal


class FrameBook:
    """A book kept by the exchange's words: a snapshot replaces it, a delta sets or removes levels."""

    def __init__(self) -> None:
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}
        self.u: int | None = None

    def apply(self, message: dict) -> None:
        """Take one ``orderbook`` message; complains about a hole in ``u`` and about removing what is not there."""
        data = message["data"]
        if message["type"] == "snapshot":
            self.bids, self.asks = {}, {}
        else:
            assert data["u"] == self.u + 1, f"u {data['u']} after {self.u}"
        self.u = data["u"]
        for side, levels in ((self.bids, data["b"]), (self.asks, data["a"])):
            for price, size in levels:
                if Decimal(size):
                    side[Decimal(price)] = Decimal(size)
                else:
                    assert side.pop(Decimal(price), None) is not None, f"removed {price}, which is not there"

    @property
    def best(self) -> tuple[Decimal, Decimal]:
        """Best bid and best ask."""
        return max(self.bids), min(self.asks)


def channel(message: dict) -> str:
    """``orderbook``, ``publicTrade``, ``kline`` or ``tickers``."""
    return message["topic"].split(".")[0]


def symbol(message: dict) -> str:
    """The symbol of a message."""
    return message["topic"].split(".")[-1]


def messages(frames) -> list[dict]:
    """The frames as Python objects."""
    return [json.loads(frame.data) for frame in frames]
