"""The grids that sizes and prices of orders lie on."""

from collections.abc import Iterable
from decimal import Decimal
from math import ceil, floor, gcd
from typing import NamedTuple

from schemas.bounds import LARGEST
from schemas.market import Side

STEPS = 1000
"""Steps of size in one unit of the base currency: the order-manager's default step, for every symbol."""
STEP = 1 / STEPS
SLACK = 1e-6
RELATIVE = 1e-15
"""What rounding errors may hide of a whole step or tick: a part of one, and a part of their number."""
LARGEST_SIZE = LARGEST / 10
"""No order is larger, so that every sum of sizes still fits on the log."""
DECIMALS = 12
"""Prices are told apart up to so many decimals."""


def whole_steps(size: float) -> float:
    """A size rounded down to whole steps.

    >>> whole_steps(0.0019999), whole_steps(0.1 * 3), whole_steps(0.0002)
    (0.001, 0.3, 0.0)
    """
    return floor(min(size, LARGEST_SIZE) * STEPS * (1 + RELATIVE) + SLACK) / STEPS


def nearest_step(size: float) -> float:
    """A sum of whole steps without its rounding errors.

    >>> nearest_step(0.1 + 0.2), nearest_step(-0.7 + 0.1)
    (0.3, -0.6)
    """
    return round(size * STEPS) / STEPS


class Tick(NamedTuple):
    """The distance between prices: ``units`` / 10 ** ``decimals``."""

    units: int
    decimals: int

    def passive(self, price: float, side: Side) -> float:
        """The next price on the grid that is not better for the other side: down for a buy, up for a sell."""
        scale = 10**self.decimals
        ticks = price * scale / self.units
        slack = ticks * RELATIVE + SLACK
        whole = floor(ticks + slack) if side == "buy" else ceil(ticks - slack)
        return whole * self.units / scale


def tick_of(prices: Iterable[float]) -> Tick:
    """The coarsest grid that all the prices lie on: no event on the log tells an instrument's tick.

    Few prices may share a grid that is coarser than the instrument's; a best bid and a best ask never one that is
    coarser than their spread, so that rounding to it does not leave the best price.

    >>> tick_of([100.5, 101.0, 99.5]).passive(100.7, "buy")
    100.5
    >>> tick_of([0.00012, 0.00013]).passive(0.000121, "sell")
    0.00013
    """
    exact = [_exactly(price) for price in prices]
    decimals = max(decimals for _, decimals in exact)
    return Tick(gcd(*(number * 10 ** (decimals - own) for number, own in exact)) or 1, decimals)


def _exactly(price: float) -> tuple[int, int]:
    """(number, decimals) of the price as it is written: number / 10 ** decimals."""
    _, digits, exponent = Decimal(repr(price)).as_tuple()
    number, decimals = int("".join(map(str, digits))), -int(exponent)
    if decimals > DECIMALS:
        return number // 10 ** (decimals - DECIMALS), DECIMALS
    return (number, decimals) if decimals >= 0 else (number * 10**-decimals, 0)
