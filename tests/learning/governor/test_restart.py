"""A governor that was killed, or that reads events of another hand, knows and decides the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.governor.actions import Announce
from learning.governor.force import Held
from schemas.learning import Online
from schemas.model import ModelActivated, ModelShadowed
from tests.learning.governor.made import (
    HOUR,
    MINUTE,
    SECOND,
    START,
    World,
    configured,
    outcome,
    strategy,
    trained,
)


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
