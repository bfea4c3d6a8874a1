"""The formats that leave the frame as it is: with a time before it, or with nothing.

| format | a line |
|---|---|
| addressed | ``1749833474.28: <frame>``; ``<address> <- time: <frame>`` was sent, ``<address> <-> time`` a connection |
| timed | ``1723161600002201584 <frame>``: nano-, micro- or milliseconds, told by the number of digits |
| bare | ``<frame>``; the exchange's own time stands in for the receive time |
"""

from re import compile as pattern

from msgspec import Raw, Struct
from msgspec.json import Decoder

from connectors.quantities import MALFORMED, YEAR_2100_MS
from connectors.recorded.row import Row, micros, rest_answer
from connectors.recorded.venue import Market

is_received = pattern(rb"(\d{9,10}(?:\.\d+)?): (.+)").fullmatch
is_other = pattern(rb"(wss?://\S+) <->? .*").fullmatch
is_timed = pattern(rb"(\d{13}|\d{16}|\d{19}) (.+)").fullmatch
MICROS_OF_DIGITS = {13: (1000, 1), 16: (1, 1), 19: (1, 1000)}
REST_BODY = b'{"lastUpdateId"'


class Addressed:
    """Reads ``time: frame`` lines, time in seconds."""

    name = "addressed"

    def __init__(self, market: Market) -> None:
        self.venue, self.conn = market

    def read(self, line: bytes) -> Row | None:
        """The frame of a received line; None for what was sent, and for connection records."""
        if found := is_received(line):
            return Row(micros(float(found[1])), self.conn, found[2])
        if is_other(line):
            return None
        raise ValueError("neither 'time: frame' nor 'address <- time: frame'")


class Timed:
    """Reads ``time frame`` lines. ``symbol`` is whose book a REST answer shows that names none."""

    name = "timed"

    def __init__(self, market: Market, symbol: str | None) -> None:
        self.venue, self.conn = market
        self.symbol = symbol

    def read(self, line: bytes) -> Row:
        """The frame of a line."""
        found = is_timed(line)
        if not found:
            raise ValueError("no time of 13, 16 or 19 digits before the frame")
        times, by = MICROS_OF_DIGITS[len(found[1])]
        recv = int(found[1]) * times // by
        if not 0 < recv < YEAR_2100_MS * 1000:
            raise ValueError(f"{found[1].decode()} is no time")
        data = found[2]
        if self.symbol and data.startswith(REST_BODY):
            data = rest_answer(self.symbol, data)
        return Row(recv, self.conn, data)


NOTHING = Raw()


class Stamp(Struct, gc=False):
    """Where frames say their own time, in milliseconds: Bybit in ``ts``, Binance in ``E``."""

    ts: int | None = None
    E: int | None = None
    data: Raw = NOTHING


class Inner(Struct, gc=False):
    """The same inside a combined stream's wrapper."""

    E: int | None = None


stamp = Decoder(Stamp).decode
inner = Decoder(Inner).decode


class Bare:
    """Reads lines that are frames; replies have no time of their own."""

    name = "bare"

    def __init__(self, market: Market) -> None:
        self.venue, self.conn = market

    def read(self, line: bytes) -> Row:
        """The frame of a line."""
        try:
            said = stamp(line)
            ms = said.ts or said.E
            if ms is None and self.venue == "binance" and said.data:
                ms = inner(said.data).E
        except MALFORMED as problem:
            raise ValueError(str(problem)) from None
        return Row(micros(ms / 1000) if ms else None, self.conn, line)
