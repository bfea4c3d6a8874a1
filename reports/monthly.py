"""Results by calendar month, UTC."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from reports.equity import Curve
from reports.trips import RoundTrip


def month_of(time: int) -> str:
    """The month that a moment belongs to: the end of one is the end of it, not the start of the next.

    >>> month_of(1_704_067_200_000_000), month_of(1_704_067_200_000_001)
    ('2023-12', '2024-01')
    """
    return datetime.fromtimestamp((time - 1) // 1_000_000, UTC).strftime("%Y-%m")


def monthly(curve: Curve, trips: Sequence[RoundTrip]) -> list[dict[str, Any]]:
    """For each month of the curve: profit, return in per cent of the equity it began with (None where that was not
    positive), and what was closed in it."""
    rows: dict[str, dict[str, Any]] = {}
    before = curve.equity[0] if curve.equity else 0.0
    for time, equity in zip(curve.times[1:], curve.equity[1:], strict=True):
        row = rows.setdefault(month_of(time), {"begins": before})
        row["ends"] = before = equity
    return [_row(month, row, trips) for month, row in sorted(rows.items())]


def _row(month: str, row: dict[str, float], trips: Sequence[RoundTrip]) -> dict[str, Any]:
    closed = [trip for trip in trips if trip.closed is not None and month_of(trip.closed) == month]
    profit = row["ends"] - row["begins"]
    return {
        "month": month,
        "profit": profit,
        "return_percent": profit / row["begins"] * 100 if row["begins"] > 0 else None,
        "trips": len(closed),
        "won": sum(trip.net > 0 for trip in closed),
        "fees": sum(trip.fees for trip in closed),
    }
