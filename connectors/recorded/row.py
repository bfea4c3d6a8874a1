"""What a line of a recording says."""

from typing import NamedTuple, Protocol

from connectors.quantities import YEAR_2100_MS


class Row(NamedTuple):
    """A received frame: the receive time in microseconds UTC where the line has one, the connection, the bytes."""

    recv: int | None
    conn: str
    data: bytes


class Format(Protocol):
    """How one file is written."""

    name: str
    venue: str
    conn: str
    """The connection to name where a line does not tell."""

    def read(self, line: bytes) -> Row | None:
        """The frame of a line, or None where the line is none (a header, something that was sent).

        Raises:
            ValueError: when the line does not follow the format.
        """
        ...


def micros(seconds: float) -> int:
    """Seconds since the epoch to microseconds.

    Raises:
        ValueError: when that is no time between 1970 and 2100.

    >>> micros(1786310819.965676)
    1786310819965676
    """
    if not 0 < seconds < YEAR_2100_MS / 1000:
        raise ValueError(f"{seconds} is no time in seconds")
    return round(seconds * 1_000_000)


def rest_answer(symbol: str, body: bytes) -> bytes:
    """A REST depth answer, which names no symbol, in the wrapper of a combined stream, which does.

    >>> rest_answer("ETHBTC", b'{"lastUpdateId":1}')
    b'{"stream":"ethbtc@depth@rest","data":{"lastUpdateId":1}}'
    """
    return b'{"stream":"%s@depth@rest","data":%s}' % (symbol.lower().encode(), body)
