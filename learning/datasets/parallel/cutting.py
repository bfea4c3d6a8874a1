"""Where a range of time is cut into pieces."""

from itertools import pairwise
from typing import NamedTuple

from operators.spans import MINUTE

LEAST = 10 * MINUTE
"""Shorter pieces are not worth a process."""
WARMING = 0.1
"""Share of the range that may be read a second time, to warm up for pieces, beyond one piece for each worker."""
WORTH = 100_000
"""Messages below which one process is done before another one has started."""


class Cut(NamedTuple):
    """Rows of [first, end), microseconds UTC."""

    first: int
    end: int


def pieces(first: int, end: int, lookback: int, workers: int) -> list[Cut]:
    """Cut [first, end) so that ``workers`` are busy to the end, and little is read twice.

    A piece for each worker, or a multiple of them where the look-back (microseconds) is short against the range: many
    small pieces lose less when a worker dies, and even out what is busy and what is quiet.

    >>> day = 24 * 60 * MINUTE
    >>> [len(pieces(0, days * day, day, 2)) for days in (1, 30, 60)]
    [2, 2, 6]
    >>> pieces(0, 40 * MINUTE, 10 * MINUTE, 2)
    [Cut(first=0, end=1200000000), Cut(first=1200000000, end=2400000000)]
    >>> pieces(0, 11 * MINUTE, day, 8)
    [Cut(first=0, end=660000000)]
    """
    span = end - first
    many = int(WARMING * span / max(lookback, 1)) // workers * workers
    return equal(first, end, max(1, min(max(many, workers), span // LEAST, 16 * workers)))


def equal(first: int, end: int, count: int) -> list[Cut]:
    """``count`` pieces of about the same length; fewer where the range has fewer microseconds."""
    borders = sorted({first + (end - first) * place // count for place in range(count + 1)})
    return [Cut(one, other) for one, other in pairwise(borders)]
