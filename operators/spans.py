"""Lengths of time in integer microseconds, and the way registry files write them."""

import re

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
WRITTEN = re.compile(r"([0-9]{1,9})([smhd])")


def parse_span(text: str) -> int:
    """Microseconds of a span such as ``15s``, ``57m``, ``24h`` or ``1d``.

    >>> parse_span("15s"), parse_span("1d") == DAY
    (15000000, True)

    Raises:
        ValueError: when the text is not a whole number followed by s, m, h or d.
    """
    match = WRITTEN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a whole number followed by s, m, h or d, such as 15s or 24h")
    return int(match[1]) * UNITS[match[2]]


def format_span(span: int) -> str:
    """The shortest way to write a whole number of seconds.

    >>> format_span(3 * SECOND), format_span(57 * MINUTE), format_span(0)
    ('3s', '57m', '0s')
    """
    for unit in "dhm":
        if span and span % UNITS[unit] == 0:
            return f"{span // UNITS[unit]}{unit}"
    return f"{span // SECOND}s"


def second_of(clock: int) -> int:
    """The one-second bucket that ``clock`` falls into: bucket s covers (s - 1 s, s].

    >>> second_of(5_000_000), second_of(5_000_001)
    (5, 6)
    """
    return -(-clock // SECOND)
