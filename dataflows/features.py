"""The ``features`` flow: events in, feature vectors out."""

from functools import partial

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink

from dataflows.shards import ShardLogic
from operators.engine import Cursor, Engine
from operators.features.featureset import FeatureSet
from operators.market import MarketStage

WRITES = ("quality", "commands", "dead-letters", "features")
"""The topics of the flow in the order in which a sink writes them, the principal one last."""


def engine(features: FeatureSet, shard: int) -> Engine:
    """The engine of one shard: a single ``market`` stage."""

    def stages(cursor: Cursor) -> list[MarketStage]:
        return [MarketStage(features, cursor)]

    return Engine(shard, stages)


def build(source: Source, sink: Sink, features: FeatureSet) -> Dataflow:
    """events -> quality, commands, dead-letters, features. Live, replay and parity differ in source and sink alone."""
    logic = partial(ShardLogic, partial(engine, features))
    flow = Dataflow("features")
    events = op.input("events", flow, source)  # (shard, (number, [(offset, value)]))
    outputs = op.stateful_batch("market", events, logic)  # (shard, Output), in origin order
    op.output("topics", outputs, sink)
    return flow


def lookback(features: FeatureSet) -> int:
    """How far back, in microseconds, a replay must begin to find the same values."""
    return MarketStage(features, Cursor(0)).lookback
