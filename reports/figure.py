"""Figures that may be unknown: a number, or nothing and the reason why."""

import math
from collections.abc import Mapping

Figures = dict[str, float | None]
"""Name to value, in the unit that ``reports.catalogue`` states; None stands for what cannot be known."""


class Table:
    """Collects figures; no NaN and no infinity ever gets in.

    >>> table = Table()
    >>> table.put("win_rate", 50.0)
    >>> table.ratio("profit_factor", 3.0, 0.0, "no losing trade")
    >>> table.values, table.missing
    ({'win_rate': 50.0, 'profit_factor': None}, {'profit_factor': 'no losing trade'})
    """

    def __init__(self) -> None:
        self.values: Figures = {}
        self.missing: dict[str, str] = {}

    def put(self, name: str, value: float | None, reason: str = "not known") -> None:
        """Set a figure; ``reason`` says why it is None, or why it is no finite number."""
        if value is None or not math.isfinite(value):
            self.values[name] = None
            self.missing[name] = reason if value is None else f"{reason} ({value})"
        else:
            self.values[name] = value + 0.0  # a negative zero would read as a loss

    def ratio(self, name: str, dividend: float, divisor: float, reason: str) -> None:
        """Set ``dividend / divisor``; unknown for the given reason where the divisor is zero."""
        self.put(name, dividend / divisor if divisor else None, reason)

    def update(self, values: Mapping[str, float | None], missing: Mapping[str, str]) -> None:
        """Take the figures of another table."""
        for name, value in values.items():
            self.put(name, value, missing.get(name, "not known"))
