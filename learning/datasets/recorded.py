"""Rows by reading the vectors that the live flow wrote, with a light pass over prices beside them."""

from collections.abc import Iterator
from typing import Any

import msgspec

from connectors.log import Log
from connectors.log.span import last_record, raw_span, span
from connectors.lookback import PastLost, lookback_offset
from connectors.resume import read_tail
from learning.datasets.replayed import BATCH, ShardRange, Step
from learning.datasets.row import Row, RowMaker
from operators.features.featureset import FeatureSet
from operators.spans import MINUTE, SECOND
from operators.symbol import SILENCE
from schemas.codec import UNREADABLE, decode_dead_letter, decode_event, decode_vector
from schemas.market import Gap, Kline, MarketEvent, Tick, Trade
from schemas.origin import Origin
from schemas.vector import FeatureVector

TOPIC = "features"
MARKS = (b'"trade"', b'"kline"', b'"gap"')
"""What the bytes hold of events that a label depends on; others may hold it too, as a text."""
FIRST = b'{"type":"'
"""How what our own collectors wrote begins, so that most of it need not be searched."""
OURS = tuple(FIRST + mark[1:] for mark in MARKS)
WARM = 5 * MINUTE
"""So long before the first row prices are read: more than the life of a price."""
LAG = 2 * SECOND
"""A flow that is this close behind its events has kept up."""
HEAD = 5_000
"""So many events are looked at for the first tick of a log."""


class Unfit(Exception):
    """The vectors on the topic are not all that a build needs; the message says why."""


class Slim(msgspec.Struct):
    """What must be known of the vectors between two rows."""

    symbol: str
    ts: int
    feature_registry_version: str
    tainted: bool
    origin: Origin


decode_slim = msgspec.json.Decoder(Slim).decode


def ensure_covered(log: Log, shard: int, first: int, end: int) -> None:
    """Whether the topic ``features`` holds every vector of [first, end] that the events of a shard give.

    Raises:
        Unfit: when it does not.
    """
    if TOPIC not in {topic.name for topic in log.topics()}:
        raise Unfit(f"there is no topic {TOPIC}")
    start, newest = log.start(TOPIC, shard), last_record(log, TOPIC, shard)
    if newest is None:
        raise Unfit(f"{TOPIC}/{shard} is empty")
    oldest = next(iter(span(log, TOPIC, shard, start, newest.offset + 1)))
    if oldest.timestamp > first and oldest.timestamp > _first_tick(log, shard) + LAG:
        raise Unfit(f"{TOPIC}/{shard} begins at {oldest.timestamp} (microseconds UTC), after the first row")
    behind = newest.timestamp < end and newest.timestamp + LAG < read_tail(log, shard).clock
    if behind and not _silent(log, shard, newest.timestamp, end):
        late = f"{TOPIC}/{shard} ends at {newest.timestamp} (microseconds UTC)"
        raise Unfit(f"{late}: the flow has not come to the last row yet")


def recorded(log: Log, where: ShardRange, features: FeatureSet, maker: RowMaker, step: Step) -> Iterator[Row]:
    """The rows of one shard in the order of (ts, symbol), the same that ``replayed`` gives.

    Raises:
        Unfit: when a vector was made by another registry.
    """
    feed = _prices(log, where, maker, step)
    following, over = next(feed, None), False
    start, stop = log.offset_at(TOPIC, where.shard, maker.first), log.end(TOPIC, where.shard)
    for batch in raw_span(log, TOPIC, where.shard, start, stop, BATCH):
        for _, value in batch:
            slim = decode_slim(value or b"")
            if slim.symbol not in maker.symbols:
                continue
            if slim.ts > maker.end:
                over = True
                break
            # An event comes behind the vectors that it closed.
            while following is not None and following[0] < slim.origin.offset:
                maker.feed(following[1])
                following = next(feed, None)
            maker.feed(_whole(slim, value or b"", features, maker))
        yield from maker.made
        maker.made.clear()
        step(len(batch))
        if over:
            break
    maker.finish()


def _whole(slim: Slim, value: bytes, features: FeatureSet, maker: RowMaker) -> FeatureVector:
    if slim.feature_registry_version != features.version:
        raise Unfit(f"registry {slim.feature_registry_version} made the vector of {slim.symbol} at {slim.ts}")
    if not maker.wanted(slim.ts):
        return FeatureVector(slim.symbol, slim.ts, slim.ts, [], {}, features.version, slim.tainted, [], slim.origin)
    vector = decode_vector(value)
    if missing := [name for name in features.names if name not in vector.features]:
        raise Unfit(f"the vector of {slim.symbol} at {slim.ts} has no {missing[0]}")
    return vector


def _prices(log: Log, where: ShardRange, maker: RowMaker, step: Step) -> Iterator[tuple[int, Trade | Kline | Gap]]:
    """Trades, candles and gaps of the symbols with their offsets, without those that the flow refused."""
    shard = where.shard
    refused = _refused(log, shard)
    begin = max(where.start, _warm(log, where, maker.first - WARM))
    for batch in raw_span(log, "events", shard, begin, where.stop, BATCH):
        for offset, value in batch:
            if not value or offset in refused or not _may_matter(value):
                continue
            try:
                event = decode_event(value)
            except UNREADABLE:
                continue
            if isinstance(event, Trade | Kline | Gap) and event.symbol in maker.symbols:
                yield offset, event
        step(len(batch))


def _may_matter(value: bytes) -> bool:
    """Whether it can be an event that a label depends on."""
    return value.startswith(OURS) if value.startswith(FIRST) else any(mark in value for mark in MARKS)


def _warm(log: Log, where: ShardRange, time: int) -> int:
    try:
        return lookback_offset(log, where.shard, time)
    except PastLost:
        return where.start


def _refused(log: Log, shard: int) -> frozenset[int]:
    """The offsets of events that the flow made dead letters of."""
    if "dead-letters" not in {topic.name for topic in log.topics()}:
        return frozenset()
    start, stop = log.start("dead-letters", shard), log.end("dead-letters", shard)
    letters = [decode_dead_letter(record.value or b"") for record in span(log, "dead-letters", shard, start, stop)]
    return frozenset(letter.origin.offset for letter in letters if letter.source == "events" and letter.origin)


def _silent(log: Log, shard: int, newest: int, end: int) -> bool:
    """Whether no symbol was heard of for so long before the second after ``newest`` that none has a vector there."""
    since = newest + SECOND - SILENCE
    start = log.offset_at("events", shard, since)
    for batch in raw_span(log, "events", shard, start, log.end("events", shard), BATCH):
        for _, value in batch:
            try:
                event = decode_event(value or b"")
            except UNREADABLE:
                continue
            if _is_live(event) and since < event.recv <= end:
                return False
    return True


def _is_live(event: Any) -> bool:
    """Whether the market stage takes it for a sign of life."""
    if not isinstance(event, MarketEvent) or isinstance(event, Gap):
        return False
    return not (getattr(event, "keyframe", False) or getattr(event, "backfilled", False))


def _first_tick(log: Log, shard: int) -> int:
    """The time of the first tick of a shard; 0 where none comes soon."""
    start, end = log.start("events", shard), log.end("events", shard)
    for record in span(log, "events", shard, start, min(end, start + HEAD)):
        try:
            event = decode_event(record.value or b"")
        except UNREADABLE:
            continue
        if isinstance(event, Tick):
            return event.recv
    return 0
