"""The ``features`` flow: events in; feature vectors, and how good the data are, out."""

from functools import partial

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink

from dataflows.recipe import Begin, at_once
from dataflows.shards import ShardLogic
from operators.engine import Cursor, Engine, Stage
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from operators.quality.stage import LOOKBACK, QualityStage

NAME = "features"
WRITES: tuple[str, ...] = ("quality", "quality-minutes", "commands", "dead-letters", "registries", "features")
COMPARED: tuple[str, ...] = ("features", "quality", "quality-minutes", "registries")
AWAKE = 2
"""Both stages forget by themselves."""


def engine(features: FeatureSet, shard: int) -> Engine:
    """The engine of one shard: the market, and what is to be said of its data."""

    def stages(cursor: Cursor) -> list[Stage]:
        market = MarketStage(features, cursor, follows=True)
        return [market, QualityStage(cursor, market)]

    return Engine(shard, stages, awake=AWAKE)


def build(source: Source, sink: Sink, features: FeatureSet, begin: Begin = at_once) -> Dataflow:
    """events -> quality ... features. Live, replay and parity differ in source and sink alone."""
    logic = partial(ShardLogic, partial(engine, features), begin)
    flow = Dataflow(NAME)
    events = op.input("events", flow, source)  # (shard, (number, [(offset, value)]))
    outputs = op.stateful_batch("market", events, logic)  # (shard, Output), in origin order
    op.output("topics", outputs, sink)
    return flow


def lookback(features: FeatureSet) -> int:
    """How far back, in microseconds, a replay must begin to find the same values."""
    return max(MarketStage(features, Cursor(0)).lookback, LOOKBACK)


def layouts(features: FeatureSet) -> tuple[str, str]:
    """It needs no checkpoints: everything it keeps is found again by looking back."""
    return f"MarketStage/{MarketStage.layout} QualityStage/{QualityStage.layout}", ""
