"""Where a recording comes from: told by its header, an address, its name, or the look of its frames."""

from re import IGNORECASE
from re import compile as pattern
from typing import NamedTuple

from msgspec import UNSET, Raw, Struct, UnsetType, field
from msgspec.json import Decoder

from connectors.quantities import MALFORMED


class RecordingError(ValueError):
    """A recording cannot be read at all; the message says why and what can."""


class Market(NamedTuple):
    """A venue, and the market that names the connection."""

    venue: str
    market: str


RECORDERS = {
    "BYBIT": Market("bybit", "linear"),
    "BINANCE": Market("binance", "spot"),
    "BINANCE_FUTURES": Market("binance", "usdm"),
    "BINANCE_DELIVERY": Market("binance", "cm"),
}
"""The names that the recorder of the wrapped format gives. A Bybit connection's address says its market."""

DEFAULT_MARKET = {"bybit": "linear", "binance": "spot"}
HOSTS = {
    "stream.binance": Market("binance", "spot"),
    "fstream.binance": Market("binance", "usdm"),
    "dstream.binance": Market("binance", "cm"),
}

market_in_name = pattern(r"(?:^|_)(spot|linear|inverse|usdm|cm)(?:_|\.|$)", IGNORECASE).search
symbol_in_name = pattern(r"^(?:spot|usdm|cm)_([a-z0-9]+(?:_perp|_\d{6})?)_\d{8}", IGNORECASE).search


class Look(Struct, gc=False):
    """The fields by which the frames of the venues differ."""

    topic: Raw | UnsetType = UNSET
    success: Raw | UnsetType = UNSET
    op: Raw | UnsetType = UNSET
    e: Raw | UnsetType = UNSET
    stream: Raw | UnsetType = UNSET
    last_update_id: Raw | UnsetType = field(default=UNSET, name="lastUpdateId")


look = Decoder(Look).decode


def venue_of_frame(data: bytes) -> str | None:
    """The venue that sends frames like this one.

    >>> venue_of_frame(b'{"topic":"tickers.BTCUSDT"}'), venue_of_frame(b'{"stream":"x@trade"}'), venue_of_frame(b'[]')
    ('bybit', 'binance', None)
    """
    try:
        frame = look(data)
    except MALFORMED:
        return None
    if any(field is not UNSET for field in (frame.topic, frame.success, frame.op)):
        return "bybit"
    if any(field is not UNSET for field in (frame.e, frame.stream, frame.last_update_id)):
        return "binance"
    return None


def market_of_name(venue: str, name: str) -> Market:
    """The market that a file's name tells, or the venue's usual one.

    >>> market_of_name("bybit", "bybit_v5_spot_BTCUSDT_orderbook50.jsonl").market
    'spot'
    """
    found = market_in_name(name)
    return Market(venue, found[1].lower() if found else DEFAULT_MARKET[venue])


def market_of_address(address: str) -> Market:
    """The market behind a WebSocket address.

    Raises:
        RecordingError: for an address of a venue that has no parser.

    >>> market_of_address("wss://stream.bybit.com/v5/public/spot")
    Market(venue='bybit', market='spot')
    """
    host, _, path = address.partition("://")[2].partition("/")
    if "bybit" in host:
        return Market("bybit", path.rpartition("/")[2] or "linear")
    for start, market in HOSTS.items():
        if host.startswith(start):
            return market
    raise RecordingError(f"no parser for the venue at {address[:80]!r}; there are: binance, bybit")
