"""What a stage behind the market stage is fed, record by record, for random sessions."""

from typing import Any

from hypothesis import Phase

from operators.engine import Cursor, Engine
from operators.features.catalogue import FEATURES
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from tests.streams import raw, stream

FEW = FeatureSet("few", [(name, FEATURES[name], None) for name in ("mid_price", "volume_3s")])

PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""A seed cannot be made smaller."""


class Listener:
    """Stands behind the market stage and keeps what it hears."""

    layout = 1

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def feed(self, record: Any, out: list[Any]) -> None:
        self.heard.append(record)
        out.append(record)

    def snapshot(self) -> Any:
        return None

    def restore(self, state: Any) -> None:
        self.heard = []


def records(events: list[Any]) -> list[Any]:
    """Vectors, quality records and events of one shard, in the order of the engine's chain."""
    listener = Listener()

    def build(cursor: Cursor) -> list[Any]:
        return [MarketStage(FEW, cursor), listener]

    Engine(0, build).feed(raw(events))
    return listener.heard


def session(seed: int, seconds: int) -> list[Any]:
    """The records of a random session with gaps, silences, late events and candles."""
    return records(stream(seed, seconds))
