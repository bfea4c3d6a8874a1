"""Shadow, promotion, dismissal, and the way back to warm-up."""

import msgspec
import pytest

from learning.governor.actions import Announce, Raise
from schemas.learning import Online
from schemas.model import ModelActivated
from tests.learning.governor.made import (
    BAD,
    GOOD,
    MINUTE,
    PROMOTION,
    SECOND,
    START,
    World,
    announced,
    outcome,
    strategy,
    trained,
)


@pytest.mark.req("MS-US-3.3", "MS-FR-010")
def test_a_trained_model_runs_in_shadow_and_takes_over_when_it_is_good_enough() -> None:
    world = World(strategy())
    world.feed(trained("v1", START, {"accuracy": 0.8}))
    world.at(START + SECOND)
    assert announced(world) == [("watch", "v1")]

    world.run("v1", GOOD * 10, START + SECOND)

    assert announced(world) == [("watch", "v1"), ("use", "v1"), ("dismiss", "v1")]
    assert world.governor.force.champions["alpha", ""].version == "v1"
    [(_, reason)] = [
        (t, a.event.reason) for t, a in world.told if isinstance(a, Announce) and "promote" in a.event.decision
    ]
    assert "80.0% on the test split" in reason
    assert "of 2" in reason and "at least 70.0%" in reason


def test_a_candidate_is_not_promoted_before_its_time_and_its_sample_are_full() -> None:
    world = World(strategy())
    world.feed(trained("v1", START))
    world.at(START + SECOND)
    world.run("v1", [True, False] * 2 + [True] * 15, START + SECOND)
    assert announced(world) == [("watch", "v1")]  # 19 outcomes within 4 minutes

    world.run("v1", [True] * 4, START + 191 * SECOND)
    assert announced(world) == [("watch", "v1")]  # enough of them, and not yet five minutes

    world.run("v1", [True] * 10, START + 231 * SECOND)
    assert ("use", "v1") in announced(world)


def test_the_test_split_must_have_reached_the_threshold_too() -> None:
    """MS-SC-005 asks for the accuracy on the test set."""
    world = World(strategy())
    world.feed(trained("v1", START, {"accuracy": 0.69}))
    world.at(START + SECOND)
    world.run("v1", GOOD * 40, START + SECOND)

    assert announced(world) == [("watch", "v1"), ("dismiss", "v1")]
    assert "test split" in world.told[-1][1].event.reason  # type: ignore[union-attr]


def test_a_candidate_must_beat_the_champion_on_the_outcomes_that_both_have() -> None:
    world = World(strategy())
    world.broadcast(ModelActivated(START, "alpha", "v1", sha256="aa"))
    world.feed(trained("v2", START))
    world.at(START + SECOND)
    ts = START
    for number in range(60):  # both 80 %, and v2 never better
        ts += 10 * SECOND
        world.feed(outcome(ts, number % 5 > 0, "v1"))
        world.feed(outcome(ts, number % 5 > 0, "v2"))
        world.at(ts + MINUTE)
    assert announced(world) == [("watch", "v2")]

    for number in range(30):  # now v2 is right where v1 is not
        ts += 10 * SECOND
        world.feed(outcome(ts, number % 5 > 0, "v1"))
        world.feed(outcome(ts, True, "v2"))
        world.at(ts + MINUTE)
    assert ("use", "v2") in announced(world)
    event = next(a.event for _, a in world.told if isinstance(a, Announce) and isinstance(a.event, ModelActivated))
    assert "of v1 on" in event.reason


def test_without_a_champion_the_majority_class_is_the_rival() -> None:
    """Nine of ten are flat: who is right in nine of ten by always saying so has learnt nothing."""
    world = World(strategy())
    world.feed(trained("v1", START))
    world.at(START + SECOND)
    ts = START + SECOND
    for number in range(100):
        ts += 10 * SECOND
        flat = number % 10 > 0
        world.feed(outcome(ts, flat, "v1", label=0 if flat else 1))
        world.at(ts + MINUTE)

    assert announced(world) == [("watch", "v1")]
    assert "the majority class (warm-up)" in world.governor.succession.judged[("alpha", ""), "v1"].reason


@pytest.mark.req("MS-EC-06")
def test_a_candidate_that_has_not_won_in_time_is_dismissed_and_the_champion_stays() -> None:
    world = World(strategy())
    world.broadcast(ModelActivated(START, "alpha", "v1", sha256="aa"))
    world.feed(trained("v2", START))
    world.at(START + SECOND)
    ts = START
    for number in range(200):
        ts += 10 * SECOND
        world.feed(outcome(ts, number % 5 > 0, "v1"))
        world.feed(outcome(ts, number % 2 > 0, "v2"))
        world.at(ts + MINUTE)

    assert announced(world) == [("watch", "v2"), ("dismiss", "v2")]
    assert "below 70.0%" in world.told[-1][1].event.reason  # type: ignore[union-attr]
    assert world.governor.force.champions["alpha", ""].version == "v1"


def test_without_automatic_a_winner_waits_for_a_person_and_nobody_falls() -> None:
    by_hand = msgspec.structs.replace(PROMOTION, automatic=False)
    world = World(strategy(promotion=by_hand))
    world.feed(trained("v1", START))
    world.at(START + SECOND)
    end = world.run("v1", GOOD * 50, START + SECOND)

    assert announced(world) == [("watch", "v1")]
    assert world.governor.succession.judged[("alpha", ""), "v1"].verdict == "ready"

    world.broadcast(ModelActivated(end, "alpha", "v1", sha256="ab", by="a person"))
    world.run("v1", [False] * 50, end)
    assert ("use", None) not in announced(world)
    assert any(isinstance(a, Raise) and a.alert.kind == "model.degraded" for _, a in world.told)


@pytest.mark.req("MS-EC-07", "MS-US-3.3")
def test_a_champion_that_fails_gives_way_to_warm_up_and_is_watched_until_it_is_good_again() -> None:
    world = World(strategy())
    world.feed(trained("v1", START))
    world.at(START + SECOND)
    end = world.run("v1", GOOD * 10, START + SECOND)
    end = world.run("v1", BAD * 30, end)
    assert announced(world)[-2:] == [("use", None), ("watch", "v1")]
    assert "alpha" not in {key[0] for key in world.governor.force.champions}

    world.run("v1", GOOD * 30, end)
    assert announced(world)[-2:] == [("use", "v1"), ("dismiss", "v1")]


def test_the_online_model_is_promoted_without_a_training_and_may_fall() -> None:
    world = World(strategy(online=Online(enabled=True)))
    world.at(START)
    end = world.run("online", GOOD * 10, START)
    assert announced(world) == [("use", "online")]

    world.run("online", BAD * 30, end)
    assert announced(world) == [("use", "online"), ("use", None)]


def test_a_fourth_candidate_pushes_the_oldest_out() -> None:
    world = World(strategy())
    for number in range(4):
        world.feed(trained(f"v{number}", START + number * SECOND))
        world.at(START + number * SECOND)

    assert announced(world)[-1] == ("dismiss", "v0")
    assert sorted(world.governor.force.candidates["alpha", ""]) == ["v1", "v2", "v3"]


def test_of_several_trainings_that_nobody_saw_end_the_newest_is_watched() -> None:
    world = World(strategy())
    world.feed(trained("v1", START))
    world.feed(trained("v2", START + SECOND))
    world.at(START + MINUTE)

    assert announced(world) == [("watch", "v2")]


def test_a_model_of_one_symbol_is_judged_by_that_symbol_alone() -> None:
    world = World(strategy(symbols=("BTCUSDT", "ETHUSDT")))
    world.feed(trained("v1", START, symbol="ETHUSDT"))
    world.at(START)
    ts = START
    for _ in range(40):
        ts += 10 * SECOND
        world.feed(outcome(ts, True, "v1", label=1 if ts // SECOND % 20 else -1, symbol="ETHUSDT"))
        world.feed(outcome(ts, False, "v1", symbol="BTCUSDT"))
        world.at(ts + MINUTE)

    assert [(turn.key, turn.after) for turn in world.governor.force.turns if turn.role == "champion"] == [
        (("alpha", "ETHUSDT"), "v1")
    ]
