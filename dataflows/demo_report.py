"""The page of a run of the learning demo, made of its log and its model files alone."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from connectors.log import Log
from dataflows.code import code_version
from dataflows.demo_plan import LEARNER, SYMBOL, Plan
from dataflows.demo_story import Story, values
from dataflows.digest import digest
from reports.bar import PriceBar
from reports.loop.material import Material, Note
from reports.loop.modes import WARMUP, modes
from schemas.account import Execution
from schemas.codec import (
    decode_account,
    decode_model_change,
    decode_model_record,
    decode_prediction,
    decode_signal,
    decode_vector,
)
from schemas.model import ModelRecord
from schemas.prediction import Outcome

DIGESTS = ("events", "features", "predictions", "models", "decisions", "signals", "account")
BAR = 5_000_000
"""Microseconds of a price bar."""
SHARD = 0
SHARDS = 1


def material(log: Log, models: Path, plan: Plan, replayed: int | None) -> Material:
    """Everything that the page says; ``replayed`` is how many records a replay of the log found again, None: no replay
    was asked for."""
    settings = plan.strategies()[0]
    outcomes = [one for one in map(decode_prediction, values(log, "predictions", SHARD)) if isinstance(one, Outcome)]
    signals = Counter(
        (signal.strategy, signal.model_version) for signal in map(decode_signal, values(log, "signals", SHARD))
    )
    found = Material(
        settings,
        SYMBOL,
        plan.start,
        plan.end,
        plan.account().cash,
        _told(log, plan),
        list(map(decode_model_change, values(log, "models", SHARD))),
        [one for one in outcomes if one.strategy == LEARNER],
        records_of(models),
        [one for one in map(decode_account, values(log, "account", SHARD)) if isinstance(one, Execution)],
        list(bars(log)),
        signals=signals,
    )
    found.facts = _facts(log, plan, found, replayed)
    return found


def records_of(models: Path) -> list[ModelRecord]:
    """What is known of each version in a folder of models, in the order in which they were trained."""
    found = [decode_model_record(path.read_bytes()) for path in sorted(models.glob("*/record.json"))]
    return sorted(found, key=lambda record: (record.trained_at, record.version))


def bars(log: Log) -> Iterable[PriceBar]:
    """Mid prices in bars, from the feature vectors."""
    open_bar: PriceBar | None = None
    for vector in map(decode_vector, values(log, "features", SHARD)):
        price = vector.features.get("mid_price")
        if vector.symbol != SYMBOL or price is None:
            continue
        if open_bar is not None and vector.ts - open_bar.start >= BAR:
            yield open_bar
            open_bar = None
        if open_bar is None:
            open_bar = PriceBar(SYMBOL, vector.ts, vector.ts, price, price, price, vector.origin)
        high, low = max(open_bar.high, price), min(open_bar.low, price)
        open_bar = PriceBar(SYMBOL, vector.ts, open_bar.start, high, low, price, vector.origin)
    if open_bar is not None:
        yield open_bar


def _told(log: Log, plan: Plan) -> list[Note]:
    """The story on the log, with what the market did to it, which stands on no topic."""
    text = "the market turns over: from here on the price goes against the order flow that led it"
    notes = [*Story(log, LEARNER, plan.start).news(), Note(plan.flip, "market", text)]
    return sorted(notes, key=lambda note: note.ts)


def _facts(log: Log, plan: Plan, found: Material, replayed: int | None) -> dict[str, Any]:
    run = {
        "Seed": plan.seed,
        "Minutes of market": plan.minutes,
        "Events": log.end("events", SHARD),
        "Lockstep": code_version(),
    }
    if replayed is not None:
        run["Replayed from the log"] = f"{replayed:,} records, every one the same to the byte"
    return {
        "about": "A demo market made to be learnt: the order flow leads the price by"
        f" {plan.lesson.lead:g} seconds, until it turns over halfway. No real market is like this.",
        "figures": _figures(found),
        "run": run,
        "digests": {topic: digest(log, topic, SHARDS) for topic in DIGESTS},
        "settings": _flat(msgspec.to_builtins(found.settings)),
    }


def _figures(found: Material) -> dict[str, str]:
    """The run in a few numbers."""
    spans = modes(found.changes, LEARNER, SYMBOL, found.start, found.end)
    led = sum(span.end - span.start for span in spans if span.who != WARMUP)
    by_model = sum(count for (who, model), count in found.signals.items() if who == LEARNER and model)
    judged = [one for one in found.outcomes if one.role == "champion"]
    right = sum(one.label == one.predicted for one in judged)
    counts = Counter(note.kind for note in found.notes)
    return {
        "Trainings": str(len(found.models)),
        "Promotions": str(counts["promoted"]),
        "Fallbacks to warm-up": str(counts["fallback"]),
        "A model was in charge": f"{led / (found.end - found.start):.0%} of the time",
        "Signals by models": f"{by_model:,}",
        "Models in charge were right": f"{right / len(judged):.1%} of {len(judged):,}" if judged else "–",
    }


def _flat(settings: Any, name: str = "") -> dict[str, Any]:
    """Nested settings as one level, by their full names."""
    if not isinstance(settings, dict):
        return {name: list(settings) if isinstance(settings, Sequence) and not isinstance(settings, str) else settings}
    parts = [_flat(value, f"{name}.{key}".strip(".")) for key, value in settings.items()]
    return {key: value for part in parts for key, value in part.items()}
