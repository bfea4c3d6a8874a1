"""What models cost: predictions and lessons of each kind, and their share of the trading engine."""

import time
from collections.abc import Sequence
from itertools import count
from random import Random
from statistics import median
from typing import NamedTuple

from bench.sessions import SHARDS
from bench.strategies import messages_of, paper, strategies
from connectors.log import Log
from dataflows import features as market
from dataflows import trading
from dataflows.run import tune_gc
from operators.engine import Raw
from operators.features.featureset import FeatureSet
from operators.online.learner import LESSONS, Learner
from operators.online.pipelines import MODELS
from schemas.codec import decode_vector, encode
from schemas.learning import Learning, Online, OnlineModel, Target
from schemas.strategy import Strategy, StrategyConfigured
from schemas.vector import FeatureVector


class Cost(NamedTuple):
    """Microseconds of a prediction and of a lesson, of storing the state, and the kilobytes of it."""

    predict: float
    learn: float
    store: float
    kilobytes: float

    @property
    def a_second(self) -> float:
        """Vectors a second that a process can predict on and learn from."""
        return 1e6 / (self.predict + self.learn)


def vectors_of(log: Log, features: FeatureSet) -> list[FeatureVector]:
    """Those of a session, of every symbol."""
    found = []
    for shard in range(SHARDS):
        outputs = market.engine(features, shard).feed(messages_of(log, shard))
        found += [decode_vector(output.value) for output in outputs if output.topic == "features"]
    return found


def cost_of(model: OnlineModel, vectors: Sequence[FeatureVector], features: FeatureSet, rounds: int) -> Cost:
    """Of a pipeline on all features, after ``rounds`` times all vectors; the classes come at random."""
    learner, random = Learner(Online(enabled=True, model=model), features.meanings), Random(1)
    predict, learn = 0.0, 0.0
    for _ in range(rounds):
        for vector in vectors:
            label = random.choice((-1, 0, 1))
            begin = time.perf_counter()
            learner.probabilities(vector.features)
            said = time.perf_counter()
            learner.learn(learner.row(vector.features), label)
            learn += time.perf_counter() - said
            predict += said - begin
    number = rounds * len(vectors)
    begin = time.perf_counter()
    state = learner.snapshot()
    store = time.perf_counter() - begin
    return Cost(predict / (number - LESSONS) * 1e6, learn / number * 1e6, store * 1e6, len(state[-1]) / 1_000)


def costs(log: Log, features: FeatureSet, rounds: int) -> dict[OnlineModel, Cost]:
    """Of every model."""
    vectors = vectors_of(log, features)
    for model in MODELS:
        cost_of(model, vectors[: 2 * LESSONS], features, 1)
    return {model: cost_of(model, vectors, features, rounds) for model in MODELS}


class Share(NamedTuple):
    """Microseconds of the whole engine a vector, without and with a strategy that learns."""

    without: float
    learning: float

    @property
    def share(self) -> float:
        """Of the learning engine's time, how much is the models'."""
        return 1 - self.without / self.learning


def share_of(log: Log, features: FeatureSet, symbols: Sequence[str], every: int, rounds: int) -> Share:
    """One strategy that decides every two seconds, with a model or without, on a market of its usual liveliness."""
    shards = [messages_of(log, shard) for shard in range(SHARDS)]
    [plain] = strategies(1, symbols)
    learning = Learning(Target(horizon=10), Online(enabled=True, every=every))
    learns = Strategy("strategy_00", plain.symbols, warmup=plain.warmup, rate=plain.rate, learning=learning)
    tune_gc()
    without, learned = [], []
    for _ in range(rounds):
        without.append(_microseconds_per_vector(plain, features, shards))
        learned.append(_microseconds_per_vector(learns, features, shards))
    return Share(median(without), median(learned))


def _microseconds_per_vector(strategy: Strategy, features: FeatureSet, shards: list[list[Raw]]) -> float:
    control = [encode(event) for event in (paper(), StrategyConfigured(1, strategy))]
    spent, vectors = 0.0, 0
    for shard, messages in enumerate(shards):
        engine = trading.engine(features, shard)
        engine.feed(zip(count(-len(control)), control, strict=False))
        begin = time.perf_counter()
        outputs = engine.feed(messages)
        spent += time.perf_counter() - begin
        vectors += sum(output.topic == "features" for output in outputs)
    return spent / vectors * 1e6
