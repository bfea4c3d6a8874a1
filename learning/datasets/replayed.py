"""Rows by computing every feature again from ``events``, as the live flow did."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from connectors.log import Log
from connectors.log.span import raw_span
from learning.datasets.rhythm import Rhythm
from learning.datasets.row import Row, RowMaker
from operators.engine import Cursor, Engine
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from schemas.market import Gap, Kline, Trade
from schemas.vector import FeatureVector

BATCH = 2_000
Step = Callable[[int], None]
"""Told how many messages a batch had; it may wait, or raise ``Cancelled``."""


class ShardRange(NamedTuple):
    """Offsets [start, stop) of ``events`` of a shard; ``start`` is one look-back before the first row."""

    shard: int
    start: int
    stop: int


class RowStage:
    """Stands behind the market stage and makes rows of what it hears. Nothing flows on, so nothing is encoded."""

    layout = 1
    takes = frozenset({FeatureVector, Trade, Kline, Gap})

    def __init__(self, maker: RowMaker) -> None:
        self.maker = maker

    def feed(self, record: Any, out: list[Any]) -> None:
        """Take in the next record."""
        self.maker.feed(record)

    def snapshot(self) -> Any:
        """A build that ends early begins again: there is nothing to keep."""
        return None

    def restore(self, state: Any) -> None:
        """There was nothing to keep."""


def replayed(log: Log, where: ShardRange, features: FeatureSet, maker: RowMaker, step: Step) -> Iterator[Row]:
    """The rows of one shard in the order of (ts, symbol)."""
    sparse = Rhythm(features, maker.every // 1_000_000, maker.first, maker.end)

    def stages(cursor: Cursor) -> list[Any]:
        return [MarketStage(sparse, cursor), RowStage(maker)]

    engine = Engine(where.shard, stages)
    market = engine.stages[0]
    assert isinstance(market, MarketStage)
    for batch in raw_span(log, "events", where.shard, where.start, where.stop, BATCH):
        engine.feed(batch)
        yield from maker.made
        maker.made.clear()
        step(len(batch))
        if market.clock is not None and market.clock > maker.until:
            break
    maker.finish()
