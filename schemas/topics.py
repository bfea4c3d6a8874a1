"""Which topic carries what."""

from dataclasses import dataclass
from typing import Any, Literal
from zlib import crc32

from schemas.account import AnyAccount
from schemas.checkpoint import Checkpoint
from schemas.command import AnyCommand
from schemas.dataset import DatasetDone
from schemas.dead import DeadLetter
from schemas.decision import Decision
from schemas.events import AnyEvent
from schemas.governance import AnyLearning
from schemas.model import ModelChange
from schemas.prediction import AnyPrediction
from schemas.quality import QualityMinute, QualityRecord
from schemas.registry import RegistryChange
from schemas.signal import TradingSignal
from schemas.vector import FeatureVector


@dataclass(frozen=True)
class Topic:
    """A topic: its name, the type of its records, its key, and how the log cleans it up."""

    name: str
    record: Any
    key: str
    about: str
    cleanup: Literal["delete", "compact"] = "delete"


EVENTS = Topic("events", AnyEvent, "symbol", "Everything that can change a decision, in the order that is the truth.")
FEATURES = Topic("features", FeatureVector, "symbol", "One feature vector per symbol and second.")
QUALITY = Topic("quality", QualityRecord, "symbol", "Gaps, desynchronised books, anomalies.")
QUALITY_MINUTES = Topic(
    "quality-minutes", QualityMinute, "symbol", "How complete, sound and timely each symbol's data were, every minute."
)
DECISIONS = Topic(
    "decisions", Decision, "symbol", "Every decision of every strategy, above all not to trade, with its reason."
)
SIGNALS = Topic("signals", TradingSignal, "symbol", "Decisions that passed every gate, for somebody to execute.")
ACCOUNT = Topic(
    "account", AnyAccount, "symbol", "What the paper exchange did, and every execution joined with its signal."
)
PREDICTIONS = Topic(
    "predictions", AnyPrediction, "symbol", "What each model foretold, a horizon later what came of it, and its scores."
)
MODELS = Topic("models", ModelChange, "strategy", "Which model is in force or in shadow, and whether it can be used.")
REGISTRIES = Topic("registries", RegistryChange, "version", "Which feature registry each shard uses, and from when on.")
LEARNING = Topic("learning", AnyLearning, "strategy", "Trainings that ended, and alerts about models.")
DATASETS = Topic("datasets", DatasetDone, "symbol", "Dataset builds that ended.")
CHECKPOINTS = Topic(
    "checkpoints", Checkpoint, "source", "The state of stages that remember without bound, every few minutes."
)
COMMANDS = Topic(
    "commands", AnyCommand, "target", "Requests: resynchronise a book, train a model, build a dataset, fetch history."
)
DEAD_LETTERS = Topic("dead-letters", DeadLetter, "source", "What could not be read, with the reason.")

TOPICS = (
    EVENTS, FEATURES, PREDICTIONS, MODELS, DECISIONS, SIGNALS, ACCOUNT, QUALITY, QUALITY_MINUTES,
    REGISTRIES, LEARNING, DATASETS, CHECKPOINTS,
    COMMANDS, DEAD_LETTERS,
)  # fmt: skip
BY_NAME = {topic.name: topic for topic in TOPICS}


def shard_of(symbol: str, shards: int) -> int:
    """The shard that holds a symbol: CRC-32 of its name, as librdkafka's own key partitioner does it.

    >>> shard_of("BTCUSDT", 4), shard_of("ETHUSDT", 4)
    (3, 0)
    """
    return crc32(symbol.encode()) % shards
