"""One flow on one log: where it starts, what it runs on, how it is replayed and compared."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path

import structlog
from bytewax.testing import run_main

from connectors.log import Log
from connectors.lookback import PastLost
from connectors.sink import Counters, LogSink, Take, Unleased
from connectors.source import LogSource, ResumeTrimmed, stop_at_end
from dataflows import recovery
from dataflows.parity import CompareSink, Parity
from dataflows.positions import Place
from dataflows.rebuild import Memory, Start, begin_at, cold, resume
from dataflows.recipe import Recipe
from dataflows.recovery import StateUnusable
from dataflows.run import EPOCH, own_errors, run, tune_gc
from operators.features.featureset import FeatureSet
from operators.registry import Registry

BATCH = 2_000
STATE = 3
"""Raised whenever the form of what the source or ``ShardLogic`` keeps changes, so that no older one is restored."""


class Job:
    """A flow over the ``events`` of one log.

    Args:
        recipe: the flow.
        log: where the topics are.
        shards: how many shards each has.
        registry: the features to compute, until an activation on the log says otherwise.
        batch: the most messages a poll takes; it changes speed and memory, never results.
    """

    def __init__(self, recipe: Recipe, log: Log, shards: int, registry: Registry, batch: int = BATCH) -> None:
        self.recipe = recipe
        self.log = log
        self.shards = shards
        self.registry = registry
        self.features = FeatureSet.compile(registry)
        self.batch = batch
        self.layout, self.remembered = recipe.layouts(self.features)

    def signature(self, log_name: str) -> str:
        """What a recovery directory must have been made for: state layout, registry, log.

        Not the registries that were activated on the log, which are part of the state: an activation costs no rebuild.
        """
        described = [str(STATE), self.layout, str(self.shards), log_name, self.registry.version]
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
            start = self._start(prefix, accept_loss)
            source = LogSource(self.log, "events", self.shards, lambda shard: start(shard).offset, stop, self.batch)
            sink = LogSink(self.log, self.recipe.WRITES, self.shards, take, counters, prefix)
            flow = self.recipe.build(source, sink, self.features, lambda shard: start(shard).beginning)
            run(flow, recovery=directory, process=process, addresses=addresses)

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

    def _start(self, prefix: str, accept_loss: bool) -> Callable[[int], Start]:
        """Where a shard begins when there is no recovery state; asked by its source and by its engine."""

        @cache
        def start(shard: int) -> Start:
            try:
                return resume(self.log, prefix + self.recipe.WRITES[-1], shard, self._memory(prefix))
            except PastLost as error:
                if not accept_loss:
                    raise
                structlog.get_logger().warning("flow.loss_accepted", loss=str(error))
                return cold(self.log, shard, self.log.start("events", shard), self._memory(prefix))

        return start

    def _memory(self, prefix: str) -> Memory:
        return Memory(self.features, self.recipe.lookback, self.remembered, prefix)

    def replay(self, first: Place, last: Place, prefix: str) -> Counters:
        """Feed a range through the flow again, into topics named ``prefix`` + topic.

        The market stage starts cold at ``first``: values whose look-back reaches further are ``null``. So do the
        others, unless they begin at the first event of the log. The registry is the one in force there.
        """
        ranges = self.ranges(first, last)
        starts = {shard: cold(self.log, shard, offsets[0], self._memory("")) for shard, offsets in ranges.items()}
        counters = Counters()
        for topic in self.recipe.WRITES:
            self.log.create(prefix + topic, self.shards)
        sink = LogSink(self.log, self.recipe.WRITES, self.shards, counters=counters, prefix=prefix)
        self._run(starts, ranges, sink)
        return counters

    def parity(self, first: Place, last: Place) -> Parity:
        """Compare what was published for the events of a range with what today's code makes of them.

        The engine is warmed up before the range: by one look-back, and from a checkpoint where the flow makes any.
        """
        ranges = self.ranges(first, last)
        starts = {shard: self._warm_start(shard, offsets) for shard, offsets in ranges.items()}
        parity = Parity()
        self._run(starts, ranges, CompareSink(self.log, self.recipe.COMPARED, ranges, parity))
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

    def _warm_start(self, shard: int, offsets: tuple[int, int]) -> Start:
        first, last = offsets
        if first >= last:
            return Start(first)
        return begin_at(self.log, shard, first, self._memory(""), last)

    def _run(
        self, starts: Mapping[int, Start], ranges: Mapping[int, tuple[int, int]], sink: LogSink | CompareSink
    ) -> None:
        stop = {shard: offsets[1] for shard, offsets in ranges.items()}
        source = LogSource(self.log, "events", self.shards, lambda shard: starts[shard].offset, stop, self.batch)
        tune_gc()
        with own_errors():
            flow = self.recipe.build(source, sink, self.features, lambda shard: starts[shard].beginning)
            run_main(flow, epoch_interval=EPOCH)

    def prepare(self, directory: Path, log_name: str) -> None:
        """Make the recovery directory ready, discarding state that does not fit."""
        recovery.prepare(directory, self.signature(log_name))
