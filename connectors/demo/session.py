"""A demo session that is written to a log piece by piece, as a collector would write it."""

import sys
from itertools import groupby

from connectors.buffer import Buffer
from connectors.collector import Collector, Enrich, alone
from connectors.demo.candles import HISTORY
from connectors.demo.market import Market
from connectors.frames import Frame
from connectors.log import Log

BATCH = 5_000


class Session:
    """A market on its way to ``events``, in virtual time: whoever holds it says how far it goes.

    The records are those that a collector would write of the same frames; they do not depend on the pieces.

    Args:
        market: the exchange; its start is the session's.
        log: where ``events`` and ``dead-letters`` are.
        shards: how many each of them has.
        enrich: what stands behind an event, for instance keyframes of the books.
    """

    def __init__(self, market: Market, log: Log, shards: int, enrich: Enrich = alone) -> None:
        self.log = log
        self.buffer = Buffer(sys.maxsize)
        self.collector = Collector(self.buffer, shards, enrich, frozenset(market.symbols))
        self.frames = market.frames()
        self.coming: Frame = next(self.frames)
        self.collector.tick(self.coming.recv)
        self.collector.feed(kline for symbol in market.symbols.values() for kline in symbol.history(HISTORY))

    def until(self, time: int) -> int:
        """Write everything received up to ``time`` (microseconds UTC) and the seconds that ended by then; returns how
        many records that were."""
        while self.coming.recv <= time:
            self.collector.feed([self.coming])
            self.coming = next(self.frames)
        self.collector.tick(time)
        return self._write()

    def _write(self) -> int:
        written = 0
        while taken := self.buffer.take(BATCH):
            written += len(taken)
            for (topic, shard), records in groupby(
                sorted(taken, key=lambda pending: (pending.topic, pending.shard)),
                key=lambda pending: (pending.topic, pending.shard),
            ):
                self.log.append(topic, shard, [pending.record for pending in records])
        return written
