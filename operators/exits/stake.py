"""What one strategy has at stake in one symbol, and what exit rules must remember of it."""

from typing import Literal

import msgspec

from operators.spans import SECOND
from operators.trading.holding import Holding
from schemas.market import Side

EntryFrom = Literal["fills", "report", "price"]


class Stake(msgspec.Struct, array_like=True):
    """A holding that is open. Sizes are base (negative: short), prices and profits quote, times shard clock (us).

    ``peak`` is the best price since it was opened, the highest for a long and the lowest for a short, and ``highest``
    the highest unrealised profit; None before the first price. ``entry_from`` says where the entry price is from: our
    own fills, or for an adopted position the account's report or the price at adoption. ``partial`` is the signal of a
    partial exit, ``partial_done`` whether it executed anything. ``updated`` is the last position update that was
    evaluated, and ``waits`` says that a later one was held back.

    >>> stake = Stake("swing", "BTCUSDT", size=-2.0, entry=100.0, opened=0)
    >>> stake.see(90.0); stake.see(95.0)
    >>> stake.peak, stake.highest, stake.profit_percent(95.0)
    (90.0, 20.0, 5.000000000000004)
    """

    strategy: str
    symbol: str
    size: float
    entry: float
    opened: int
    entry_from: EntryFrom = "fills"
    peak: float | None = None
    highest: float | None = None
    partial: str | None = None
    partial_done: bool = False
    updated: int | None = None
    waits: bool = False

    @property
    def closing_side(self) -> Side:
        """Longs are sold, shorts bought back."""
        return "sell" if self.size > 0 else "buy"

    def profit(self, price: float) -> float:
        """Unrealised profit in quote currency."""
        return self.size * (price - self.entry)

    def profit_percent(self, price: float) -> float:
        """Unrealised profit in per cent of the entry value; positive is a gain for longs and shorts alike."""
        return (price / self.entry - 1) * (100 if self.size > 0 else -100)

    def see(self, price: float) -> None:
        """Take a price of the symbol in."""
        peak = self.peak
        if peak is None or (price > peak if self.size > 0 else price < peak):
            self.peak = price
        profit = self.size * (price - self.entry)
        if self.highest is None or profit > self.highest:
            self.highest = profit

    def same(self, holding: Holding) -> bool:
        """Whether ``holding`` is still this one: not closed, turned over or opened anew in between."""
        return holding.opened == self.opened and holding.size * self.size > 0

    def update(self, clock: int, changed: bool, debounce: float) -> bool:
        """Debounce a position update; returns whether to evaluate it now.

        One that comes ``debounce`` seconds or more after the last evaluated one is evaluated at once. Any other that
        changed the reported size makes the stake wait: neither updates nor prices are evaluated until the first price,
        vector, tick or execution ``debounce`` seconds after the last evaluated update, when the newest report counts.
        The wait is not extended, so that a storm of updates cannot put an exit off for longer. A single update delays
        nothing.
        """
        if not self._quiet(clock, debounce):
            self.updated, self.waits = clock, False
            return True
        self.waits = self.waits or changed
        return False

    def waiting(self, clock: int, debounce: float) -> bool:
        """Whether a position update that was held back still waits for its time."""
        self.waits = self.waits and self._quiet(clock, debounce)
        return self.waits

    def _quiet(self, clock: int, debounce: float) -> bool:
        return self.updated is not None and clock < self.updated + debounce * SECOND
