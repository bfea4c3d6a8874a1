"""Which funding rates must exist."""

from collections.abc import Collection, Sequence

HOUR = 3_600_000_000
EIGHT_HOURS = 8 * HOUR
"""The longest interval between two payments; every shorter one divides it."""
_DAYS = 24 * HOUR


def truly_missing(missing: Sequence[int], found: Collection[int], launch: int | None) -> list[int]:
    """Those of the times without a rate at which there must have been one (microseconds, rising).

    Every 8 hours one is paid, from 8 hours after the listing on. At another hour one was paid if it was paid at that
    hour within three times 8 hours before as well as after: the contract then paid more often.

    >>> truly_missing([0 * EIGHT_HOURS + HOUR * 8], set(), None) == [EIGHT_HOURS]
    True
    >>> truly_missing([HOUR], {9 * HOUR}, None)
    []
    """
    first = 0 if launch is None else launch + EIGHT_HOURS
    return [time for time in missing if time >= first and (not time % EIGHT_HOURS or _between(time, found))]


def _between(time: int, found: Collection[int]) -> bool:
    """Whether rates of that hour of the 8 came shortly before and shortly after."""
    near = range(EIGHT_HOURS, _DAYS + 1, EIGHT_HOURS)
    return any(time - gap in found for gap in near) and any(time + gap in found for gap in near)
