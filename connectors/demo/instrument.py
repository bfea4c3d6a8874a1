"""What is traded on the demo exchange: grid, lot and opening price of a symbol."""

from dataclasses import dataclass
from zlib import crc32

_KNOWN = {
    "BTCUSDT": (65_000.0, 1, 3),
    "ETHUSDT": (3_200.0, 2, 2),
    "SOLUSDT": (150.0, 3, 1),
    "XRPUSDT": (0.6, 5, 0),
}


@dataclass(frozen=True)
class Instrument:
    """One linear perpetual contract.

    The book and the tape count in whole ticks (``10 ** -price_digits`` quote) and lots (``10 ** -size_digits`` base),
    so that candles equal their trades exactly and every number is written as the decimal it is.
    """

    symbol: str
    opening: float
    price_digits: int
    size_digits: int

    def ticks(self, price: float) -> int:
        """The tick nearest to a price."""
        return round(price * 10**self.price_digits)

    def price(self, ticks: float) -> float:
        """Ticks in quote currency."""
        return ticks / 10**self.price_digits

    def size(self, lots: int) -> float:
        """Lots in base currency."""
        return lots / 10**self.size_digits

    @property
    def level_gap(self) -> int:
        """Mean distance of neighbouring book levels in ticks: about 0.05 basis points of the price."""
        return max(1, round(self.ticks(self.opening) * 5e-6))

    @property
    def level_lots(self) -> float:
        """Typical size of a level in lots: about 20,000 quote, at least 10 lots so that a level can be split."""
        return max(10.0, 20_000.0 / self.opening * 10**self.size_digits)


def instrument(symbol: str) -> Instrument:
    """The contract behind a name: a few known ones, and for any other name one that follows from it.

    >>> instrument("BTCUSDT").ticks(65_000.1)
    650001
    >>> instrument("ABCUSDT") == instrument("ABCUSDT")
    True
    """
    if symbol in _KNOWN:
        return Instrument(symbol, *_KNOWN[symbol])
    draw = crc32(symbol.encode())
    magnitude = draw % 4
    opening = round((1 + draw // 4 % 899 / 100) * 10**magnitude, 2)
    return Instrument(symbol, opening, 5 - magnitude, magnitude)
