"""How much of a holding one exit signal closes."""

import math
from fractions import Fraction
from typing import NamedTuple

from schemas.strategy import Amount

DECIMALS = 9
"""Of a size in base currency: finer differences are rounding errors."""


class Closing(NamedTuple):
    """``size`` in base, ``amount`` in quote currency. ``partial``: the rule wanted no more."""

    size: float
    amount: float
    partial: bool


def closing(closable: float, share: float, held: float, price: float, limits: Amount) -> Closing | None:
    """What to close of ``closable``, where a rule wants ``share`` of ``held``; None when it is too little for a signal.

    What would be too small a part, or leave too small a rest for another signal, closes the whole instead; what is
    more than the largest amount is closed in several signals.

    >>> limits = Amount(minimum=10.0, maximum=1000.0)
    >>> closing(2.0, 0.5, 2.0, 100.0, limits)
    Closing(size=1.0, amount=100.0, partial=True)
    >>> closing(0.15, 0.5, 0.15, 100.0, limits)
    Closing(size=0.15, amount=15.0, partial=False)
    >>> closing(25.0, 1.0, 25.0, 100.0, limits).amount, closing(0.05, 1.0, 0.05, 100.0, limits)
    (1000.0, None)
    """
    if closable * price < limits.minimum:
        return None
    part = min(closable, share * held)
    partial = share < 1 and part * price >= limits.minimum and (closable - part) * price >= limits.minimum
    wanted, largest = part if partial else closable, _largest(closable, price, limits)
    if wanted <= largest:
        size = round(wanted, DECIMALS)
        return Closing(size, worth(size, price), partial)
    size = math.floor(largest * 10**DECIMALS) / 10**DECIMALS
    return Closing(size, min(worth(size, price), limits.maximum), partial)


def worth(size: float, price: float) -> float:
    """The amount in quote currency that closes ``size`` at ``price``: ``size * price``, never less in exact decimals.

    Readers divide by the price again and round down to whole steps: a last digit too little would leave a step open.

    >>> worth(0.3, 97.1), 0.3 * 97.1
    (29.13, 29.129999999999995)
    """
    exact = Fraction(repr(size)) * Fraction(repr(price))
    amount = float(exact)
    return amount if Fraction(repr(amount)) >= exact else math.nextafter(amount, math.inf)


def _largest(closable: float, price: float, limits: Amount) -> float:
    """The most that one signal may close, such that the rest is not too small for the next."""
    if closable * price <= limits.maximum:
        return closable
    rest = closable * price - limits.maximum
    return min(limits.maximum, max(limits.minimum, closable * price - max(rest, limits.minimum))) / price
