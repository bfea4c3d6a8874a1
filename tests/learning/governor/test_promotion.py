"""Shadow, promotion, dismissal, and the way back to warm-up."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.governor.actions import Announce, Raise
from learning.governor.force import Held
from learning.governor.marks import Marks
from learning.governor.promotion import Judged, Trial, falls, judge, trial
from schemas.learning import Online, Promotion
from schemas.model import ModelActivated, ModelShadowed
from tests.learning.governor.made import (
    HOUR,
    MINUTE,
    PROMOTION,
    SECOND,
    START,
    World,
    configured,
    outcome,
    strategy,
    trained,
)

GOOD = [True] * 4 + [False]
"""Four of five are right: 80 %."""
BAD = [True, False]


def announced(world: World) -> list[tuple[str, str | None]]:
    """What was written about models: (promote, watch or dismiss, version)."""
    found = []
    for _, action in world.told:
        if isinstance(action, Announce):
            event = action.event
            kind = "use" if isinstance(event, ModelActivated) else "watch" if event.watching else "dismiss"
            found.append((kind, event.version))
    return found


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


# --- what a kill may leave behind ---


@pytest.mark.req("MS-US-4.3")
def test_a_promotion_that_reached_some_shards_is_completed_and_not_repeated() -> None:
    """The writer was killed between two shards."""
    world = World(strategy(), shards=3)
    world.feed(trained("v1", START))
    world.at(START + SECOND)
    for number in range(50):
        world.feed(outcome(START + number * 10 * SECOND, number % 5 > 0, "v1"))
    world.governor.tick(START + HOUR // 6)
    world.governor.evidence.heard = START + HOUR // 6
    [promotion] = [a for a in world.governor.decide() if isinstance(a, Announce)]
    world.feed(promotion.event, 1)

    after = world.replayed()
    assert [(a.event.decision, a.shards) for a in after.decide() if isinstance(a, Announce)] == [
        (promotion.event.decision, (0, 2))
    ]
    for shard in (0, 2):
        after.feed(promotion.event, shard)
    assert [a.event.version for a in after.decide() if isinstance(a, Announce)] == ["v1"]  # out of the shadow
    assert after.force.champions["alpha", ""].version == "v1"
    assert len([turn for turn in after.force.turns if turn.role == "champion"]) == 1


def test_who_decides_again_before_anything_was_written_decides_the_same() -> None:
    world = World(strategy())
    world.feed(trained("v1", START))
    world.at(START + SECOND)
    for number in range(50):
        world.feed(outcome(START + number * 10 * SECOND, number % 5 > 0, "v1"))
    world.now = START + HOUR // 6
    world.governor.tick(world.now)
    world.governor.evidence.heard = world.now

    assert world.governor.decide() == world.replayed().decide() == world.replayed().decide()
    assert world.governor.decide()


@given(
    st.lists(st.tuples(st.integers(1, 200), st.booleans(), st.sampled_from(["v1", "v2", "online"])), max_size=120),
    st.data(),
)
@settings(deadline=None, max_examples=40)
def test_a_governor_that_reads_the_log_again_knows_the_same(
    story: list[tuple[int, bool, str]], data: st.DataObject
) -> None:
    """Also when its predecessor was killed after any part of an announcement."""
    world = World(strategy(online=Online(enabled=True)), shards=2)
    for version in ("v1", "v2"):
        world.feed(trained(version, START))
        world.at(START)
    ts = START
    for gap, right, model in story:
        ts += gap * SECOND
        world.feed(outcome(ts, right, model))
        world.at(ts + MINUTE)
    if data.draw(st.booleans()):
        event = ModelActivated(ts + MINUTE, "alpha", "v9", decision="promote/x")
        world.feed(event, data.draw(st.integers(0, 1)))

    again = world.replayed()

    assert again.force.champions == world.governor.force.champions
    assert again.force.candidates == world.governor.force.candidates
    assert again.force.turns == world.governor.force.turns
    assert list(again.force.incomplete()) == list(world.governor.force.incomplete())
    assert {key: marks.known for key, marks in again.evidence.marks.items()} == {
        key: marks.known for key, marks in world.governor.evidence.marks.items()
    }
    assert [a for a in again.decide() if isinstance(a, Announce)] == [
        Announce(*found) for found in world.governor.force.incomplete()
    ]


# --- it never flaps ---


@given(st.lists(st.booleans(), min_size=1, max_size=400), st.integers(0, 20))
@settings(deadline=None, max_examples=60)
def test_the_mode_never_changes_twice_within_a_sample_or_a_dwell(rights: list[bool], dwell: int) -> None:
    """Whatever the outcomes are: between two changes lie a full sample of new outcomes, and the dwelling time."""
    held = msgspec.structs.replace(PROMOTION, dwell_minutes=float(dwell), shadow_minutes=0.0, samples=5)
    world = World(strategy(promotion=held, online=Online(enabled=True)))
    world.feed(trained("v1", START))
    world.at(START)
    world.run("v1", rights, START)

    for (first, _), (second, _) in pairwise(world.champions):
        assert second - first >= dwell * MINUTE
        assert second - first >= 5 * 10 * SECOND
    for before, after in pairwise([None, *(version for _, version in world.champions)]):
        assert before != after


@given(st.permutations([True] * 13 + [False] * 7), st.integers(1, 200))
@settings(deadline=None, max_examples=30)
def test_a_champion_between_the_thresholds_stays(block: list[bool], count: int) -> None:
    """Every window of 20 outcomes has 13 right ones, 65 %: between 60 % and 70 %."""
    world = World(strategy())
    world.broadcast(ModelActivated(START, "alpha", "v1", sha256="ab"))
    world.run("v1", (block * 10)[:count], START)

    assert world.champions == []
    assert world.governor.force.champions["alpha", ""].version == "v1"


def test_a_candidate_between_the_thresholds_does_not_take_over() -> None:
    world = World(strategy())
    world.feed(trained("v1", START))
    world.at(START)
    world.run("v1", [False, True, True] * 55, START)

    assert world.champions == []


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(-1, 1), st.booleans()), max_size=60),
    st.integers(0, 20),
)
def test_a_trial_equals_a_count_by_hand(story: list[tuple[bool, bool, int, bool]], since: int) -> None:
    ours, theirs = Marks(), Marks()
    rows = []
    for ts, (mine, other, label, both) in enumerate(story):
        ours.add(outcome(ts, mine, "v2", label=label))
        if both:
            theirs.add(outcome(ts, other, "v1", label=label))
        if ts >= since:
            rows.append((mine, other, label, both))
    found = trial(ours, since, theirs, "v1")

    common = [row for row in rows if row[3]]
    labels = [row[2] for row in rows]
    assert found.samples == len(rows)
    assert found.accuracy == pytest.approx(sum(row[0] for row in rows) / len(rows) if rows else 0)
    if common:
        assert (found.common, found.against) == (len(common), "v1")
        assert found.own == pytest.approx(sum(row[0] for row in common) / len(common))
        assert found.rival == pytest.approx(sum(row[1] for row in common) / len(common))
    else:
        best = max(labels.count(label) for label in (-1, 0, 1)) if labels else 0
        assert found.rival == pytest.approx(best / len(labels) if labels else 0)


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 30), st.integers(0, 40))
def test_the_champion_falls_by_its_newest_outcomes_alone(rights: list[bool], samples: int, since: int) -> None:
    held = Promotion(accuracy=0.7, margin=0.1, samples=samples, dwell_minutes=0.0)
    marks = Marks()
    for ts, right in enumerate(rights):
        marks.add(outcome(ts, right))
    reason = falls(held, Held("v1", "", since), marks, 0, len(rights) + MINUTE)

    newest = [right for ts, right in enumerate(rights) if ts >= since][-samples:]
    assert bool(reason) == (len(newest) == samples and sum(newest) / samples < 0.6 - 1e-12)


def test_every_reason_to_wait_is_said() -> None:
    good = Trial(20, 0.8, 20, 0.8, 0.5, "v1")
    cases = {
        "2 of 5 min in shadow": (good, 2),
        "19 of 20 outcomes": (good._replace(samples=19), 6),
        "60.0% right of 20, below 70.0%": (good._replace(accuracy=0.6), 6),
        "3 of 20 outcomes in common with v1": (good._replace(common=3), 6),
        "80.0% right of 20, not above the 80.0% of v1": (good._replace(rival=0.8), 6),
    }
    for reason, (found, minutes) in cases.items():
        assert judge(PROMOTION, found, START, None, START + minutes * MINUTE) == Judged("wait", reason)
        late = judge(PROMOTION, found, START, None, START + 31 * MINUTE)
        assert late.verdict == ("promote" if "in shadow" in reason else "dismiss")


def test_events_without_a_decision_count_from_the_first_shard_and_others_when_all_have_them() -> None:
    world = World(strategy())
    world.feed(ModelShadowed(START, "alpha", "v1"), 1)
    assert not world.governor.force.candidates
    world.feed(ModelShadowed(START, "alpha", "v1"), 0)
    assert list(world.governor.force.candidates["alpha", ""]) == ["v1"]

    world.feed(ModelActivated(START, "alpha", "v2", decision="d"), 0)
    assert not world.governor.force.champions
    world.feed(ModelActivated(START + SECOND, "alpha", "v2", decision="d"), 1)
    assert world.governor.force.champions["alpha", ""] == Held("v2", "", START + SECOND, "d")
    assert world.governor.force.at(START) == {}
    assert world.governor.force.at(START + SECOND) == {("alpha", ""): "v2"}


def test_other_settings_do_not_change_what_is_in_force() -> None:
    world = World(strategy())
    world.broadcast(ModelActivated(START, "alpha", "v1"))
    world.broadcast(configured(strategy(symbols=("BTCUSDT", "ETHUSDT")), START + HOUR))

    assert world.governor.force.champions["alpha", ""].version == "v1"
    assert world.governor.force.configured["alpha"] == START


def test_nothing_changes_within_the_dwelling_time() -> None:
    """Two minutes since the last change: neither a winner nor a failing champion is acted upon a moment earlier."""
    good = Trial(20, 0.9, 20, 0.9, 0.5, "v1")
    marks = Marks()
    for ts in range(20):
        marks.add(outcome(START + ts, False))
    for passed, verdict in ((2 * MINUTE - 1, "wait"), (2 * MINUTE, "promote")):
        now = START + HOUR
        assert judge(PROMOTION, good, START + 50 * MINUTE, now - passed, now).verdict == verdict
        assert bool(falls(PROMOTION, Held("v1", "", START), marks, now - passed, now)) == (verdict == "promote")


@given(st.permutations(list(range(30))), st.integers(1, 30))
def test_the_newest_outcomes_do_not_depend_on_the_order_in_which_they_are_read(order: list[int], count: int) -> None:
    """A restart reads one shard after the other."""
    marks = Marks()
    for number in order:
        marks.add(outcome(START + number * SECOND, number % 3 > 0))

    assert [mark.matured for mark in marks.last(count, 0)] == [START + (29 - n) * SECOND + MINUTE for n in range(count)]
