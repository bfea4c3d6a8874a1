"""What stands on a log after collecting, and what the features flow makes of it."""

from pathlib import Path

from connectors.log import Log
from dataflows.digest import records
from dataflows.features import engine
from operators.features.featureset import FeatureSet
from operators.registry import parse_registry
from schemas.codec import decode_dead_letter, decode_event, decode_quality, decode_vector
from schemas.dead import DeadLetter
from schemas.market import AnyMarketEvent
from schemas.output import Output
from schemas.quality import QualityRecord
from schemas.vector import FeatureVector

FULL = Path(__file__).resolve().parents[2] / "config" / "feature_registry" / "full.yaml"
FEATURES = FeatureSet.compile(parse_registry(FULL.read_text(), where="full.yaml"))
"""Every feature there is."""


class Made:
    """The events of every shard, what a bare engine makes of them, and what the collector refused."""

    def __init__(self, log: Log, shards: int) -> None:
        self.events: list[list[AnyMarketEvent]] = []
        self.outputs: list[Output] = []
        self.refused: list[DeadLetter] = []
        for shard in range(shards):
            messages = [(record.offset, record.value) for record in records(log, "events", shard)]
            self.events.append([decode_event(value or b"") for _, value in messages])
            self.outputs += engine(FEATURES, shard).feed(messages)
            self.refused += [decode_dead_letter(r.value or b"") for r in records(log, "dead-letters", shard)]
        self.vectors: list[FeatureVector] = [decode_vector(value) for value in self.of("features")]
        self.quality: list[QualityRecord] = [decode_quality(value) for value in self.of("quality")]

    def of(self, topic: str) -> list[bytes]:
        """The flow's records for a topic, shard by shard."""
        return [output.value for output in self.outputs if output.topic == topic]

    def vectors_of(self, symbol: str) -> list[FeatureVector]:
        """The vectors of one symbol in their order."""
        return [vector for vector in self.vectors if vector.symbol == symbol]
