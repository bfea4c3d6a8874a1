"""What a flow is, for everything that runs, replays and compares flows. Each module of a flow is one."""

from collections.abc import Callable
from typing import Protocol

from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink

from operators.engine import Beginning, Engine
from operators.features.featureset import FeatureSet

Begin = Callable[[int], Beginning | None]
"""How the engine of a shard begins where there is no recovery state; None: with the first message it is fed."""


def at_once(shard: int) -> Beginning | None:
    """The engine begins with the first message it is fed."""
    return None


class Recipe(Protocol):
    """A flow on the events of a log."""

    NAME: str
    WRITES: tuple[str, ...]
    """Its topics in the order in which a sink writes them, the principal one last."""
    COMPARED: tuple[str, ...]
    """The topics whose bytes a replay must find again."""

    def engine(self, features: FeatureSet, shard: int) -> Engine:
        """The engine of one shard."""
        ...

    def build(self, source: Source, sink: Sink, features: FeatureSet, begin: Begin) -> Dataflow:
        """The flow between a source and a sink."""
        ...

    def lookback(self, features: FeatureSet) -> int:
        """Microseconds after which the market stage has forgotten."""
        ...

    def layouts(self, features: FeatureSet) -> tuple[str, str]:
        """The form of what an engine keeps: of all of it, and of what its checkpoints hold (empty: it makes none)."""
        ...
