"""Charts as geometry: where lines, areas and labels go. The templates draw them as SVG, and escape what they write."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from math import floor, log10
from typing import NamedTuple

WIDTH = 960
LEFT = 84
RIGHT = 12
MINUTE, DAY = 60, 86_400
HOURS = tuple(hours * 3600 for hours in (1, 3, 6, 12))
DAYS = tuple(days * DAY for days in (1, 2, 7, 14, 28, 91, 182, 364, 1820, 3640))
STEPS = (1, 5, 10, 30, MINUTE, 300, 600, 1800, *HOURS, *DAYS)
"""Seconds between two labels of a time axis, to choose from."""


class Label(NamedTuple):
    """A text at a distance (pixels) along an axis."""

    at: float
    text: str


class Panel(NamedTuple):
    """A drawing area: ``path`` is a line and ``area`` closed, as SVG path data; ``zero`` is where 0 lies, if inside."""

    title: str
    height: int
    path: str
    area: str
    x: list[Label]
    y: list[Label]
    zero: float | None


class Scale(NamedTuple):
    """Maps [low, high] onto [start, end] pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low or 1
        return round(self.start + (value - self.low) / span * (self.end - self.start), 2)


def panel(
    title: str,
    times: Sequence[int],
    values: Sequence[float],
    height: int,
    *,
    reach: Sequence[float] = (),
    from_zero: bool = False,
) -> tuple[Panel, Scale, Scale]:
    """A line over time with its axes, and the scales to put more onto it.

    ``reach`` are values that must find their place, too; an area ``from_zero`` hangs from or stands on 0.
    """
    everything = [*values, *reach, *([0.0] if from_zero else [])]
    low, high = min(everything, default=0.0), max(everything, default=1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1.0):
        low, high = low - 1.0, high + 1.0
    x = Scale(times[0] if times else 0, times[-1] if times else 1, LEFT, WIDTH - RIGHT)
    y = Scale(low, high, height - 24, 10)
    line = path((x(time), y(value)) for time, value in zip(times, values, strict=True))
    floor_at = y(0.0) if from_zero else height - 24
    area = f"{line}L{x(times[-1])} {floor_at}L{x(times[0])} {floor_at}Z" if times else ""
    zero = y(0.0) if low < 0 < high else None
    return Panel(title, height, line, area, time_labels(x), value_labels(y), zero), x, y


def path(points: Iterable[tuple[float, float]]) -> str:
    """SVG path data of a line through points.

    >>> path([(0, 1), (2, 3)])
    'M0 1L2 3'
    """
    return "".join(f"{'L' if number else 'M'}{x} {y}" for number, (x, y) in enumerate(points))


def band(points: Sequence[tuple[float, float, float]]) -> str:
    """SVG path data of the area between two lines: (x, lower, upper)."""
    upper = [(x, high) for x, _, high in points]
    lower = [(x, low) for x, low, _ in reversed(points)]
    return path([*upper, *lower]) + "Z" if points else ""


def value_labels(scale: Scale, most: int = 5) -> list[Label]:
    """Round numbers along a value axis.

    >>> [label.text for label in value_labels(Scale(0, 10, 100, 0))]
    ['0', '2', '4', '6', '8', '10']
    >>> [label.text for label in value_labels(Scale(-10, 0, 100, 0), most=4)]
    ['−10.0', '−7.5', '−5.0', '−2.5', '0.0']
    """
    step = round_step((scale.high - scale.low) / most)
    digits = max(0, -floor(log10(step)))
    digits += round(step * 10**digits, 6) % 1 > 0  # two and a half needs one more
    first = -(-scale.low // step)
    values = [(first + number) * step for number in range(most * 2 + 2)]
    shown = [value + 0.0 for value in values if value <= scale.high + step * 1e-9]
    return [Label(scale(value), f"{value:,.{digits}f}".replace("-", "−")) for value in shown]


def round_step(rough: float) -> float:
    """The smallest of 1, 2, 2.5, 5 and 10 times a power of ten that is not below ``rough``.

    >>> round_step(0.3), round_step(18.0)
    (0.5, 20.0)
    """
    power = 10.0 ** floor(log10(rough))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= rough * (1 - 1e-9))


def time_labels(scale: Scale, most: int = 8) -> list[Label]:
    """Round moments along a time axis, UTC."""
    span = (scale.high - scale.low) / 1_000_000
    step = next((step for step in STEPS if span / step <= most), STEPS[-1])
    form = "%H:%M:%S" if step < MINUTE else "%H:%M" if step < DAY else "%Y-%m-%d"
    micros = step * 1_000_000
    first = int(-(-scale.low // micros) * micros)
    return [Label(scale(time), at(time, form)) for time in range(first, int(scale.high) + 1, micros)]


def at(time: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A moment for people, UTC.

    >>> at(1_700_000_000_000_000)
    '2023-11-14 22:13:20'
    """
    return datetime.fromtimestamp(time // 1_000_000, UTC).strftime(form)
