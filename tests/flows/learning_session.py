"""A session in which strategies learn, and two XGBoost models are watched, promoted twice and rolled back."""

from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from connectors.log import Log, NewRecord
from dataflows import features as market
from dataflows.digest import records
from learning.files import ModelFiles
from learning.training.boosted import BoostedTrees
from operators.features.featureset import FeatureSet
from operators.registry import parse_registry
from schemas.codec import decode_vector, encode
from schemas.events import Control
from schemas.learning import Target
from schemas.model import ONLINE, ModelActivated, ModelRecord, ModelShadowed
from schemas.vector import FeatureVector
from tests.installation import Installation

STRATEGIES = Path(__file__).parent / "learners"
TARGET = Target(horizon=20, threshold=0.00005)
"""That of ``steady``."""
NAMES = ("spread_rel", "depth_imbalance_top5", "returns_1s", "returns_1m")
FIRST, SECOND = "v1700000001", "v1700000002"
MISSING = "v1700000009"
LOOKED_AT = 6_000
"""Events of a shard from which the models are trained."""


def story(hashes: dict[str, str]) -> list[tuple[float, Control]]:
    """What happens to models, each at a share of the session: two promotions, and a rollback."""

    def active(strategy: str, version: str | None) -> ModelActivated:
        return ModelActivated(1, strategy, version, sha256=hashes.get(version or "", ""), reason="test", by="test")

    def watched(version: str, watching: bool = True) -> ModelShadowed:
        return ModelShadowed(1, "steady", version, sha256=hashes[version], watching=watching, by="test")

    return [
        (0.20, watched(FIRST)),
        (0.30, watched(SECOND)),
        (0.40, active("steady", FIRST)),
        (0.40, watched(FIRST, watching=False)),
        (0.50, active("wild", ONLINE)),
        (0.60, active("steady", SECOND)),
        (0.70, active("wild", MISSING)),
        (0.80, active("steady", FIRST)),
        (0.95, active("wild", None)),
    ]


PROMOTIONS = (0.40, 0.60, 0.80)
"""The shares at which the champion of ``steady`` changes."""


def collect_learning(scratch: Installation, installation: Installation, source: list[str]) -> None:
    """Collect a session, train on its beginning, and put it on the log of ``installation`` with what happens then."""
    scratch.flow = installation.flow
    for home in (scratch, installation):
        home.settings["LOCKSTEP_ACCOUNT"] = "paper"
    scratch.run("strategies", "apply", str(STRATEGIES))
    scratch.run("collect", *source, "--speed", "max")
    here, there = scratch.log(), installation.log()
    hashes = train(here, scratch.shards, installation.home / "models")
    there.create("events", installation.shards)
    for shard in range(installation.shards):
        there.append("events", shard, with_story(here, shard, story(hashes)))
    here.close()
    there.close()


def with_story(log: Log, shard: int, happens: list[tuple[float, Control]]) -> list[NewRecord]:
    """The events of a shard, and among them those of the story."""
    events = [NewRecord(r.key, r.value, r.timestamp, r.headers) for r in records(log, "events", shard)]
    for share, event in reversed(happens):
        place = int(len(events) * share)
        events.insert(place, NewRecord(None, encode(event), events[place].timestamp))
    return events


def train(log: Log, shards: int, root: Path) -> dict[str, str]:
    """Two models of different depth, and where their files are, by their hashes."""
    features = registry()
    vectors = [vector for shard in range(shards) for vector in _vectors(log, shard, features)]
    rows, labels = _rows(vectors)
    files = ModelFiles(root)
    return {
        version: files.save(record_of(version, features.version), booster(rows, labels, depth)).sha256
        for version, depth in ((FIRST, 2), (SECOND, 4))
    }


def booster(rows: Any, labels: Any, depth: int) -> bytes:
    """An XGBoost model as its file holds it: the same rows, the same bytes."""
    import xgboost

    matrix = xgboost.DMatrix(rows, labels + 1, feature_names=list(NAMES), nthread=1)
    params = {"objective": "multi:softprob", "num_class": 3, "max_depth": depth, "nthread": 1, "seed": 1, "eta": 0.5}
    return BoostedTrees(xgboost.train(params, matrix, num_boost_round=4), NAMES, (-1, 0, 1)).content()


def record_of(version: str, registry_version: str) -> ModelRecord:
    """What stands beside the file."""
    return ModelRecord(
        version=version,
        strategy="steady",
        symbols=("BTCUSDT", "ETHUSDT"),
        family="xgboost",
        file="model.ubj",
        sha256=sha256(b"").hexdigest(),
        features=NAMES,
        feature_registry_version=registry_version,
        target=TARGET,
        classes=(-1, 0, 1),
        params={},
        seed=1,
        every=1,
        offsets={},
        splits={},
        trained_at=1,
        code="",
    )


def registry() -> FeatureSet:
    """Every feature there is."""
    path = Path(__file__).resolve().parents[2] / "config" / "feature_registry" / "full.yaml"
    return FeatureSet.compile(parse_registry(path.read_text(), where="full.yaml"))


def _vectors(log: Log, shard: int, features: FeatureSet) -> list[FeatureVector]:
    messages = [(record.offset, record.value) for record in islice(records(log, "events", shard), LOOKED_AT)]
    outputs = market.engine(features, shard).feed(messages)
    return [decode_vector(output.value) for output in outputs if output.topic == "features"]


def _rows(vectors: list[FeatureVector]) -> tuple[Any, Any]:
    """Features, and the direction of the mid over the horizon."""
    mids = {(vector.symbol, vector.ts): vector.features["mid_price"] for vector in vectors}
    rows, labels = [], []
    for vector in vectors:
        now, later = vector.features["mid_price"], mids.get((vector.symbol, vector.ts + TARGET.horizon * 1_000_000))
        if now and later:
            rows.append([np.nan if (value := vector.features[name]) is None else value for name in NAMES])
            labels.append(int(np.sign(later - now)))
    return np.array(rows), np.array(labels)
