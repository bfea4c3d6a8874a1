"""Which points of a grid of times are still missing, and what to ask for next."""

from collections.abc import Collection, Iterator, Sequence

Span = tuple[int, int]


def grid(start: int, end: int, step: int) -> range:
    """The multiples of ``step`` in [start, end).

    >>> list(grid(1, 200, 60))
    [60, 120, 180]
    """
    return range(-(-start // step) * step, max(start, end), step)


def runs(points: Collection[int], step: int) -> list[Span]:
    """Points (rising) as spans [first, last + step) without a hole.

    >>> runs([60, 120, 240], 60)
    [(60, 180), (240, 300)]
    """
    spans: list[Span] = []
    for point in points:
        if spans and spans[-1][1] == point:
            spans[-1] = (spans[-1][0], point + step)
        else:
            spans.append((point, point + step))
    return spans


def pages(missing: Sequence[int], step: int, size: int) -> Iterator[Span]:
    """Spans [first, last + step), each of at most ``size`` points, that cover all that is missing (rising).

    Each begins and ends with a point that is missing. They do not touch, and none is left between two: a page asked
    from its first to its last point, both included, skips nothing at its boundary.

    >>> list(pages([60, 120, 600, 660], 60, 3))
    [(60, 180), (600, 720)]
    """
    place = 0
    while place < len(missing):
        first = last = missing[place]
        while place < len(missing) and missing[place] < first + size * step:
            last = missing[place]
            place += 1
        yield first, last + step
