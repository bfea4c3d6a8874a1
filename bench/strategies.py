"""What strategies cost: the trading engine with 0, 1, 5 and 20 of them, beside the market stage alone."""

import time
from collections.abc import Sequence
from functools import partial
from itertools import count
from statistics import median

from bench.sessions import SHARDS
from connectors.log import Log
from dataflows import trading
from dataflows.run import tune_gc
from operators.engine import Cursor, Engine, Raw, Stage
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from schemas.account import AccountConfigured
from schemas.codec import encode
from schemas.strategy import Rate, Strategy, StrategyConfigured, Warmup

COUNTS = (0, 1, 5, 20)


def strategies(number: int, symbols: Sequence[str]) -> list[Strategy]:
    """Strategies that decide every two seconds, and trade whenever they may."""
    busy = Warmup(frequency=30.0, randomness=0.5, threshold=0.0)
    return [
        Strategy(f"strategy_{index:02d}", tuple(symbols), warmup=busy, rate=Rate(60.0, 60)) for index in range(number)
    ]


def paper() -> AccountConfigured:
    """The paper account with its usual terms."""
    return AccountConfigured(1, "paper")


def control(number: int, symbols: Sequence[str]) -> list[bytes]:
    """The events that put both in force."""
    return [
        encode(event) for event in (paper(), *(StrategyConfigured(1, each) for each in strategies(number, symbols)))
    ]


def microseconds_per_event(
    log: Log, features: FeatureSet, symbols: Sequence[str], rounds: int
) -> tuple[float, dict[int, float]]:
    """Medians of the rounds: the market stage alone, and the whole engine by number of strategies."""
    shards = [messages_of(log, shard) for shard in range(SHARDS)]
    alone: list[float] = []
    costs: dict[int, list[float]] = {number: [] for number in COUNTS}
    tune_gc()
    for _ in range(rounds):
        alone.append(_timed([Engine(shard, partial(_market, features)) for shard in range(SHARDS)], shards, []))
        for number in COUNTS:
            engines = [trading.engine(features, shard) for shard in range(SHARDS)]
            costs[number].append(_timed(engines, shards, control(number, symbols)))
    return median(alone), {number: median(times) for number, times in costs.items()}


def _market(features: FeatureSet, cursor: Cursor) -> list[Stage]:
    return [MarketStage(features, cursor)]


def messages_of(log: Log, shard: int) -> list[Raw]:
    """All events of a shard."""
    reader, messages = log.reader("events", shard, log.start("events", shard)), list[Raw]()
    while reader.position < log.end("events", shard):
        messages += reader.poll_raw(10_000)
    reader.close()
    return messages


def _timed(engines: list[Engine], shards: list[list[Raw]], before: list[bytes]) -> float:
    """Microseconds an event."""
    for engine in engines:
        engine.feed(zip(count(-len(before)), before, strict=False))
    begin = time.perf_counter()
    for engine, messages in zip(engines, shards, strict=True):
        engine.feed(messages)
    return (time.perf_counter() - begin) / sum(map(len, shards)) * 1e6
