"""When it is a strategy's turn to decide: a pure function of time, so that a restart or a replay never shifts it."""

from operators.spans import MINUTE, SECOND


def period(frequency: float) -> int:
    """Microseconds between two decisions of ``frequency`` a minute, at most 60: vectors come once a second.

    >>> period(1.0), period(7.0), period(60.0)
    (60000000, 8571429, 1000000)
    """
    return round(MINUTE / frequency)


def turn(ts: int, frequency: float) -> int:
    """The number of the turn that the whole second ``ts`` falls into, counted from 1970."""
    return ts // period(frequency)


def is_turn(ts: int, frequency: float) -> bool:
    """Whether a turn begins at the whole second ``ts``: no turn began in the same one at the second before.

    >>> [second for second in range(60, 100) if is_turn(second * SECOND, 7.0)]
    [61, 69, 78, 86, 95]
    """
    each = period(frequency)
    return ts // each != (ts - SECOND) // each
