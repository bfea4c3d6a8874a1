"""Where the rows of a request come from: every shard that holds one of its symbols, merged in the order of time."""

import heapq
from collections.abc import Iterator
from typing import NamedTuple

import structlog

from connectors.log import Log
from connectors.lookback import PastLost, lookback_offset
from learning.datasets.pace import Pace
from learning.datasets.recorded import Unfit, ensure_covered, recorded
from learning.datasets.replayed import ShardRange, replayed
from learning.datasets.request import DatasetRequest
from learning.datasets.row import Columns, Row, RowMaker
from operators.engine import Cursor
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from schemas.topics import shard_of


class Part(NamedTuple):
    """The symbols of one shard, and where their rows are."""

    where: ShardRange
    maker: RowMaker


def parts_of(
    log: Log, shards: int, request: DatasetRequest, columns: Columns, features: FeatureSet, first: int, end: int
) -> tuple[list[Part], list[str]]:
    """One part for each shard that is needed, and notes on what the log does not hold any more."""
    lookback = MarketStage(features, Cursor(0)).lookback
    by_shard: dict[int, list[str]] = {}
    for symbol in sorted(request.symbols):
        by_shard.setdefault(shard_of(symbol, shards), []).append(symbol)
    parts, notes = [], []
    for shard, symbols in sorted(by_shard.items()):
        maker = RowMaker(symbols, columns, request.target, request.every, first, end)
        try:
            start = lookback_offset(log, shard, max(first - lookback, 0))
        except PastLost:
            start = log.start("events", shard)
            notes.append(f"events/{shard} begins less than one look-back before the first row: features are null until"
                         " their windows are filled")  # fmt: skip
            structlog.get_logger().warning("dataset.short_warm_up", shard=shard, begins=start, wanted=lookback)
        parts.append(Part(ShardRange(shard, start, log.end("events", shard)), maker))
    return parts, notes


def computed(log: Log, parts: list[Part], features: FeatureSet, pace: Pace) -> Iterator[Row]:
    """Rows in the order of (ts, symbol), by replay."""
    return merged([replayed(log, part.where, features, part.maker, pace.step) for part in parts])


def found(log: Log, parts: list[Part], features: FeatureSet, pace: Pace) -> Iterator[Row]:
    """The same rows, from the topic ``features``.

    Raises:
        Unfit: when it does not hold them.
    """
    for part in parts:
        ensure_covered(log, part.where.shard, part.maker.first, part.maker.end)
    return merged([recorded(log, part.where, features, part.maker, pace.step) for part in parts])


def merged(streams: list[Iterator[Row]]) -> Iterator[Row]:
    """Of several shards in one order."""
    return heapq.merge(*streams, key=lambda row: (row.ts, row.symbol))


def messages(log: Log, parts: list[Part]) -> int:
    """How many there are to read, about."""
    total = 0
    for part in parts:
        shard, start, stop = part.where
        total += max(0, min(stop, log.offset_at("events", shard, part.maker.end + 1_000_000)) - start)
    return total


__all__ = ["Part", "Unfit", "computed", "found", "merged", "messages", "parts_of"]
