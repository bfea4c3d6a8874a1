"""The ``backtest`` flow: a range of the log through the engine of ``trading``, into a log of its own.

Live and backtest differ in source, sink and beginning alone: the paper exchange stands in both chains.
"""

from collections.abc import Mapping
from functools import partial
from hashlib import blake2b
from pathlib import Path

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink

from connectors.log import Log
from connectors.log.sqlite import SqliteLog
from connectors.sink import Counters, LogSink
from connectors.source import LogSource
from dataflows import recovery, trading
from dataflows.admission import Admission
from dataflows.job import BATCH
from dataflows.recipe import Begin
from dataflows.recovery import StateUnusable
from dataflows.run import run
from dataflows.sampling import TOPIC as PRICES
from dataflows.sampling import SampledEngine, Sampler
from dataflows.shards import ShardLogic
from operators.engine import Beginning, Cursor, Engine, Raw, Stage
from operators.features.featureset import FeatureSet
from operators.online.models import NO_MODELS, Models
from operators.trading.quotes import Quotes
from schemas.account import AccountConfigured
from schemas.model import ModelActivated
from schemas.output import Output
from schemas.strategy import Strategy

NAME = "backtest"
WRITES = (*(topic for topic in trading.WRITES if topic != "features"), PRICES)
"""The topics of the backtest's own log."""


class Range(msgspec.Struct, frozen=True):
    """What of one shard is replayed: offsets ``first`` up to, not including, ``stop``, after a warm-up from ``warm``.

    ``begins`` and ``ends`` are the times of its first and last market event (microseconds UTC), 0 where there is none;
    ``mark`` tells the range from that of another log; ``events`` are in force from the first offset on, ``before`` are
    the activations of feature registries that count where the warm-up begins.
    """

    first: int
    stop: int
    warm: int
    begins: int
    ends: int
    mark: str
    events: tuple[bytes, ...] = ()
    before: tuple[bytes, ...] = ()


class Request(msgspec.Struct, frozen=True):
    """Everything that a backtest's result depends on.

    ``own``: the strategies are the backtest's, not the log's; ``only``: no others count. ``models``: the activations of
    the backtest, instead of the log's (None: the log's count). ``registry`` and ``code`` are digests: the registry is
    the one in force before the log activates any, or all the way with ``own_registry``; ``registry_version`` names all
    that count.
    """

    ranges: tuple[Range, ...]
    strategies: tuple[Strategy, ...]
    account: AccountConfigured
    own: bool
    only: tuple[str, ...] | None
    strategies_from: str
    source: str
    registry: str
    registry_version: str
    code: str
    models: tuple[ModelActivated, ...] | None = None
    own_registry: bool = False

    def admission(self) -> Admission:
        """What of the log's control events counts."""
        only = None if self.only is None else frozenset(self.only)
        return Admission(self.own, only, self.models is not None, self.own_registry)

    @property
    def id(self) -> str:
        """The same for the same question, so that an interrupted run is found again."""
        return blake2b(msgspec.json.encode(self), digest_size=6).hexdigest()


class Progress:
    """How far a backtest is. Results ignore it.

    ``offsets`` is, by shard, the offset behind the last event; ``fed`` counts the events since the start of this
    process, and ``market`` the microseconds that the clocks of the shards went on meanwhile, all taken together.
    """

    def __init__(self, ranges: Mapping[int, Range]) -> None:
        self.ranges = ranges
        self.offsets = {shard: found.warm for shard, found in ranges.items()}
        self.clocks: dict[int, int] = {}
        self.fed = 0
        self.market = 0

    @property
    def total(self) -> int:
        """All events, those of the warm-up included."""
        return sum(found.stop - found.warm for found in self.ranges.values())

    @property
    def done(self) -> int:
        """Those of them that lie behind us."""
        return sum(self.offsets[shard] - found.warm for shard, found in self.ranges.items())

    def moved(self, shard: int, events: int, offset: int, clock: int) -> None:
        """A batch of a shard was fed, up to ``offset``; its clock (0: not known yet) says ``clock``."""
        self.offsets[shard] = offset
        self.fed += events
        if clock:
            self.market += clock - self.clocks.get(shard, clock)
            self.clocks[shard] = clock


class WatchedEngine(SampledEngine):
    """Tells how far it is."""

    progress: Progress | None = None

    def feed(self, messages: list[Raw]) -> list[Output]:  # type: ignore[override]  # a source hands lists out
        """As an engine does."""
        outputs = super().feed(messages)
        if self.progress is not None and messages:
            quotes = self.stages[2]
            assert isinstance(quotes, Quotes), "quotes stand behind the market"
            self.progress.moved(self.cursor.shard, len(messages), messages[-1][0] + 1, quotes.clock)
        return outputs


def stages(features: FeatureSet, request: Request, models: Models, cursor: Cursor) -> list[Stage]:
    """Those of ``trading``, between what counts and what is sampled."""
    chain = trading.stages(features, cursor, models)
    quotes = chain[1]
    assert isinstance(quotes, Quotes), "quotes stand behind the market"
    return [request.admission(), *chain, Sampler(cursor, quotes)]


def engine(features: FeatureSet, request: Request, progress: Progress | None, models: Models, shard: int) -> Engine:
    """The engine of one shard."""
    made = WatchedEngine(shard, partial(stages, features, request, models), awake=trading.AWAKE + 1)
    made.progress = progress
    return made


def beginning(found: Range) -> Beginning:
    """The market is known before the first offset; everything else begins there, with what is in force."""
    return Beginning(asleep=found.first - 1, events=found.events, quiet=found.first, before=found.before)


def build(
    source: Source,
    sink: Sink,
    features: FeatureSet,
    request: Request,
    progress: Progress | None,
    begin: Begin,
    models: Models = NO_MODELS,
) -> Dataflow:
    """events -> quality ... account, prices."""
    logic = partial(ShardLogic, partial(engine, features, request, progress, models), begin)
    flow = Dataflow(NAME)
    events = op.input("events", flow, source)  # (shard, (number, [(offset, value)]))
    outputs = op.stateful_batch("trade", events, logic)  # (shard, Output), in origin order
    op.output("topics", outputs, sink)
    return flow


def backtest(
    log: Log,
    request: Request,
    features: FeatureSet,
    folder: Path,
    progress: Progress | None = None,
    counters: Counters | None = None,
    batch: int = BATCH,
    models: Models = NO_MODELS,
) -> SqliteLog:
    """Replay what ``request`` asks for into the log in ``folder``; returns it when everything is on it.

    ``models`` finds the files of the models that are in force.

    Interrupted, it goes on where it was: the outcome is the same. State that cannot be used is given up, and the run
    begins again; what is written already is not written twice.
    """
    own = SqliteLog(folder / "log")
    shards = len(request.ranges)
    for topic in WRITES:
        own.create(topic, shards)
    state = folder / "recovery"
    recovery.prepare(state, request.id)

    def go() -> None:
        ranges = request.ranges
        stop = {shard: found.stop for shard, found in enumerate(ranges)}
        source = LogSource(log, "events", shards, lambda shard: ranges[shard].warm, stop, batch)
        sink = LogSink(own, WRITES, shards, counters=counters)
        flow = build(source, sink, features, request, progress, lambda shard: beginning(ranges[shard]), models)
        run(flow, recovery=state)

    try:
        go()
    except StateUnusable as error:
        recovery.renew(state, str(error))
        go()
    return own
