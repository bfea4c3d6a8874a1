"""Spans of time [start, end) in microseconds UTC, and what is left of them."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Span(NamedTuple):
    """Times [start, end) in microseconds UTC."""

    start: int
    end: int


def merged(spans: Iterable[tuple[int, int]]) -> list[Span]:
    """In the order of time, with what touches or overlaps as one; empty ones are gone.

    >>> merged([(5, 9), (0, 5), (20, 30), (7, 7)])
    [Span(start=0, end=9), Span(start=20, end=30)]
    """
    found: list[Span] = []
    for start, end in sorted(spans):
        if start >= end:
            continue
        if found and start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, end))
        else:
            found.append(Span(start, end))
    return found


def without(wanted: Iterable[tuple[int, int]], taken: Iterable[tuple[int, int]]) -> list[Span]:
    """What of ``wanted`` is not in ``taken``.

    >>> without([(0, 10)], [(2, 4), (8, 20)])
    [Span(start=0, end=2), Span(start=4, end=8)]
    """
    cuts = merged(taken)
    found = []
    for start, end in merged(wanted):
        for cut in cuts:
            if cut.end <= start or cut.start >= end:
                continue
            if cut.start > start:
                found.append(Span(start, cut.start))
            start = cut.end
        if start < end:
            found.append(Span(start, end))
    return found


def within(spans: Iterable[tuple[int, int]], window: tuple[int, int]) -> list[Span]:
    """What of the spans lies in ``window``.

    >>> within([(0, 10), (20, 30)], (5, 25))
    [Span(start=5, end=10), Span(start=20, end=25)]
    """
    return merged((max(start, window[0]), min(end, window[1])) for start, end in spans)


def minutes(starts: Iterable[int]) -> list[Span]:
    """The spans of candles that begin at these times.

    >>> minutes([0, 60_000_000, 180_000_000])
    [Span(start=0, end=120000000), Span(start=180000000, end=240000000)]
    """
    return merged((start, start + MINUTE) for start in starts)


def day_span(day: date) -> Span:
    """A day of UTC.

    >>> day_span(date(1970, 1, 2))
    Span(start=86400000000, end=172800000000)
    """
    start = (day - date(1970, 1, 1)).days * DAY
    return Span(start, start + DAY)


def day_of(time: int) -> date:
    """The day of UTC that a time lies in."""
    return date(1970, 1, 1) + timedelta(days=time // DAY)


def days_of(spans: Iterable[tuple[int, int]]) -> list[date]:
    """The days that the spans touch, in order.

    >>> [day.isoformat() for day in days_of([(DAY - 1, DAY + 1)])]
    ['1970-01-01', '1970-01-02']
    """
    found: dict[date, None] = {}
    for start, end in merged(spans):
        for number in range(start // DAY, (end - 1) // DAY + 1):
            found[day_of(number * DAY)] = None
    return list(found)


def words(spans: Iterable[tuple[int, int]], most: int = 10) -> str:
    """Spans as a person reads them, the first ``most``.

    >>> words([(0, MINUTE), (3 * MINUTE, 5 * MINUTE)])
    '1970-01-01 00:00 to 00:01, 1970-01-01 00:03 to 00:05'
    """
    listed = merged(spans)
    told = [_words(span) for span in listed[:most]]
    more = len(listed) - len(told)
    return ", ".join([*told, *([f"and {more} more"] if more > 0 else [])])


def _words(span: Span) -> str:
    start, end = (datetime.fromtimestamp(time // SECOND, UTC) for time in span)
    until = f"{end:%H:%M}" if span.start // DAY == (span.end - 1) // DAY else f"{end:%Y-%m-%d %H:%M}"
    return f"{start:%Y-%m-%d %H:%M} to {'24:00' if until == '00:00' else until}"
