"""Who is judged by what, and that the mode never flaps between the thresholds."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.governor.force import Held
from learning.governor.marks import Marks
from learning.governor.promotion import Judged, Trial, falls, judge, trial
from schemas.learning import Online, Promotion
from schemas.model import ModelActivated
from tests.learning.governor.made import (
    HOUR,
    MINUTE,
    PROMOTION,
    SECOND,
    START,
    World,
    outcome,
    strategy,
    trained,
)


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
