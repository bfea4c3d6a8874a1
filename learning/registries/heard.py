"""Which sources the log has of which symbol: a feature of a source that nobody collects stays without a value."""

from collections.abc import Sequence

from connectors.log import Log
from connectors.log.span import last_record, raw_span
from operators.features.view import Source
from operators.registry import Registry
from operators.spans import MINUTE, SECOND
from schemas.codec import UNREADABLE, decode_event
from schemas.market import BookDelta, BookSnapshot, Funding, Kline, Ticker, Trade
from schemas.topics import EVENTS, shard_of

SPAN = 3 * MINUTE
MOST = 50_000
"""Events of a shard that are looked at, at most."""
SOURCES: dict[type, Source] = {
    BookSnapshot: "orderbook",
    BookDelta: "orderbook",
    Trade: "trades",
    Kline: "kline",
    Ticker: "ticker",
    Funding: "funding",
}
EITHER = {"ticker", "funding"}
"""Either brings the funding rate."""


def heard(log: Log, shards: int) -> dict[str, set[str]]:
    """The sources of each symbol within the last minutes of the log."""
    found: dict[str, set[str]] = {}
    for shard in range(shards):
        newest, end = last_record(log, EVENTS.name, shard), log.end(EVENTS.name, shard)
        if newest is None:
            continue
        first = max(log.offset_at(EVENTS.name, shard, max(newest.timestamp - SPAN, 0)), end - MOST)
        for batch in raw_span(log, EVENTS.name, shard, first, end):
            for _, value in batch:
                try:
                    event = decode_event(value or b"")
                except UNREADABLE:
                    continue
                if source := SOURCES.get(type(event)):
                    found.setdefault(event.symbol, set()).add(source)  # type: ignore[union-attr]
    return found


def unavailable(log: Log, shards: int, registry: Registry, symbols: Sequence[str]) -> list[str]:
    """A warning for every symbol and source that the registry reads and the log has not heard of lately.

    Of a log without market data nothing can be said.
    """
    known = heard(log, shards)
    needed = {source for entry in registry.entries for source in entry.feature.sources}
    warnings = []
    for symbol in sorted(symbols or known) if known else ():
        has = known.get(symbol, set())
        for source in sorted(needed - has - (EITHER if EITHER & has else set())):
            names = [entry.name for entry in registry.entries if source in entry.feature.sources]
            told = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            warnings.append(
                f"{symbol}: nothing of {source} in the last {SPAN // SECOND} s of the log (shard"
                f" {shard_of(symbol, shards)}): {told} will have no value"
            )
    return warnings
