"""A demo market with a lesson on a log, and what a strategy needs to learn it."""

import shutil
from pathlib import Path

from connectors.control import broadcast
from connectors.demo.feed import START
from connectors.demo.lesson import Lesson
from connectors.demo.market import Market
from connectors.demo.session import Session
from connectors.log import Log
from connectors.log.sqlite import SqliteLog
from operators.keyframe import Keyframes
from operators.registry import Registry, parse_registry
from schemas.account import AccountConfigured
from schemas.codec import decode_event, decode_learning
from schemas.governance import TrainingDone
from schemas.learning import Learning, Online, Promotion, Target, Training
from schemas.model import ModelActivated, ModelShadowed
from schemas.strategy import Strategy, StrategyConfigured
from schemas.topics import TOPICS

SECOND = 1_000_000
MINUTE = 60 * SECOND
SYMBOLS = ("BTCUSDT",)
SHARDS = 2
VERSION = "1.1.0"
FILE = Path(__file__).resolve().parents[2] / "config" / "feature_registry" / f"{VERSION}.yaml"
FEATURES = ("signed_volume_3s", "signed_volume_15s", "depth_imbalance_top5", "spread_rel")
DAYS = 1 / 1440
"""A minute."""


def registry() -> Registry:
    return parse_registry(FILE.read_text(), where=str(FILE))


def strategy(**training: object) -> Strategy:
    """Learns 15 seconds ahead, from five minutes of rows a second apart."""
    said = {
        "enabled": True,
        "params": {"max_depth": 3, "n_estimators": 20},
        "every": 1,
        "features": FEATURES,
        "train_days": 5 * DAYS,
        "validation_days": 2 * DAYS,
        "test_days": 1 * DAYS,
        "min_rows": 100,
        "interval_days": 0.0,
    } | training
    return Strategy(
        "learner",
        SYMBOLS,
        learning=Learning(
            target=Target("classification", 15, 0.0),
            online=Online(enabled=False),
            training=Training(**said),  # type: ignore[arg-type]
            promotion=Promotion(samples=20, shadow_minutes=1.0, patience_minutes=30.0, dwell_minutes=1.0),
        ),
    )


def open_log(folder: Path) -> SqliteLog:
    log = SqliteLog(folder)
    for topic in TOPICS:
        log.create(topic.name, SHARDS, topic.cleanup)
    return log


def play(log: Log, minutes: float, settings: Strategy | None = None, seed: int = 5) -> None:
    """An empty log gets a paper account, a strategy, and so many minutes of market."""
    account = AccountConfigured(1, "paper", cash=100_000.0)
    broadcast(log, SHARDS, [account, StrategyConfigured(1, settings or strategy())])
    market = Market(list(SYMBOLS), seed, START, 0.5, 50, Lesson(lead=15.0))
    Session(market, log, SHARDS, Keyframes().feed).until(START + int(minutes * MINUTE))


def models_on(log: Log) -> list[list[ModelActivated | ModelShadowed]]:
    """The model events of each shard."""
    return [
        [
            event
            for record in all_of(log, "events", shard)
            if b'"model.' in record[:32] and isinstance(event := decode_event(record), ModelActivated | ModelShadowed)
        ]
        for shard in range(SHARDS)
    ]


def answers(log: Log) -> list[TrainingDone]:
    """Every training that ended."""
    found = [decode_learning(value) for shard in range(SHARDS) for value in all_of(log, "learning", shard)]
    return [report for report in found if isinstance(report, TrainingDone)]


def all_of(log: Log, topic: str, shard: int) -> list[bytes]:
    reader = log.reader(topic, shard, log.start(topic, shard))
    found: list[bytes] = []
    while reader.position < log.end(topic, shard):
        found += [value or b"" for _, value in reader.poll_raw(5_000)]
    reader.close()
    return found


def copied(source: Path, target: Path) -> SqliteLog:
    """The log in ``source`` once more, to write on."""
    shutil.copytree(source, target)
    return SqliteLog(target)
