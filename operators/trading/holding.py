"""What one strategy holds of one symbol, from the fills of its own signals."""

from dataclasses import dataclass

from schemas.market import Side

DUST = 1e-9
"""Sizes below this, in base currency, are rounding errors of exact sizes that add up to nothing."""


@dataclass
class Holding:
    """A signed size in base currency and its average entry price.

    >>> holding = Holding()
    >>> holding.trade("buy", 2.0, 100.0, at=5)
    (0.0, 0.0)
    >>> holding.trade("sell", 3.0, 110.0, at=9)
    (20.0, 2.0)
    >>> holding.size, holding.entry, holding.opened
    (-1.0, 110.0, 9)
    """

    size: float = 0.0
    entry: float = 0.0
    opened: int = 0
    realized: float = 0.0
    fees: float = 0.0

    def trade(self, side: Side, size: float, price: float, at: int) -> tuple[float, float]:
        """Apply an execution; returns the profit before fees of what it closed, and the size closed.

        The entry price is the mean of what opened the position, weighted by size; closing does not move it; what turns
        the position over begins a new one.
        """
        signed = size if side == "buy" else -size
        before = self.size
        if before * signed >= 0:
            self.entry = (abs(before) * self.entry + size * price) / (abs(before) + size)
            self.size = before + signed
            if before == 0:
                self.opened = at
            return 0.0, 0.0
        closed = min(size, abs(before))
        profit = closed * (price - self.entry) * (1 if before > 0 else -1)
        self.size = before + signed
        if abs(self.size) < DUST:
            self.size, self.entry, self.opened = 0.0, 0.0, 0
        elif size > abs(before):
            self.entry, self.opened = price, at
        self.realized += profit
        return profit, closed

    def profit(self, price: float) -> float:
        """Unrealised profit at ``price``, in quote currency."""
        return self.size * (price - self.entry)

    def profit_percent(self, price: float) -> float:
        """Unrealised profit in per cent of the entry value; positive is a gain for longs and shorts alike."""
        return (price / self.entry - 1) * (100 if self.size > 0 else -100)
