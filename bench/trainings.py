"""What the product's training costs beyond the library: dataset -> checks -> trees -> figures, against `xgb.train`.

Both learn the same rows with the same hyper-parameters on one thread, each in a process of its own, one after the
other. Bare is the library at its best: the matrix is at hand, in its most compact form, and nothing is watched. The
product starts from the Arrow table of a dataset, checks the rows, stops early by a validation split of a tenth more
rows, is judged on that and on a test split of the same size, and ends with the bytes of the model's file.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from learning.datasets import matrix
from learning.training import Request, Rows, evaluate, train
from learning.training.params import effective
from operators.registry import parse_registry
from schemas.learning import Target, Training

ROOT = Path(__file__).resolve().parents[1]
FULL = ROOT / "config" / "feature_registry" / "full.yaml"
MEGABYTE = 1e6


class Cost(NamedTuple):
    """Of one training: seconds on the wall and of the processor, resident megabytes at most, and before it began."""

    wall: float
    processor: float
    peak: float
    before: float


def costs(rows: int, rounds: int) -> dict[str, Cost]:
    """Of ``bare`` and ``ours``, for ``rows`` rows of the whole registry and ``rounds`` rounds of three trees."""
    return {kind: _in_process(kind, rows, rounds) for kind in ("bare", "ours")}


def _in_process(kind: str, rows: int, rounds: int) -> Cost:
    command = [sys.executable, "-m", "bench.trainings", kind, str(rows), str(rounds)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    return Cost(**json.loads(done.stdout))


def bare(rows: int, rounds: int) -> Cost:
    """`xgb.train` as anybody would call it who wants the same trees."""
    import xgboost

    features, targets = matrix(dataset(rows, 1), names())
    labels = targets + 1
    settings = {name: value for name, value in effective("xgboost", {}).items() if name != "n_estimators"}
    settings |= {"objective": "multi:softprob", "num_class": 3, "seed": 42, "nthread": 1}

    def learn() -> None:
        xgboost.train(settings, xgboost.QuantileDMatrix(features, labels, nthread=1), num_boost_round=rounds)

    return measured(learn)


def ours(rows: int, rounds: int) -> Cost:
    """What the retrain flow does between the dataset and the model's file; XGBoost is loaded before, as in ``bare``."""
    import xgboost  # noqa: F401

    tables = [dataset(rows, 1), dataset(rows // 10, 2), dataset(rows // 10, 3)]
    training = Training(params={"n_estimators": rounds}, class_weight="none")

    def learn() -> None:
        learnt, validation, test = (Rows(*matrix(tables.pop(0), names())) for _ in range(3))
        made = train(Request(learnt, validation, names(), Target(), training))
        figures = [evaluate(made.model, split).figures for split in (validation, test)]
        assert made.sha256 and len(figures) == 2 and made.rounds == rounds

    return measured(learn)


def measured(action: Callable[[], None]) -> Cost:
    """The cost of a call."""
    before = _resident()
    wall, processor = time.perf_counter(), time.process_time()
    action()
    return Cost(time.perf_counter() - wall, time.process_time() - processor, _resident(), before)


def _resident() -> float:
    """Megabytes that this process held at most so far."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * 1024 / MEGABYTE


def names() -> tuple[str, ...]:
    """The features of the whole registry."""
    return tuple(entry.name for entry in parse_registry(FULL.read_text(), where=FULL.name).entries)


def dataset(rows: int, seed: int) -> pa.Table:
    """Rows as a dataset has them: normal features, every fiftieth value unknown, a target that ten of them bear on."""
    chance = np.random.default_rng(seed)
    signal = chance.standard_normal(rows)
    columns: dict[str, Any] = {}
    for place, name in enumerate(names()):
        values = chance.standard_normal(rows)
        if place < 10:
            signal += 0.3 * values
        columns[name] = pa.array(values, mask=chance.integers(0, 50, rows, dtype=np.uint8) == 0)
    columns["target"] = pa.array((signal > 0.8).astype(np.int8) - (signal < -0.8).astype(np.int8))
    return pa.table(columns)


if __name__ == "__main__":
    kind, *numbers = sys.argv[1:]
    print(json.dumps({"bare": bare, "ours": ours}[kind](*map(int, numbers))._asdict()))
