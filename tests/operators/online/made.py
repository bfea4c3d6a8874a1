"""A shard on which strategies learn, and models whose word is known, for the tests of the stage ``online``."""

from dataclasses import dataclass, field
from pathlib import Path

import yaml

from dataflows import trading
from operators.engine import Engine
from operators.features.featureset import FeatureSet
from operators.online.models import Unusable
from operators.online.stage import OnlineStage
from operators.registry import parse_registry
from schemas.account import AccountConfigured
from schemas.codec import decode_model_change, decode_prediction, decode_quality
from schemas.learning import Learning, Online, Target
from schemas.model import ModelActivated, ModelShadowed
from schemas.prediction import Outcome, Prediction, Score
from schemas.strategy import Strategy, StrategyConfigured, Warmup
from tests.streams import START, raw, stream

REGISTRY = Path(__file__).resolve().parents[3] / "config" / "feature_registry" / "1.0.0.yaml"
SECOND = 1_000_000
SYMBOLS = ("AAAUSDT", "BBBUSDT")
TARGET = Target(horizon=30, threshold=0.0001)


def registry():
    """A registry without funding, whose estimates live for hours."""
    found = yaml.safe_load(REGISTRY.read_text())
    found["features"] = [entry for entry in found["features"] if "funding" not in entry["name"]]
    return FeatureSet.compile(parse_registry(yaml.safe_dump(found), where="short"))


FEATURES = registry()


def learns(name="s", symbols=SYMBOLS, target=TARGET, frequency=6, confidence=0.0, **online):
    """A strategy that learns online, and decides every ten seconds."""
    learning = Learning(target=target, online=Online(**{"enabled": True, **online}))
    settings = {"warmup": Warmup(frequency, threshold=0.0), "confidence": confidence, "learning": learning}
    return Strategy(name, tuple(symbols), **settings)


def configured(*strategies, second=0):
    return [StrategyConfigured(START + second * SECOND, each) for each in strategies]


def activated(version, second=0, name="s", symbol=None, sha256="aa"):
    return ModelActivated(START + second * SECOND, name, version, symbol, sha256)


def shadowed(version, second=0, name="s", symbol=None, watching=True, sha256="aa"):
    return ModelShadowed(START + second * SECOND, name, version, symbol, sha256, watching)


def shard(seed, seconds, *controls, faults=True):
    """Messages of a shard: the market, with control events at their times (those of second 0 in front)."""
    first = [event for event in controls if event.recv <= START]
    market = stream(seed, seconds, SYMBOLS, faults)
    for event in sorted((event for event in controls if event.recv > START), key=lambda event: event.recv):
        place = next(number for number, found in enumerate(market) if found.recv > event.recv)
        market.insert(place, event)
    return raw([AccountConfigured(1, "paper"), *first, *market])


@dataclass
class Known:
    """A batch model that says the same of every vector, or raises."""

    version: str
    said: dict[str, float]
    features: tuple[str, ...] = ("mid_price",)
    feature_registry_version: str = FEATURES.version
    target: Target = TARGET
    meanings: dict[str, str] = field(default_factory=dict)
    error: Exception | None = None

    def probabilities(self, features):
        if self.error is not None:
            raise self.error
        assert set(self.features) <= set(features)
        return self.said


@dataclass
class Shop:
    """Has the models that it was given."""

    models: dict[str, Known] = field(default_factory=dict)

    def open(self, version, sha256):
        if version not in self.models:
            raise Unusable(f"model {version}: there is no such file")
        return self.models[version]


def shop(*models):
    return Shop({model.version: model for model in models})


RISES = Known("v1", {"-1": 0.1, "0": 0.2, "1": 0.7})
FALLS = Known("v2", {"-1": 0.6, "0": 0.3, "1": 0.1})
UNSURE = Known("v3", {"-1": 0.25, "0": 0.5, "1": 0.25})


class Ran:
    """What an engine made of messages."""

    def __init__(self, messages, models=None):
        self.messages = messages
        self.engine = engine(models)
        self.outputs = self.engine.feed(messages)
        told = [decode_prediction(value) for value in self.of("predictions")]
        self.predictions = [record for record in told if isinstance(record, Prediction)]
        self.outcomes = [record for record in told if isinstance(record, Outcome)]
        self.scores = [record for record in told if isinstance(record, Score)]
        self.changes = [decode_model_change(value) for value in self.of("models")]
        quality = [decode_quality(value) for value in self.of("quality")]
        self.trouble = [record for record in quality if record.problem.startswith("model.")]

    def of(self, topic):
        return [output.value for output in self.outputs if output.topic == topic]

    @property
    def stage(self):
        return next(stage for stage in self.engine.stages if isinstance(stage, OnlineStage))


def engine(models=None) -> Engine:
    return trading.engine(FEATURES, 0, shop() if models is None else models)
