"""Registries that differ, a market, and activations between its events."""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import yaml

from operators.features.featureset import FeatureSet
from operators.registry import parse_registry
from schemas.codec import encode
from schemas.market import Tick
from schemas.registry import RegistryActivated, fingerprint
from tests.streams import SECOND, stream

CONFIG = Path(__file__).resolve().parents[2] / "config" / "feature_registry"
SYMBOLS = ("AAAUSDT", "BBBUSDT")
Message = tuple[int, bytes]


def config(version: str, file: str = "1.0.0", **changes: Any) -> dict[str, Any]:
    """A registry without funding, whose estimates live for hours; ``changes`` by feature, None: without it."""
    read = yaml.safe_load((CONFIG / f"{file}.yaml").read_text())
    kept = [entry for entry in read["features"] if "funding" not in entry["name"]]
    kept = [entry | (changes.get(entry["name"]) or {}) for entry in kept if changes.get(entry["name"], {}) is not None]
    return {"version": version, "features": kept}


def features(registry: dict[str, Any]) -> FeatureSet:
    """Compiled."""
    return FeatureSet.compile(parse_registry(registry))


FIRST = config("short-1")
SCALED = config("short-2", mid_price={"normalization": {"type": "z_score", "mean": 100.0, "std": 2.0}})
FEWER = config("short-3", mid_price=None, vwap_3s=None, returns_1s=None)
LONG = (
    "volume_zscore", "RSI_14", "EMA_20", "MACD_line", "MACD_signal", "MACD_histogram", "roc_1h", "relative_volume_1h",
    "relative_volume_24h",
)  # fmt: skip
LONGER = config("long-1", file="1.1.0", **dict.fromkeys(LONG))
"""Looks back a quarter of an hour further than the others, not a day."""
EVERY = {str(each["version"]): each for each in (FIRST, SCALED, FEWER, LONGER)}


def activation(registry: dict[str, Any], at: int, **more: Any) -> RegistryActivated:
    """As a writer makes it."""
    given = {"recv": 1, "sha256": fingerprint(registry), "decision": f"{registry['version']}/{at}"} | more
    return RegistryActivated(at=at, version=registry["version"], config=registry, **given)


def market(seed: int, seconds: int, happens: Sequence[tuple[int, RegistryActivated]] = ()) -> list[Message]:
    """A shard: a stream with faults, and activations, each behind the tick of a second of the stream."""
    events: list[Any] = list(stream(seed, seconds, SYMBOLS))
    ticks = [place for place, event in enumerate(events) if type(event) is Tick]
    for second, event in sorted(happens, key=lambda each: each[0], reverse=True):
        events.insert(ticks[second] + 1, event)
    return [(offset, encode(event)) for offset, event in enumerate(events)]


def story(random: Random, seconds: int, start: int, count: int = 6) -> list[tuple[int, RegistryActivated]]:
    """Activations at random, most of them in time, some late, some that take the place of others to come."""
    found = []
    for _ in range(count):
        second = random.randrange(1, seconds)
        registry = EVERY[random.choice(sorted(EVERY))]
        at = start + (second + random.choice([-30, 0, 1, 5, 5, 40])) * SECOND
        found.append((second, activation(registry, at)))
    return found
