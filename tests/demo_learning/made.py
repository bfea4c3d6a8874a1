"""A learning loop as records, without a market: what a page can be made of."""

from random import Random

from dataflows.demo_plan import LEARNER, NEVER, SYMBOL, Plan
from reports.bar import PriceBar
from reports.loop.material import Material, Note
from schemas.learning import Target
from schemas.model import ModelChange, ModelRecord, Period
from schemas.origin import Origin
from schemas.prediction import Outcome, Role
from tests.reports.made import SECOND, START, Fill, executed

MINUTES = 30
END = START + MINUTES * 60 * SECOND


def outcome(rng: Random, second: int, model: str, role: Role, right: float) -> Outcome:
    """One whose prediction is right with the probability ``right``."""
    label = rng.choice((-1, 1))
    predicted = label if rng.random() < right else -label
    confidence = rng.uniform(0.5, 1.0)
    said = {str(predicted): confidence, str(-predicted): 1 - confidence, "0": 0.0}
    ts = START + second * SECOND
    origin = Origin(0, second, 0)
    later = 100.0 + label
    return Outcome(
        LEARNER, SYMBOL, ts, ts + 15 * SECOND, model, role, 100.0, later, label / 100, label, predicted, said, origin,
        origin,
    )  # fmt: skip


def record(version: str, minute: int, trigger: str) -> ModelRecord:
    """A version as its file would tell of it."""
    at = START + minute * 60 * SECOND
    splits = {
        name: Period(at - before * 60 * SECOND, at - (before - 2) * 60 * SECOND, 120)
        for name, before in (("train", 6), ("validation", 4), ("test", 2))
    }
    metrics = {
        "test": {
            "accuracy": 0.86,
            "f1": 0.85,
            "roc_auc": 0.93,
            "confusion_matrix": [[50, 0, 10], [0, 0, 0], [7, 0, 53]],
        }
    }
    return ModelRecord(
        version=version, strategy=LEARNER, symbols=(SYMBOL,), family="xgboost", file="model.ubj", sha256="ab" * 32,
        features=("signed_volume_15s", "depth_imbalance_top5"), feature_registry_version="1.1.0",
        target=Target("classification", 15, 0.0), classes=(-1, 0, 1), params={}, seed=42, every=1,
        offsets={"0": (0, 1000)}, splits=splits, trained_at=at, code="", rounds=40, trigger=trigger,
        importance={"signed_volume_15s": 9.0, "depth_imbalance_top5": 1.0}, metrics=metrics,
    )  # fmt: skip


def material(seed: int = 1) -> Material:
    """Warm-up, a first model that fails after 18 minutes, and a second one."""
    rng = Random(seed)
    first, second = f"v{(START + 360 * SECOND) // SECOND}", f"v{(START + 1440 * SECOND) // SECOND}"
    price, bars = 100.0, []
    for number in range(MINUTES * 12):
        price *= 1 + rng.gauss(0, 2e-4)
        ts = START + number * 5 * SECOND
        bars.append(PriceBar(SYMBOL, ts + 5 * SECOND, ts, price * 1.0001, price * 0.9999, price, Origin(0, number, 0)))
    outcomes = []
    for at in range(60, MINUTES * 60, 5):
        before = at < 18 * 60
        outcomes.append(outcome(rng, at, "online", "online", 0.75 if before else 0.6))
        if at > 360 and at < 26 * 60:
            role: Role = "shadow" if at < 600 or at > 20 * 60 else "champion"
            outcomes.append(outcome(rng, at, first, role, 0.88 if before else 0.1))
        if at > 1440:
            outcomes.append(outcome(rng, at, second, "shadow" if at < 1600 else "champion", 0.9))
    changes = [
        ModelChange(LEARNER, START + at * SECOND, "champion", before, after, Origin(0, at, 0))
        for at, before, after in ((600, None, first), (1200, first, None), (1600, None, second))
    ]
    notes = [
        Note(START + at * SECOND, kind, text)  # type: ignore[arg-type]
        for at, kind, text in (
            (0, "warmup", "warm-up decides"),
            (360, "trained", f"trained {first}"),
            (361, "shadow", f"{first} in shadow"),
            (600, "promoted", f"{first} takes over"),
            (603, "signal", "first signal"),
            (1080, "market", "the market <turns> over"),
            (1150, "drift", "drift"),
            (1200, "fallback", "back to warm-up"),
            (1440, "trained", f"trained {second}"),
            (1600, "promoted", f"{second} takes over"),
        )
    ]
    fills = [
        Fill(second, side, 0.5, 100 + rng.gauss(0, 0.1), 0.01, strategy, SYMBOL)
        for strategy in (LEARNER, NEVER)
        for second, side in ((100, "buy"), (130, "sell"), (700, "sell"), (760, "buy"), (1700, "buy"))
    ]
    facts = {
        "figures": {"Trainings": "2"},
        "run": {"Seed": seed},
        "digests": {"events": "00"},
        "settings": {"mode": "auto"},
    }
    return Material(
        Plan().strategies()[0], SYMBOL, START, END, 1000.0, notes, changes, outcomes,
        [record(first, 6, "rows"), record(second, 24, "drift")], executed(fills), bars,
        signals={(LEARNER, None): 4, (LEARNER, first): 3, (NEVER, None): 9}, facts=facts,
    )  # fmt: skip
