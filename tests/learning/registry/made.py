"""Records of models as a training writes them, with files that have their hashes."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg

from schemas.learning import Target
from schemas.model import ModelRecord, Period

TRAINED = 1_741_079_704_000_000
METRICS: dict[str, dict[str, Any]] = {
    "validation": {"rows": 50, "accuracy": 0.8, "log_loss": 1.5, "confusion": [[1, 0], [0, 1]]},
    "test": {"rows": 20, "accuracy": 0.75, "f1_score": 0.7, "roc_auc": None, "sharpe_ratio": -1.25, "win_rate": 0.55},
}


def content(version: str) -> bytes:
    return f"the model {version}".encode()


def record(version: str = "v1741079704", **changes: Any) -> ModelRecord:
    """A model of strategy ``alpha`` that looks at two features."""
    fields: dict[str, Any] = {
        "version": version,
        "strategy": "alpha",
        "symbols": ("BTCUSDT",),
        "family": "xgboost",
        "file": "model.ubj",
        "sha256": sha256(content(version)).hexdigest(),
        "features": ("mid_price", "rsi_14"),
        "feature_registry_version": "1.2.0",
        "target": Target(),
        "classes": (-1, 0, 1),
        "params": {"max_depth": 3},
        "seed": 42,
        "every": 60,
        "offsets": {"0": (0, 100)},
        "splits": {"train": Period(0, 10, 400), "validation": Period(10, 20, 50), "test": Period(20, 30, 20)},
        "trained_at": TRAINED,
        "code": "digest",
        "metrics": METRICS,
    }
    return ModelRecord(**{**fields, **changes})


def stored_file(root: Path, version: str) -> Path:
    """The file of a version, where a training puts it."""
    path = root / version / "model.ubj"
    path.parent.mkdir(parents=True)
    path.write_bytes(content(version))
    return path


def connect(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True)
