"""Numbers and ids as the other services write them: decimal strings, with exponents where their library likes that."""

from decimal import Decimal, InvalidOperation
from typing import Any


def number(value: Any, name: str) -> float:
    """A decimal string or a number as a float.

    >>> number("0E-8", "size"), number("-2.50000000", "size"), number(3, "size")
    (0.0, -2.5, 3.0)

    Raises:
        ValueError: when it is neither, or not finite.
    """
    try:
        found = Decimal(value) if isinstance(value, str) else Decimal(str(value))
    except (InvalidOperation, ValueError):
        raise ValueError(f"{name} {value!r:.60} is no number") from None
    if isinstance(value, bool) or not found.is_finite() or abs(found.adjusted()) > 300:
        if found == 0 and not isinstance(value, bool):
            return 0.0
        raise ValueError(f"{name} {value!r:.60} is no finite number")
    return float(found) + 0.0


def number_or_none(value: Any, name: str) -> float | None:
    """As ``number``; nothing, or an empty text, stays nothing."""
    return None if value is None or value == "" else number(value, name)


def text(value: Any) -> str | None:
    """An id, if there is one, as far as an event keeps it."""
    return None if value is None or value == "" else str(value)[:256]
