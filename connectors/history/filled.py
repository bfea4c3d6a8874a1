"""Gaps of the live data that fetched rows have filled: they taint nothing any more."""

from collections.abc import Collection

from connectors.history.coverage import Coverage
from connectors.history.spans import MINUTE, Span
from schemas.codec import UNREADABLE, decode_event
from schemas.market import Gap

MARK = b'{"type":"gap"'
SOURCES = frozenset({"orderbook", "trades", "kline", "ticker", "funding"})
FETCHED = {"kline": "klines", "funding": "funding"}


class Filled:
    """Which gaps a history passes over.

    A gap of one channel stays while something that features of ``sources`` read was lost with it: the book, trades or
    the ticker where they read those, candles or settlements where they were not fetched since.
    """

    def __init__(self, coverage: Coverage, sources: Collection[str] | None = None) -> None:
        self.coverage = coverage
        self.sources = SOURCES if sources is None else frozenset(sources)
        self._known: dict[tuple[str, int, int], bool] = {}

    def passes_over(self, value: bytes | None) -> bool:
        """Whether a message is a gap that is none any more."""
        if not value or not value.startswith(MARK):
            return False
        try:
            gap = decode_event(value)
        except UNREADABLE:
            return False
        if not isinstance(gap, Gap) or (gap.channel in self.sources and gap.channel not in FETCHED):
            return False
        key = (gap.symbol, gap.start, gap.end)
        if key not in self._known:
            self._known[key] = self._filled(*key)
        return self._known[key]

    def _filled(self, symbol: str, start: int, end: int) -> bool:
        """Whether everything that can be fetched, and is read, is there for the whole minutes of the gap."""
        span = Span(start // MINUTE * MINUTE, end // MINUTE * MINUTE)
        wanted = ["klines", *(["funding"] if "funding" in self.sources and self.sources != SOURCES else [])]
        return not any(self.coverage.missing(raw, symbol, span) for raw in wanted)  # type: ignore[arg-type]
