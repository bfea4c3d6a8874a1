"""Minutes of the demo market, and two models that trade on it."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from connectors.demo.feed import DemoFeed
from connectors.log.sqlite import SqliteLog
from dataflows.collect import collect
from learning.files import ModelFiles
from learning.training import Request, Rows, train
from operators.features.featureset import FeatureSet
from operators.keyframe import Keyframes
from operators.registry import parse_registry
from operators.trading.stage import InForce
from schemas.learning import Learning, Online, Target, Training
from schemas.model import Period
from schemas.strategy import Strategy

SHARDS = 2
SECONDS = 360
FILE = Path(__file__).resolve().parents[2] / "config" / "feature_registry" / "1.0.0.yaml"
REGISTRY = parse_registry(FILE.read_text(), where="1.0.0")
FEATURES = FeatureSet.compile(REGISTRY)
LOOKED_AT = ("returns_3s", "returns_1m", "depth_imbalance_top5")
TARGET = Target(horizon=10, threshold=0.0)
STRATEGY = Strategy(
    "bold",
    ("BTCUSDT", "ETHUSDT"),
    confidence=0.4,
    learning=Learning(target=TARGET, online=Online(enabled=True)),
)


def taught(way: int, version: str, files: ModelFiles) -> InForce:
    """A model that follows the last minute (``way`` 1), or goes against it (-1)."""
    random = np.random.default_rng(3)
    values = random.normal(scale=0.0005, size=(600, len(LOOKED_AT)))
    rows = Rows(values, np.where(values[:, 1] * way > 0.0001, 1, np.where(values[:, 1] * way < -0.0001, -1, 0)))
    training = Training(params={"n_estimators": 20, "max_depth": 2}, min_rows=1, early_stopping=0)
    trained = train(Request(rows, rows, LOOKED_AT, TARGET, training))
    record = trained.record(
        version=version,
        strategy=STRATEGY.strategy,
        symbols=STRATEGY.symbols,
        feature_registry_version=FEATURES.version,
        every=60,
        offsets={},
        splits={"train": Period(0, 1, 600)},
        trained_at=1,
        code="",
    )
    return InForce(version, files.save(record, trained.content).sha256)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    return ModelFiles(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def candidate(files: ModelFiles) -> InForce:
    return taught(1, "v2", files)


@pytest.fixture(scope="session")
def champion(files: ModelFiles) -> InForce:
    return taught(-1, "v1", files)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a log with market events alone."""
    folder = tmp_path_factory.mktemp("trial") / "log"
    log = SqliteLog(folder)
    feed = DemoFeed(STRATEGY.symbols, 5, speed=None, seconds=SECONDS, rate=0.3)
    asyncio.run(collect(feed, log, SHARDS, enrich=Keyframes().feed))
    log.close()
    return folder
