"""Stored and loaded at any event, fed in whatever portions: the same bytes."""

from functools import cache
from random import Random

import pytest

from operators.online.pipelines import MODELS
from tests.operators.online.made import (
    FALLS,
    RISES,
    UNSURE,
    Known,
    activated,
    configured,
    engine,
    learns,
    shadowed,
    shard,
    shop,
)

BROKEN = Known("v9", {}, error=ValueError("no"))
MODELS_THERE = shop(RISES, FALLS, UNSURE, BROKEN)
CONTROLS = (
    activated("v1", 100, "a"), shadowed("v2", 150, "a"), shadowed("v7", 160, "a"), activated("v2", 250, "a"),
    activated("online", 300, "b"), activated("v9", 320, "b", "AAAUSDT"), activated("v1", 400, "a"),
    shadowed("v2", 410, "a", watching=False), *configured(learns("c", every=3), second=380), activated(None, 500, "a"),
)  # fmt: skip


@cache
def session(model):
    """Messages with everything in them that may happen to models, and what an engine makes of them at one go."""
    strategies = configured(learns("a", model=model), learns("b", model=model, window=20), learns("c"))
    messages = shard(4, 600, *strategies, *CONTROLS)
    whole = engine(MODELS_THERE)
    return messages, whole.feed(messages), whole.snapshot()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_restart_at_any_event_changes_nothing(model, seed):
    """Loaded into a new engine, which opens its models again; its state is stored as the same bytes too."""
    messages, wanted, last = session(model)
    random, running, found = Random(seed), engine(MODELS_THERE), []
    rest = messages
    while rest:
        size = random.choice([1, 1, 2, 30, 200])
        found += running.feed(rest[:size])
        rest, state = rest[size:], running.snapshot()
        running = engine(MODELS_THERE)
        running.restore(state)
        assert running.snapshot() == state

    assert found == wanted
    assert running.snapshot() == last
    assert {"predictions", "models"} <= {output.topic for output in found}


def test_a_model_whose_file_is_gone_after_a_restart_is_refused_and_the_flow_goes_on():
    """Nobody could tell at the event itself; what is decided from here on says it."""
    messages, _, _ = session("logistic_regression")
    middle = next(number for number, found in enumerate(messages) if b'"model.activated"' in found[1]) + 40
    running = engine(MODELS_THERE)
    running.feed(messages[:middle])
    state, running = running.snapshot(), engine(shop(FALLS))
    running.restore(state)

    found = running.feed(messages[middle : middle + 60])

    said = [output.value for output in found if output.topic in ("models", "quality")]
    assert any(b'"usable":false' in value and b"no such file" in value for value in said)
    assert any(b"model.failed" in value for value in said)
    assert [output.topic for output in found if output.topic == "features"]
