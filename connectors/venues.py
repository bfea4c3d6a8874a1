"""Which parser reads which venue."""

from collections.abc import Callable

from connectors.binance.parse import BinanceParser
from connectors.bybit.parse import BybitParser
from connectors.frames import Parser
from connectors.rabbitmq.gateway_parse import GatewayParser
from connectors.tables import VENUE, TableParser

PARSERS: dict[str, Callable[[], Parser]] = {
    "bybit": BybitParser,
    "binance": BinanceParser,
    "ws-gateway": GatewayParser,
    VENUE: TableParser,
}


def parser_for(venue: str) -> Parser:
    """A fresh parser.

    Raises:
        LookupError: when no parser reads this venue.
    """
    try:
        return PARSERS[venue]()
    except KeyError:
        raise LookupError(f"no parser for venue {venue!r}; there are: {', '.join(sorted(PARSERS))}") from None
