"""Candles and settlements that were made up, as fetched files and as a log on which they were heard live."""

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from connectors.history.files import BackfillFiles
from connectors.history.spans import DAY, HOUR, MINUTE, SECOND, Span, day_span, days_of, within
from connectors.log import NewRecord
from connectors.log.sqlite import SqliteLog
from operators.registry import Registry, parse_registry
from schemas.codec import encode
from schemas.market import Funding, Kline, Tick
from schemas.topics import TOPICS, shard_of

SHARDS = 2
SYMBOL = "BTCUSDT"
BEGIN = day_span(date(2025, 2, 1)).start
MINIMAL = Path(__file__).parents[2] / "config" / "feature_registry" / "1.2.0.yaml"


def registry() -> Registry:
    """The minimal set, whose history can be fetched."""
    return parse_registry(MINIMAL.read_text(encoding="utf-8"))


def candles(count: int, symbol: str = SYMBOL, begin: int = BEGIN, seed: int = 1) -> list[Kline]:
    """A walk of so many minutes, fetched."""
    rng, price, found = Random(f"{symbol}/{seed}"), 100.0, []
    for start in range(begin, begin + count * MINUTE, MINUTE):
        opening, price = price, price * (1 + rng.gauss(0, 8e-4))
        high, low = max(opening, price) * 1.0002, min(opening, price) * 0.9998
        volume = rng.expovariate(1.0)
        end = start + MINUTE
        found.append(Kline(symbol, end, end, start, opening, high, low, price, volume, volume * price, True, True))
    return found


def settlements(span: Span, symbol: str = SYMBOL) -> list[Funding]:
    """Every eight hours of a span, fetched."""
    first = -(-span.start // (8 * HOUR)) * 8 * HOUR
    return [
        Funding(symbol, at, at, round(Random(at).gauss(1e-4, 5e-5), 8), None, True, True)
        for at in range(first, span.end, 8 * HOUR)
    ]


def save(root: Path, rows: Sequence[Any], tag: str, span: Span) -> None:
    """Save rows of a span as fetched ones, day by day."""
    files = BackfillFiles(root)
    for day in days_of([span]):
        part = within([span], day_span(day))
        ours = [row for row in rows if part[0].start <= (row.start if tag == "kline" else row.ts) < part[-1].end]
        files.save(tag, rows[0].symbol, ours, part)


def live(rows: Iterable[Any]) -> list[Any]:
    """The same rows, heard in time."""
    return [msgspec.structs.replace(row, backfilled=False) for row in rows]


def ticks(start: int, end: int) -> list[Tick]:
    """One a second of (start, end]."""
    return [Tick(recv) for recv in range(start // SECOND * SECOND + SECOND, end + 1, SECOND)]


def make_log(folder: Path, events: Iterable[Any], shards: int = SHARDS) -> SqliteLog:
    """A log with events in the order of ``recv`` (ticks last: they close what came before), each in its shard."""
    log = SqliteLog(folder)
    for topic in TOPICS:
        log.create(topic.name, shards, topic.cleanup)
    ordered = sorted(events, key=lambda event: (event.recv, isinstance(event, Tick)))
    for shard in range(shards):
        ours = [event for event in ordered if isinstance(event, Tick) or shard_of(event.symbol, shards) == shard]
        if ours:
            log.append("events", shard, [NewRecord(None, encode(event), event.recv) for event in ours])
    return log


__all__ = ["BEGIN", "DAY", "MINUTE", "SECOND", "SHARDS", "SYMBOL", "Span"]
