"""Everything that a run has to say, as plain data: what its JSON file holds and its page shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from reports.bar import PriceBar
from reports.drawdown import below_peak
from reports.equity import Curve, Prices, curve, marks
from reports.excursion import Excursions
from reports.figure import Table
from reports.metrics import measure
from reports.monthly import monthly
from reports.payments import Payment
from reports.prices import thinned
from reports.ratios import YEAR
from reports.reasons import Reasons
from reports.trips import RoundTrip, round_trips
from schemas.account import Execution

FORM = 1
"""Of the result. Raised when a field changes its meaning; new fields may come at any time."""


@dataclass
class Material:
    """What a result is made of: records of one run between ``start`` and ``end`` (microseconds UTC).

    ``cash`` is what each of ``symbols`` began with; ``rules`` maps the id of an exit signal to its rule.
    """

    start: int
    end: int
    cash: float
    symbols: Sequence[str]
    executions: list[Execution] = field(default_factory=list)
    bars: list[PriceBar] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    rules: dict[str, str] = field(default_factory=dict)
    reasons: Reasons = field(default_factory=Reasons)

    @cached_property
    def marks(self) -> Prices:
        """Every known price, of whoever traded."""
        return marks(self.executions, self.bars)

    def curve_of(self, executions: Sequence[Execution], payments: Sequence[Payment], cash: float) -> Curve:
        """The equity of a part of the run."""
        return curve(executions, self.marks, payments, cash, self.start, self.end)


def result(material: Material, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a run; ``facts`` says what was run. Everything in it can be written as JSON."""
    excursions = Excursions(material.bars)
    found = round_trips(material.executions, material.rules)
    trips = [excursions.measured(trip, material.end) for trip in found]
    whole = material.curve_of(material.executions, material.payments, material.cash * len(material.symbols))
    table = measure(trips, material.executions, whole, material.payments, material.reasons)
    return {
        "form": FORM,
        "facts": dict(facts),
        "metrics": table.values,
        "missing": table.missing,
        "sampling": {
            "period_seconds": whole.period,
            "samples": len(whole.whole),
            "periods_per_year": YEAR / whole.period,
        },
        "parts": _parts(material, trips),
        "monthly": monthly(whole, trips),
        "exits": _exits(trips),
        "decisions": {
            "total": material.reasons.total,
            "outcomes": material.reasons.outcomes(),
            "skips": material.reasons.skips(),
            "signals": material.reasons.signals(),
            "rows": material.reasons.rows(),
        },
        "trips": [_plain(trip) for trip in trips],
        "executions": [msgspec.to_builtins(one) for one in material.executions],
        "payments": [payment._asdict() for payment in material.payments],
        "equity": _columns(whole),
        "prices": {
            symbol: [list(point) for point in thinned(own, material.start, material.end)]
            for symbol in material.symbols
            if (own := [bar for bar in material.bars if bar.symbol == symbol])
        },
    }


def encoded(found: Mapping[str, Any]) -> bytes:
    """A result as the bytes of its JSON file: the same for the same result."""
    return msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"


def _parts(material: Material, trips: Sequence[RoundTrip]) -> list[dict[str, Any]]:
    """The figures of each strategy and symbol that traded."""
    keys = sorted({(one.strategy, one.symbol) for one in material.executions})
    rows = []
    for strategy, symbol in keys:
        table = _part(material, trips, strategy, symbol, alone=sum(other == symbol for _, other in keys) == 1)
        rows.append({"strategy": strategy, "symbol": symbol, "metrics": table.values, "missing": table.missing})
    return rows


def _part(material: Material, trips: Sequence[RoundTrip], strategy: str, symbol: str, alone: bool) -> Table:
    executions = [one for one in material.executions if (one.strategy, one.symbol) == (strategy, symbol)]
    payments = [payment for payment in material.payments if payment.symbol == symbol] if alone else None
    own = material.curve_of(executions, payments or (), material.cash)
    mine = [trip for trip in trips if (trip.strategy, trip.symbol) == (strategy, symbol)]
    table = measure(mine, executions, own, payments)
    for name in ("decisions", "signals", "skips"):
        del table.values[name]
    return table


def _exits(trips: Sequence[RoundTrip]) -> list[dict[str, Any]]:
    """How often each exit rule closed a position, and what came of it; the most frequent first."""
    found: dict[str, list[RoundTrip]] = {}
    for trip in trips:
        if trip.closed is not None:
            found.setdefault(trip.rule, []).append(trip)
    ordered = sorted(found.items(), key=lambda row: (-len(row[1]), row[0]))
    return [{"rule": rule, "trips": len(own), "net": sum(trip.net for trip in own)} for rule, own in ordered]


def _plain(trip: RoundTrip) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(trip)
    return plain | {"held_seconds": trip.held, "percent": trip.percent}


def _columns(whole: Curve) -> dict[str, list[Any]]:
    return {
        "ts": whole.times,
        "equity": whole.equity,
        "drawdown": below_peak(whole.equity),
        "exposure": whole.exposure,
    }
