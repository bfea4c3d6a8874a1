"""Which candles were heard live: from the columns of the archive, and from the log where that does not tell."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import structlog

from connectors.history.spans import MINUTE, SECOND, Span, days_of, minutes, within, without
from connectors.log import Log, Reader
from connectors.log.span import raw_span
from schemas.codec import UNREADABLE, decode_event
from schemas.market import Kline
from schemas.topics import EVENTS, shard_of

COLUMNS = ["start", "closed", "backfilled"]
EARLY = 2 * SECOND
"""A candle may come so long before its end, where the exchange's clock runs ahead of ours."""
LATE = 15 * SECOND
"""And so long after it."""
STEP = 500
MOST = 20_000
"""So many events are looked at for each candle."""
DENSE = 4_000
"""Events a minute from which on it takes longer to read them all."""
MARKS = (b'"kline"', b'"closed":true')
LOGGER = structlog.get_logger()


def heard_candles(log: Log | None, root: Path | None, symbol: str, window: Span) -> list[Span]:
    """The minutes of ``window`` whose closed candle stands in the archive at ``root`` or on the log.

    Candles that the collector fetched when it began do not count: they stand at that moment, not at their own. One that
    came later than ``LATE`` may be overlooked on the log: it is fetched once more then, which changes nothing.
    """
    found = within(minutes(_archived(root, symbol, window)), window) if root is not None else []
    if log is None:
        return found
    more = [start for span in without([window], found) for start in _logged(log, symbol, span)]
    return within([*found, *minutes(more)], window)


def _archived(root: Path, symbol: str, window: Span) -> Iterator[int]:
    for day in days_of([Span(window.start, window.end + MINUTE + LATE)]):
        place = root / "type=kline" / f"date={day.isoformat()}" / f"symbol={symbol}"
        for path in sorted(place.glob("*.parquet")) if place.is_dir() else ():
            try:
                table = pq.read_table(path, columns=COLUMNS, partitioning=None)
            except (OSError, pa.ArrowException) as problem:
                LOGGER.warning("history.unreadable", file=str(path), problem=str(problem))
                continue
            live = table.filter(pc.and_(table["closed"], pc.invert(table["backfilled"])))
            yield from live["start"].to_pylist()


def _logged(log: Log, symbol: str, window: Span) -> Iterator[int]:
    """The starts of candles on the log: from all events, or from those near the ends of minutes if there are many."""
    shards = next((info.shards for info in log.topics() if info.name == EVENTS.name), None)
    if shards is None:
        return
    shard = shard_of(symbol, shards)
    begin = log.offset_at(EVENTS.name, shard, max(0, window.start))
    end = log.offset_at(EVENTS.name, shard, window.end + MINUTE + LATE)
    if end - begin > DENSE * ((window.end - window.start) // MINUTE + 1):
        yield from _sampled(log, shard, symbol, window)
        return
    mark = f'"{symbol}"'.encode()
    for batch in raw_span(log, EVENTS.name, shard, begin, end):
        for _, value in batch:
            if value and MARKS[0] in value and MARKS[1] in value and mark in value:
                start = _start(value, symbol)
                if start is not None:
                    yield start


def _sampled(log: Log, shard: int, symbol: str, window: Span) -> Iterator[int]:
    """The starts of candles that stand where they are to be expected: shortly after their end."""
    stop = log.end(EVENTS.name, shard)
    at = window.start // MINUTE * MINUTE
    while at < window.end:
        offset = log.offset_at(EVENTS.name, shard, at + MINUTE - EARLY)
        if offset >= stop:
            return
        reader = log.reader(EVENTS.name, shard, offset)
        try:
            starts, first = _look(reader, stop, symbol, at)
        finally:
            reader.close()
        yield from starts
        # Where nothing was heard for long, go on shortly before the next event.
        at = max(at + MINUTE, (first - LATE) // MINUTE * MINUTE - MINUTE)


def _look(reader: Reader, stop: int, symbol: str, at: int) -> tuple[list[int], int]:
    """Closed candles near the end of the one of ``at``, and the time of the first event there."""
    until = min(stop, reader.position + MOST)
    mark, first, begin = f'"{symbol}"'.encode(), at, True
    found: list[int] = []
    while reader.position < until and (batch := reader.poll(STEP)):
        if begin:
            first, begin = batch[0].timestamp, False
        for record in batch:
            value = record.value or b""
            if record.timestamp > at + MINUTE + LATE:
                return found, first
            if not all(one in value for one in (*MARKS, mark)):
                continue
            start = _start(value, symbol)
            if start is not None:
                found.append(start)
            if start == at:
                return found, first
    return found, first


def _start(value: bytes, symbol: str) -> int | None:
    """The start of a closed candle of the symbol that was heard; None for anything else."""
    try:
        event = decode_event(value)
    except UNREADABLE:
        return None
    heard = isinstance(event, Kline) and event.symbol == symbol and event.closed and not event.backfilled
    return event.start if heard else None  # type: ignore[union-attr]
