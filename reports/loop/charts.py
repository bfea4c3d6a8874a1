"""Charts of a learning loop as geometry: lines over time before a backdrop of who was in charge."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from reports.chart import LEFT, RIGHT, WIDTH, Label, Scale, path, time_labels, value_labels

COLOURS = 6
"""Series are told apart by classes c0 ... c5."""
ROWS = 6
ROOM = 16
FIRST_ROW = 18
"""Pixels of the numbers above a chart."""


class Line(NamedTuple):
    """A series: its name, its colour (a class of the page) and SVG path data."""

    name: str
    colour: str
    path: str


class Span(NamedTuple):
    """A part of the backdrop, in pixels."""

    who: str
    colour: str
    x: float
    width: float


class Mark(NamedTuple):
    """A numbered moment; ``y`` is where the number stands, so that neighbours do not hide each other."""

    x: float
    y: float
    number: int
    kind: str
    text: str


class Rule(NamedTuple):
    """A horizontal line with a name."""

    y: float
    text: str


class Chart(NamedTuple):
    """A drawing area ``height`` pixels high; ``zero`` is where 0 lies, if inside."""

    height: int
    lines: list[Line]
    spans: list[Span]
    marks: list[Mark]
    rules: list[Rule]
    x: list[Label]
    y: list[Label]
    zero: float | None


def colours(result: Mapping[str, Any]) -> dict[str, str]:
    """A class for each version and strategy; warm-up, and who never learns, is grey, River has its own.

    Versions first, in the order in which they were trained, so that a version has one colour on the whole page.
    """
    found = {model["version"]: f"c{place % COLOURS}" for place, model in enumerate(result["models"])}
    return {"warm-up": "grey", "online": "river", result["strategy"]: "c0"} | found


def chart(
    result: Mapping[str, Any],
    series: Mapping[str, Sequence[tuple[int, float]]],
    height: int,
    *,
    reach: Sequence[float] = (),
    rules: Mapping[str, float] | None = None,
    marked: bool = False,
) -> Chart:
    """Lines over the whole run. ``reach`` are values that must find their place, too; ``marked`` numbers the notes."""
    values = [value for points in series.values() for _, value in points] + list(reach)
    low, high = min(values, default=0.0), max(values, default=1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1.0):
        low, high = low - 1.0, high + 1.0
    x = Scale(result["start"], result["end"], LEFT, WIDTH - RIGHT)
    y = Scale(low, high, height - 24, FIRST_ROW + ROWS * ROOM // 2 if marked else 10)
    known = colours(result)
    return Chart(
        height,
        [Line(name, known.get(name, "grey"), path((x(ts), y(v)) for ts, v in pts)) for name, pts in series.items()],
        [_span(mode, known, x) for mode in result["modes"]],
        _marks(result["notes"], x) if marked else [],
        [Rule(y(value), text) for text, value in (rules or {}).items()],
        time_labels(x),
        value_labels(y),
        y(0.0) if low < 0 < high else None,
    )


def _span(mode: Mapping[str, Any], known: Mapping[str, str], x: Scale) -> Span:
    left = x(mode["start"])
    return Span(mode["who"], known.get(mode["who"], "grey"), left, round(x(mode["end"]) - left, 2))


def _marks(notes: Sequence[Mapping[str, Any]], x: Scale) -> list[Mark]:
    """Each number on the highest of some rows where there is room for it."""
    taken = [float("-inf")] * ROWS
    marks = []
    for number, note in enumerate(notes, start=1):
        at = x(note["ts"])
        row = next((row for row in range(ROWS) if at - taken[row] >= ROOM), number % ROWS)
        taken[row] = at
        marks.append(Mark(at, FIRST_ROW + row * ROOM, number, note["kind"], note["text"]))
    return marks


def reliability(bins: Sequence[Mapping[str, float]], size: int = 150) -> list[dict[str, float]]:
    """Calibration as circles in a square of ``size`` pixels: x confidence, y share of right ones, area the number."""
    total = sum(found["samples"] for found in bins)
    return [
        {
            "x": round(found["confidence"] * size, 2),
            "y": round((1 - found["right"]) * size, 2),
            "r": round(3 + 9 * (found["samples"] / total) ** 0.5, 2),
            **found,
        }
        for found in bins
    ]
