"""The ``trading`` flow: events in; feature vectors, decisions, signals, what the paper exchange does, and how good the
data are, out."""

from functools import partial

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink

from dataflows.recipe import Begin, at_once
from dataflows.shards import ShardLogic
from operators.checkpoint import CheckpointStage, layout
from operators.decide.stage import DecideStage
from operators.engine import Cursor, Engine, Stage
from operators.exits.stage import ExitsStage
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from operators.online.models import NO_MODELS, Models
from operators.online.stage import OnlineStage
from operators.paper.stage import PaperBack, PaperFront
from operators.quality.stage import LOOKBACK, QualityStage
from operators.trading.quotes import Quotes
from operators.trading.stage import AccountStage

NAME = "trading"
WRITES = (
    "quality", "quality-minutes", "commands", "dead-letters", "predictions", "models", "decisions", "signals",
    "account", "checkpoints", "registries", "features",
)  # fmt: skip
COMPARED = (
    "features",
    "quality",
    "quality-minutes",
    "predictions",
    "models",
    "decisions",
    "signals",
    "account",
    "checkpoints",
    "registries",
)
AWAKE = 2
"""The market stage forgets by itself, and quotes are of the last moment."""


def stages(features: FeatureSet, cursor: Cursor, models: Models = NO_MODELS) -> list[Stage]:
    """Exits come before entries: what closes a position must not wait for what opens one. Quality comes behind all."""
    market = MarketStage(features, cursor, follows=True)
    quotes = Quotes(market)
    front = PaperFront(cursor, quotes)
    account = AccountStage(cursor, quotes)
    online = OnlineStage(cursor, quotes, account, models)
    exits = ExitsStage(cursor, quotes, account)
    decide = DecideStage(cursor, quotes, account, online)
    quality = QualityStage(cursor, market)
    remembering: list[Stage] = [quotes, front, account, online, exits, decide, PaperBack(front), quality]
    return [market, *remembering, CheckpointStage(cursor, quotes, remembering)]


def engine(features: FeatureSet, shard: int, models: Models = NO_MODELS) -> Engine:
    """The engine of one shard."""
    return Engine(shard, partial(stages, features, models=models), awake=AWAKE)


def lookback(features: FeatureSet) -> int:
    """How far back, in microseconds, the market stage must be fed before the others may rest on it."""
    return max(MarketStage(features, Cursor(0)).lookback, LOOKBACK)


def layouts(features: FeatureSet) -> tuple[str, str]:
    """Of all stages, and of those that checkpoints hold."""
    chain = stages(features, Cursor(0))
    return layout(chain), layout(chain[1:])


class Trading:
    """The recipe, with the files of its models."""

    NAME: str = NAME
    WRITES: tuple[str, ...] = WRITES
    COMPARED: tuple[str, ...] = COMPARED

    def __init__(self, models: Models = NO_MODELS) -> None:
        self.models = models

    def engine(self, features: FeatureSet, shard: int) -> Engine:
        """The engine of one shard."""
        return engine(features, shard, self.models)

    def build(self, source: Source, sink: Sink, features: FeatureSet, begin: Begin = at_once) -> Dataflow:
        """events -> quality ... features. Live, replay, parity and backtest differ in source, sink and beginning."""
        logic = partial(ShardLogic, partial(self.engine, features), begin)
        flow = Dataflow(NAME)
        events = op.input("events", flow, source)  # (shard, (number, [(offset, value)]))
        outputs = op.stateful_batch("trade", events, logic)  # (shard, Output), in origin order
        op.output("topics", outputs, sink)
        return flow

    def lookback(self, features: FeatureSet) -> int:
        """How far back, in microseconds, the market stage must be fed before the others may rest on it."""
        return lookback(features)

    def layouts(self, features: FeatureSet) -> tuple[str, str]:
        """Of all stages, and of those that checkpoints hold."""
        return layouts(features)
