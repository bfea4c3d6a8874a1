"""The whole minutes of a period, and which of them nothing is known of."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

MINUTE = 60_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST = 31 * 24 * 60
"""The most minutes of a report: a month."""


class PeriodError(ValueError):
    """A period of which no report can be made."""


class Span(NamedTuple):
    """From ``start`` up to ``end``, microseconds UTC."""

    start: int
    end: int

    @property
    def minutes(self) -> int:
        return (self.end - self.start) // MINUTE


def whole_minutes(start: int, end: int) -> Span:
    """The whole minutes inside ``start``..``end`` (microseconds UTC).

    >>> whole_minutes(30_000_000, 200_000_000)
    Span(start=60000000, end=180000000)

    Raises:
        PeriodError: when it ends before it begins, holds no whole minute, or is longer than a month.
    """
    if start >= end:
        raise PeriodError("the period ends before it begins: from must lie before to")
    span = Span(-(-start // MINUTE) * MINUTE, end // MINUTE * MINUTE)
    if span.minutes < 1:
        raise PeriodError("the period holds no whole minute: quality is counted by the minute")
    if span.minutes > LONGEST:
        raise PeriodError(f"the period has {span.minutes} minutes, at most {LONGEST} (31 days) go into a report")
    return span


def holes(period: Span, known: Iterable[int]) -> list[Span]:
    """The stretches of a period none of whose minutes (named by their ends, rising) is known.

    >>> holes(Span(0, 5 * MINUTE), [2 * MINUTE, 3 * MINUTE])
    [Span(start=0, end=60000000), Span(start=180000000, end=300000000)]
    """
    found, at = [], period.start
    for end in known:
        if end - MINUTE > at:
            found.append(Span(at, end - MINUTE))
        at = max(at, end)
    return [*found, Span(at, period.end)] if at < period.end else found


def parse_time(text: str, name: str) -> int:
    """Microseconds UTC of a time as people write it: ISO 8601, UTC where no zone is said.

    >>> parse_time("2025-03-04T09:15:04.25Z", "from")
    1741079704250000

    Raises:
        PeriodError: with the ``name`` of the parameter, when it is none.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (moment - EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise PeriodError(f"{name}={text[:60]!r} is no time: write it as 2025-03-04T09:15:04Z") from None


def written(microseconds: int) -> str:
    """A time for people and for JSON.

    >>> written(1_741_079_704_250_000), written(1_741_079_704_000_000)
    ('2025-03-04T09:15:04.250000Z', '2025-03-04T09:15:04Z')
    """
    return (EPOCH + timedelta(microseconds=microseconds)).replace(tzinfo=None).isoformat() + "Z"
