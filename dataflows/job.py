"""One flow on one log: where it starts, what it runs on, how it is replayed and compared."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import structlog
from bytewax.testing import run_main

from connectors.log import Log
from connectors.sink import Counters, LogSink, Take, Unleased
from connectors.source import LogSource, ResumeTrimmed, stop_at_end
from dataflows import features as recipe
from dataflows import recovery
from dataflows.parity import CompareSink, Parity
from dataflows.positions import Place
from dataflows.rebuild import PastLost, lookback_offset, rebuild_offset, time_at
from dataflows.recovery import StateUnusable
from dataflows.run import EPOCH, own_errors, run, tune_gc
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from operators.registry import Registry

BATCH = 2_000
STATE = 2
"""Raised whenever the form of what the source or ``ShardLogic`` keeps changes, so that no older one is restored."""


class FeaturesJob:
    """The ``features`` flow over the ``events`` of one log.

    Args:
        log: where the topics are.
        shards: how many shards each has.
        registry: the features to compute.
        batch: the most messages a poll takes; it changes speed and memory, never results.
    """

    name = "features"

    def __init__(self, log: Log, shards: int, registry: Registry, batch: int = BATCH) -> None:
        self.log = log
        self.shards = shards
        self.registry = registry
        self.features = FeatureSet.compile(registry)
        self.batch = batch
        self.lookback = recipe.lookback(self.features)

    def signature(self, log_name: str) -> str:
        """What a recovery directory must have been made for: state layout, registry, log."""
        described = [str(STATE), str(MarketStage.layout), str(self.shards), log_name, self.registry.version]
        for entry in self.registry.entries:
            params = sorted(entry.feature.params.items())
            described.append(f"{entry.name} {entry.feature.formula.name} {params} {entry.normalise}")
        return blake2b("\n".join(described).encode(), digest_size=12).hexdigest()

    def live(
        self,
        directory: Path,
        *,
        prefix: str = "",
        take: Take = Unleased,
        counters: Counters | None = None,
        process: int | None = None,
        addresses: Sequence[str] | None = None,
        until_end: bool = False,
        accept_loss: bool = False,
    ) -> None:
        """Follow the log from where the recovery directory, or else the output, says; for ever, or to its present end.

        Recovery state that cannot be used is given up and rebuilt from the log; not so in a process of a cluster, which
        must be started again as a whole (see ``rebuilds``).

        Raises:
            PastLost, ResumeTrimmed: when retention took what must still be processed and ``accept_loss`` is not set.
            LogError: when the recovery state does not fit the log.
            StateUnusable: in a process of a cluster.
        """

        def follow() -> None:
            stop = stop_at_end(self.log, "events", self.shards) if until_end else None
            source = LogSource(self.log, "events", self.shards, self._start(prefix, accept_loss), stop, self.batch)
            sink = LogSink(self.log, recipe.WRITES, self.shards, take, counters, prefix)
            run(recipe.build(source, sink, self.features), recovery=directory, process=process, addresses=addresses)

        try:
            follow()
        except Exception as error:
            if process is not None or not self.rebuilds(error, accept_loss):
                raise
            recovery.renew(directory, str(error))
            follow()

    @staticmethod
    def rebuilds(error: Exception, accept_loss: bool) -> bool:
        """Whether a flow that ended with ``error`` can go on by giving its recovery state up."""
        return isinstance(error, StateUnusable) or (accept_loss and isinstance(error, ResumeTrimmed))

    def _start(self, prefix: str, accept_loss: bool) -> Callable[[int], int]:
        """Where a shard begins when there is no recovery state."""

        def start(shard: int) -> int:
            try:
                return rebuild_offset(self.log, prefix + recipe.WRITES[-1], shard, self.lookback)
            except PastLost as error:
                if not accept_loss:
                    raise
                structlog.get_logger().warning("flow.loss_accepted", loss=str(error))
                return self.log.start("events", shard)

        return start

    def replay(self, first: Place, last: Place, prefix: str) -> Counters:
        """Feed a range through the flow again, into topics named ``prefix`` + topic.

        The engine starts cold at ``first``: values whose look-back reaches further are ``null``.
        """
        ranges = self.ranges(first, last)
        source = self._source({shard: offsets[0] for shard, offsets in ranges.items()}, ranges)
        counters = Counters()
        for topic in recipe.WRITES:
            self.log.create(prefix + topic, self.shards)
        sink = LogSink(self.log, recipe.WRITES, self.shards, counters=counters, prefix=prefix)
        self._run(source, sink)
        return counters

    def parity(self, first: Place, last: Place, topics: tuple[str, ...] = ("features", "quality")) -> Parity:
        """Compare what was published for the events of a range with what today's code makes of them.

        The engine is warmed up over one look-back before the range.
        """
        ranges = self.ranges(first, last)
        starts = {shard: self._warm_start(shard, offsets) for shard, offsets in ranges.items()}
        parity = Parity()
        self._run(self._source(starts, ranges), CompareSink(self.log, topics, ranges, parity))
        return parity

    def ranges(self, first: Place, last: Place) -> dict[int, tuple[int, int]]:
        """Offsets [from, to) per shard."""
        ranges = {}
        for shard in range(self.shards):
            begin, end = (place(self.log, "events", shard) for place in (first, last))
            limits = self.log.start("events", shard), self.log.end("events", shard)
            begin, end = (min(max(offset, limits[0]), limits[1]) for offset in (begin, end))
            ranges[shard] = (begin, max(begin, end))
        return ranges

    def _warm_start(self, shard: int, offsets: tuple[int, int]) -> int:
        first, last = offsets
        if first >= last:
            return first
        return lookback_offset(self.log, shard, time_at(self.log, shard, first) - self.lookback)

    def _source(self, starts: Mapping[int, int], ranges: Mapping[int, tuple[int, int]]) -> LogSource:
        stop = {shard: offsets[1] for shard, offsets in ranges.items()}
        return LogSource(self.log, "events", self.shards, starts.__getitem__, stop, self.batch)

    def _run(self, source: LogSource, sink: LogSink | CompareSink) -> None:
        tune_gc()
        with own_errors():
            run_main(recipe.build(source, sink, self.features), epoch_interval=EPOCH)

    def prepare(self, directory: Path, log_name: str) -> None:
        """Make the recovery directory ready, discarding state that does not fit."""
        recovery.prepare(directory, self.signature(log_name))
