"""The wrapped format: one JSON object a line, which holds the frame as text.

``{"t": "recv", "conn": "BYBIT.ws.2", "ts": 1786310819.52, "data": "<frame>"}``, where ``t`` is ``header`` (who
recorded), ``connect`` (the address of a connection), ``send``, ``recv``, or ``http`` (a REST answer).
"""

from re import compile as pattern

from msgspec import Struct
from msgspec.json import Decoder

from connectors.quantities import MALFORMED
from connectors.recorded.row import Row, micros, rest_answer
from connectors.recorded.venue import RECORDERS, Market, RecordingError, market_of_address

KINDS = frozenset({"header", "connect", "send", "recv", "http"})

depth_request = pattern(r"/depth\?(?:.*&)?symbol=([A-Za-z0-9_]+)").search


class Line(Struct, gc=False):
    """A line; ``ts`` is in seconds."""

    t: str
    conn: str = ""
    ts: float = 0.0
    exchange: str = ""
    addr: str = ""
    url: str = ""
    data: str = ""


decode = Decoder(Line).decode


class Wrapped:
    """Reads wrapped lines; learns from them which connection serves which market."""

    name = "wrapped"

    def __init__(self, market: Market) -> None:
        self.venue, self.conn = market
        self._conns: dict[str, str] = {}

    def read(self, line: bytes) -> Row | None:
        """The frame of a ``recv`` line, or the depth snapshot of an ``http`` line."""
        try:
            said = decode(line)
        except MALFORMED as problem:
            raise ValueError(str(problem)) from None
        if said.t not in KINDS:
            raise ValueError(f"unknown t {said.t[:40]!r}")
        if said.addr and said.conn not in self._conns:
            self._open(said.conn, said.addr)
        if said.t == "recv":
            return Row(micros(said.ts), self._conn(said.conn), said.data.encode())
        if said.t == "http" and self.venue == "binance" and (request := depth_request(said.url)):
            return Row(micros(said.ts), self.conn, rest_answer(request[1], said.data.encode()))
        return None

    def _open(self, name: str, address: str) -> None:
        """Name the connection for its market; a second one of a market gets a number."""
        market = market_of_address(address).market
        number = sum(conn.partition("/")[0] == market for conn in self._conns.values()) + 1
        self._conns[name] = market if number == 1 else f"{market}/{number}"

    def _conn(self, name: str) -> str:
        if name not in self._conns:
            raise ValueError(f"connection {name[:40]!r} has no address, so its market is not known")
        return self._conns[name]


def recorder_of(line: bytes) -> Market | None:
    """The venue of a wrapped line, or None where it is no such line.

    Raises:
        RecordingError: for a venue that has no parser.

    >>> recorder_of(b'{"t":"header","exchange":"BYBIT"}')
    Market(venue='bybit', market='linear')
    """
    try:
        said = decode(line)
    except MALFORMED:
        return None
    if said.t not in KINDS:
        return None
    recorder = said.exchange or said.conn.partition(".")[0]
    if recorder not in RECORDERS:
        raise RecordingError(
            f"recorded from {recorder[:40]!r}, a venue without a parser; there are: {', '.join(RECORDERS)}"
        )
    return RECORDERS[recorder]
