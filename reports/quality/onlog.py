"""Minutes and observations of a symbol from the log itself, where the database does not have them."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from connectors.log import Log
from connectors.log.span import raw_span
from reports.quality.period import MINUTE, Span
from reports.quality.report import Observation, Report, summed
from schemas.codec import UNREADABLE, decode_quality, decode_quality_minute
from schemas.quality import QualityMinute, QualityRecord
from schemas.topics import QUALITY, QUALITY_MINUTES, shard_of

T = TypeVar("T", QualityMinute, QualityRecord)


def report_on_log(log: Log, shards: int, symbol: str, period: Span) -> Report:
    """The report of a symbol over whole minutes, by what the log holds."""
    told = [Observation(one.ts, one.problem, one.detail) for one in records_on_log(log, shards, symbol, period)]
    return summed(symbol, period, minutes_on_log(log, shards, symbol, period), told)


def minutes_on_log(log: Log, shards: int, symbol: str, period: Span) -> list[QualityMinute]:
    """The minutes inside a period."""
    return list(_between(log, QUALITY_MINUTES.name, shard_of(symbol, shards), symbol, period, decode_quality_minute))


def records_on_log(log: Log, shards: int, symbol: str, period: Span) -> list[QualityRecord]:
    """The observations within a period."""
    return list(_between(log, QUALITY.name, shard_of(symbol, shards), symbol, period, decode_quality))


def _between(log: Log, topic: str, shard: int, symbol: str, period: Span, decode: Callable[[bytes], T]) -> Iterator[T]:
    """What is of the symbol and of a time inside the period; times rise along a topic, but for late events."""
    if topic not in {info.name for info in log.topics()}:
        return
    first = max(log.start(topic, shard), log.offset_at(topic, shard, period.start))
    last = min(log.end(topic, shard), log.offset_at(topic, shard, period.end + MINUTE))
    for batch in raw_span(log, topic, shard, first, last):
        for _, value in batch:
            try:
                record = decode(value or b"")
            except UNREADABLE:
                continue
            if record.symbol == symbol and period.start < record.ts <= period.end:
                yield record
