"""Models across an activation: those whose features are there, unchanged, go on; the others refuse, or begin anew."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
import yaml

from operators.online.stage import OnlineStage
from schemas.quality import QualityRecord
from schemas.registry import RegistryActivated, fingerprint
from tests.operators.online.made import (
    FEATURES,
    REGISTRY,
    RISES,
    SECOND,
    SYMBOLS,
    Ran,
    activated,
    configured,
    engine,
    learns,
    shadowed,
    shard,
    shop,
)
from tests.streams import START

SECONDS = 600
KNOWING = replace(RISES, meanings={"mid_price": FEATURES.meanings["mid_price"]})
"""A model whose record says what its feature is."""


def config(version: str, **changes: Any) -> dict[str, Any]:
    """The registry of the models, with other entries for some features; None: without it."""
    read = yaml.safe_load(REGISTRY.read_text())
    kept = [entry for entry in read["features"] if "funding" not in entry["name"]]
    kept = [entry | (changes.get(entry["name"]) or {}) for entry in kept if changes.get(entry["name"], {}) is not None]
    return {"version": version, "features": kept}


SAME = config("1.0.1", vwap_3s={"description": "the same, said in other words"})
MORE = config("1.0.2", volume_3s={"normalization": {"type": "z_score", "mean": 1.0, "std": 2.0}})
SCALED = config("1.0.3", mid_price={"normalization": {"type": "z_score", "mean": 100.0, "std": 2.0}})
FEWER = config("1.0.4", mid_price=None)
BACK = config(FEATURES.version)


def comes(registry: dict[str, Any], second: int) -> RegistryActivated:
    return RegistryActivated(
        recv=START + second * SECOND,
        at=START + (second + 5) * SECOND,
        version=registry["version"],
        config=registry,
        sha256=fingerprint(registry),
    )


def about(time: int) -> int:
    """The ten seconds of the session in which something happened: an event caused it a moment after its second."""
    return (time - START) // SECOND // 10 * 10


def usable(ran: Ran) -> list[tuple[int, bool]]:
    """(when, whether the champion could be used) of each change after the first."""
    return [(about(change.ts), change.usable) for change in ran.changes if change.role == "champion"][1:]


def of(ran: Ran, problem: str) -> list[QualityRecord]:
    return [record for record in ran.trouble if record.problem == problem]


def said_by(ran: Ran, version: str) -> set[int]:
    return {(told.ts - START) // SECOND for told in ran.predictions if told.model == version}


@pytest.mark.req("FS-US-5.2", "FS-FR-064")
def test_a_model_goes_on_where_its_features_are_unchanged() -> None:
    """Another version in which they mean the same will do; other features may change."""
    events = [*configured(learns(every=1)), activated("v1")]
    ran = Ran(shard(1, SECONDS, *events, comes(SAME, 200), comes(MORE, 400)), shop(KNOWING))

    assert usable(ran) == []
    assert {second // 100 for second in said_by(ran, "v1")} == set(range(6))


@pytest.mark.parametrize(
    ("registry", "says"), [(SCALED, "another meaning has: mid_price"), (FEWER, "lacks: mid_price")]
)
@pytest.mark.req("FS-US-5.2")
def test_a_model_refuses_vectors_without_its_features_and_comes_back_with_them(registry: dict, says: str) -> None:
    """From the boundary on, told once, until a rollback brings them back; the candidates too."""
    events = [*configured(learns(every=1)), activated("v1"), shadowed("v1")]
    ran = Ran(shard(2, SECONDS, *events, comes(registry, 200), comes(BACK, 400)), shop(KNOWING))

    assert usable(ran) == [(200, False), (400, True)]
    assert says in next(change.problem for change in ran.changes if not change.usable)
    spoke = said_by(ran, "v1")
    assert {second for second in spoke if 205 <= second < 405} == set()
    assert any(second < 205 for second in spoke) and any(second >= 405 for second in spoke)
    assert len(of(ran, "model.refused")) == 2, "the champion and the candidate"


def test_a_model_that_does_not_say_what_its_features_are_fits_its_own_version_only() -> None:
    events = [*configured(learns(every=1)), activated("v1")]
    ran = Ran(shard(3, SECONDS, *events, comes(SAME, 200), comes(BACK, 400)), shop(RISES))

    assert usable(ran) == [(200, False), (400, True)]


@pytest.mark.req("FS-US-5.2")
def test_what_learns_online_keeps_its_lessons_or_begins_anew() -> None:
    """It keeps them while all that it looks at is unchanged."""
    narrow = learns("narrow", every=1, features=("mid_price", "spread_abs"))
    wide = learns("wide", every=1)
    messages = shard(4, SECONDS, *configured(narrow, wide), comes(SAME, 150), comes(MORE, 300), comes(FEWER, 450))
    ran = Ran(messages)

    reset = [(record.detail["strategy"], about(record.ts), record.symbol) for record in of(ran, "model.reset")]
    wanted = [("wide", 300), ("wide", 450), ("narrow", 450)]
    assert sorted(reset) == sorted((name, second, symbol) for name, second in wanted for symbol in SYMBOLS)
    assert [(record.detail["strategy"], about(record.ts)) for record in of(ran, "model.refused")] == [("narrow", 450)]
    spoke = {told.ts for told in ran.predictions if told.strategy == "narrow" and told.model == "online"}
    assert any(ts >= START + 310 * SECOND for ts in spoke) and all(ts < START + 455 * SECOND for ts in spoke)
    learnt = {watch.learner.names for (name, _), watch in ran.stage.watches.items() if name == "wide"}
    assert learnt == {tuple(entry["name"] for entry in FEWER["features"])}


@pytest.mark.req("FS-AS-03", "FS-US-5.2")
def test_restarts_change_nothing_of_it() -> None:
    """Stored and loaded again, at random, also while a model refuses and while lessons wait for their outcome."""
    events = [*configured(learns(every=1)), activated("v1"), shadowed("v1")]
    messages = shard(5, 300, *events, comes(MORE, 60), comes(FEWER, 120), comes(BACK, 200))
    models, random = shop(KNOWING), Random(5)
    whole = engine(models).feed(messages)

    running, outputs, rest = engine(models), [], messages
    while rest:
        size = random.choice([1, 20, 60])
        outputs += running.feed(rest[:size])
        rest, state = rest[size:], running.snapshot()
        running = engine(models)
        running.restore(state)

    assert any(isinstance(stage, OnlineStage) for stage in running.stages)
    assert outputs == whole
