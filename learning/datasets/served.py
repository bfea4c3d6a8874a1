"""Which periods a log can serve."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from connectors.log import Log, Record
from connectors.log.span import span
from schemas.codec import UNREADABLE, decode_event
from schemas.market import MarketEvent
from schemas.topics import shard_of

STEP = 2_000
FAR = 400_000
"""At most so many events at either end of a shard are looked through for a symbol."""


def served(log: Log, shards: int, symbols: Iterable[str]) -> dict[str, tuple[int, int] | None]:
    """The first and the last time (microseconds UTC) of each symbol on ``events``; None where there is nothing of it.

    Only for messages: a symbol that is rarer than one event in ``FAR`` counts as absent.
    """
    return {symbol: _of(log, shard_of(symbol, shards), symbol) for symbol in symbols}


def words(found: dict[str, tuple[int, int] | None]) -> str:
    """As a person reads it.

    >>> words({"X": (1_700_000_000_000_000, 1_700_000_060_000_000), "Y": None})
    'X: 2023-11-14T22:13:20Z to 2023-11-14T22:14:20Z; Y: nothing'
    """
    return "; ".join(
        f"{symbol}: nothing" if times is None else f"{symbol}: {utc(times[0])} to {utc(times[1])}"
        for symbol, times in found.items()
    )


def utc(time: int) -> str:
    """Microseconds as text, to the second."""
    return datetime.fromtimestamp(time // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _of(log: Log, shard: int, symbol: str) -> tuple[int, int] | None:
    start, end = log.start("events", shard), log.end("events", shard)
    mark = f'"{symbol}"'.encode()
    first = next(_times(span(log, "events", shard, start, min(end, start + FAR)), symbol, mark), None)
    upper = end
    while first is not None and upper > max(start, end - FAR):
        lower = max(start, upper - STEP)
        if times := list(_times(span(log, "events", shard, lower, upper), symbol, mark)):
            return first, max(first, times[-1])
        upper = lower
    return None if first is None else (first, first)


def _times(records: Iterable[Record], symbol: str, mark: bytes) -> Iterator[int]:
    for record in records:
        if not record.value or mark not in record.value:
            continue
        try:
            event = decode_event(record.value)
        except UNREADABLE:
            continue
        if isinstance(event, MarketEvent) and event.symbol == symbol:
            yield event.recv
