"""Everything that a learning loop has to say, as plain data: what its JSON file holds and its page shows."""

import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from reports.equity import curve, marks
from reports.loop.material import Material
from reports.loop.modes import WARMUP, Mode, modes
from reports.loop.quality import judged, rolling
from reports.prices import thinned
from reports.trips import RoundTrip, round_trips
from schemas.model import ModelRecord
from schemas.prediction import Outcome

FORM = 1
"""Of the result. Raised when a field changes its meaning; new fields may come at any time."""
TOP = 10
"""Features that are shown, the most important ones."""


def result(material: Material) -> dict[str, Any]:
    """The result of a loop. Everything in it can be written as JSON."""
    promotion = material.settings.learning.promotion
    spans = modes(material.changes, material.settings.strategy, material.symbol, material.start, material.end)
    trips = round_trips(material.executions)
    return {
        "form": FORM,
        "facts": dict(material.facts),
        "strategy": material.settings.strategy,
        "symbol": material.symbol,
        "target": msgspec.to_builtins(material.settings.learning.target),
        "start": material.start,
        "end": material.end,
        "notes": [msgspec.to_builtins(note) for note in material.notes],
        "modes": [msgspec.to_builtins(span) for span in spans],
        "price": [list(point) for point in thinned(material.bars, material.start, material.end)],
        "accuracy": {
            "window": promotion.samples,
            "threshold": promotion.accuracy,
            "floor": promotion.accuracy - promotion.margin,
            "series": {name: rolling(own, promotion.samples) for name, own in _by_model(material.outcomes).items()},
        },
        "equity": _equity(material),
        "money": _money(material, spans, trips),
        "models": [_model(record, material.outcomes) for record in material.models],
    }


def _by_model(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """The outcomes of each model in the order in which models appeared; a model's roles taken together, and when two
    roles asked it the same, it counts once."""
    found: dict[str, dict[tuple[str, int], Outcome]] = {}
    for one in outcomes:
        found.setdefault(one.model, {}).setdefault((one.symbol, one.ts), one)
    return {name: list(own.values()) for name, own in found.items()}


def _equity(material: Material) -> dict[str, Any]:
    """What each strategy made of the same cash, by strategy."""
    known = marks(material.executions, material.bars)
    found = {}
    for strategy in sorted({one.strategy for one in material.executions} | {material.settings.strategy}):
        own = [one for one in material.executions if one.strategy == strategy]
        line = curve(own, known, (), material.cash, material.start, material.end)
        found[strategy] = {"ts": line.times, "profit": [value - material.cash for value in line.equity]}
    return found


def _money(material: Material, spans: Sequence[Mode], trips: Sequence[RoundTrip]) -> list[dict[str, Any]]:
    """What came of each who was in charge, by what opened the position; then the other strategies as a whole."""
    rows = []
    for who in dict.fromkeys(span.who for span in spans):
        version = None if who == WARMUP else who
        seconds = sum(span.end - span.start for span in spans if span.who == who) / 1e6
        rows.append(_row(material, trips, material.settings.strategy, who, version, seconds))
    for strategy in sorted({one.strategy for one in material.executions} - {material.settings.strategy}):
        rows.append(_row(material, trips, strategy, WARMUP, None, (material.end - material.start) / 1e6))
    return rows


def _row(
    material: Material, trips: Sequence[RoundTrip], strategy: str, who: str, version: str | None, seconds: float
) -> dict[str, Any]:
    own = [trip for trip in trips if trip.strategy == strategy and trip.model_version == version]
    closed = [trip for trip in own if trip.closed is not None]
    return {
        "strategy": strategy,
        "who": who,
        "seconds": seconds,
        "signals": material.signals.get((strategy, version), 0),
        "trips": len(closed),
        "open": len(own) - len(closed),
        "win_rate": sum(trip.net > 0 for trip in closed) / len(closed) * 100 if closed else None,
        "gross": sum(trip.gross for trip in own),
        "fees": sum(trip.fees for trip in own),
        "net": sum(trip.net for trip in own),
    }


def _model(record: ModelRecord, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """A version: what it was trained on, what its test said, and what life said.

    ``shadow`` is before it ever led, or where it never did; ``fallen`` when it was watched on after its fall.
    """
    own = [one for one in outcomes if one.model == record.version]
    led = min((one.ts for one in own if one.role == "champion"), default=sys.maxsize)
    ranked = sorted(record.importance.items(), key=lambda row: (-row[1], row[0]))
    total = sum(record.importance.values())
    return {
        "version": record.version,
        "family": record.family,
        "trigger": record.trigger,
        "trained_at": record.trained_at,
        "sha256": record.sha256,
        "rounds": record.rounds,
        "features": len(record.features),
        "classes": list(record.classes),
        "splits": {name: msgspec.to_builtins(period) for name, period in record.splits.items()},
        "metrics": dict(record.metrics),
        "importance": [[name, value / total if total else 0.0] for name, value in ranked[:TOP]],
        "notes": list(record.notes),
        "shadow": judged([one for one in own if one.role == "shadow" and one.ts < led]),
        "champion": judged([one for one in own if one.role == "champion"]),
        "fallen": judged([one for one in own if one.role == "shadow" and one.ts >= led]),
        "live": judged(_by_model(own).get(record.version, [])),
    }


def encoded(found: dict[str, Any]) -> bytes:
    """A result as the bytes of its JSON file: the same for the same result."""
    return msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"
