"""The tape of the demo exchange."""

from typing import NamedTuple


class Fill(NamedTuple):
    """One trade: its number, when (microseconds UTC), price in ticks, size in lots, whether the taker bought, and the
    place in the exchange's sequence."""

    number: int
    time: int
    price: int
    lots: int
    buys: bool
    seq: int
