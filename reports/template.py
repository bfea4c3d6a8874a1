"""The templates of pages, and how they write numbers. Everything is escaped."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from reports.catalogue import Unit
from reports.chart import at


@cache
def template(name: str) -> Template:
    """A template of ``reports/templates``; a name that it uses and was not given is an error."""
    found = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(figure=figure, number=number, price=price, at=at, span=span, clock=clock, plain=plain)
    return found.get_template(name)


def figure(value: float | None, unit: Unit = "ratio") -> str:
    """A figure as a page shows it.

    >>> figure(-0.0001, "quote"), figure(12.345, "percent"), figure(None), figure(90.0, "seconds")
    ('0.00', '12.35 %', '–', '1 min 30 s')
    """
    if value is None:
        return "–"
    if unit == "seconds":
        return span(value)
    text = number(value, 0 if unit == "count" else 2)
    return f"{text} %" if unit == "percent" else text


def number(value: float | None, digits: int = 2) -> str:
    """With thousands apart and a proper minus sign; never a negative zero.

    >>> number(-1234.5), number(-0.001)
    ('−1,234.50', '0.00')
    """
    if value is None:
        return "–"
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if not text.strip("-0.,") else text.replace("-", "−")


def price(value: float | None) -> str:
    """Eight significant digits, no more than there are.

    >>> price(64123.5), price(0.000012345678912)
    ('64123.5', '0.000012345679')
    """
    if value is None:
        return "–"
    text = f"{value:.8g}"
    return text if "e" not in text else f"{value:.12f}"


def span(seconds: float | None) -> str:
    """A duration in its two largest units.

    >>> span(0.25), span(61), span(90_000), span(None)
    ('0.25 s', '1 min 1 s', '1 d 1 h', '–')
    """
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.3g} s"
    parts, rest = [], int(seconds)
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        amount, rest = divmod(rest, unit)
        if amount:
            parts.append(f"{amount} {name}")
    return " ".join(parts[:2])


def clock(time: int | None) -> str:
    """A moment for people, UTC; nothing for None."""
    return "–" if time is None else at(time)


def plain(value: Any) -> str:
    """A setting as its file would say it."""
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
