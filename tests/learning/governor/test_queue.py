"""Who waits for whom: requests by priority, then by age; none is ever lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.governor.actions import Answer
from learning.governor.queue import Queue, request_of
from schemas.command import Train
from schemas.governance import TrainingDone
from tests.learning.governor.made import (
    SECOND,
    START,
    World,
    strategy,
)


def test_requests_are_served_by_priority_then_by_age() -> None:
    queue = Queue()
    triggers = ["rows", "manual", "drift", "executions", "schedule", "degradation"]
    for number, trigger in enumerate(triggers):
        queue.add(request_of(Train(f"s{number}", number, trigger), f"0/{number}"))  # type: ignore[arg-type]
    served = []
    while request := queue.next():
        queue.start(request)
        served.append(request.trigger)
        queue.answered(TrainingDone(request.strategy, 9, 9, "ready", request.ids))

    assert served == ["drift", "degradation", "manual", "schedule", "rows", "executions"]


@pytest.mark.req("MS-EC-02", "MS-US-2.9", "TK-MS-18", "TK-MS-21")
def test_requests_for_one_strategy_become_one_training_with_the_highest_priority() -> None:
    queue = Queue()
    for number, trigger in enumerate(["rows", "schedule", "drift"]):
        queue.add(request_of(Train("alpha", number, trigger, urgent=trigger == "drift"), f"0/{number}"))  # type: ignore[arg-type]

    [request] = queue.waiting
    assert (request.trigger, request.urgent, request.ids) == ("drift", True, ("0/0", "0/1", "0/2"))
    queue.start(request)
    queue.add(request_of(Train("alpha", 9, "rows", urgent=False), "0/9"))
    assert queue.overtaken() is None
    queue.add(request_of(Train("alpha", 10, "manual"), "0/10"))
    assert queue.overtaken() is not None


def test_a_full_queue_drops_what_presses_least_and_says_so() -> None:
    world = World(strategy())
    for number in range(11):
        world.feed(Train(f"s{number}", START + number, "manual" if number else "rows"))
    world.at(START + SECOND)

    [answer] = [action.done for _, action in world.told if isinstance(action, Answer)]
    assert (answer.strategy, answer.status) == ("s0", "cancelled")
    assert "the queue is full" in answer.error
    assert len(world.governor.queue.waiting) == 10


@given(
    st.lists(st.tuples(st.integers(0, 14), st.sampled_from(["rows", "manual", "drift"]), st.booleans()), max_size=60)
)
@settings(deadline=None)
def test_no_request_is_ever_lost(story: list[tuple[int, str, bool]]) -> None:
    """Each is waiting, running, answered or dropped; and a queue that reads the log again holds the same."""
    queue = Queue()
    log: list[object] = []
    ids: set[str] = set()
    gone: set[str] = set()
    for number, (name, trigger, serve) in enumerate(story):
        request = request_of(Train(f"s{name}", number, trigger), f"0/{number}")  # type: ignore[arg-type]
        log.append(request)
        ids.add(f"0/{number}")
        if dropped := queue.add(request):
            done = TrainingDone(dropped.strategy, 1, 1, "cancelled", dropped.ids)
            queue.answered(done)
            log.append(done)
            gone |= set(dropped.ids)
        if serve and (first := queue.next()):
            queue.start(first)
            done = TrainingDone(first.strategy, 1, 1, "ready", first.ids)
            queue.answered(done)
            log.append(done)
            gone |= set(first.ids)
        held = {id for one in queue.waiting for id in one.ids}
        assert held | gone == ids and not held & gone
        assert len(queue.waiting) <= queue.limit

    again = Queue()
    for record in log:
        again.answered(record) if isinstance(record, TrainingDone) else again.add(record)  # type: ignore[arg-type]
    assert again.waiting == queue.waiting
    assert again.next() == queue.next()


def test_a_training_that_was_killed_with_the_daemon_is_made_again() -> None:
    world = World(strategy())
    world.feed(Train("alpha", START, "manual", request_id="r1"))
    world.governor.queue.start(world.governor.queue.next())  # type: ignore[arg-type]

    assert [request.ids for request in world.replayed().queue.waiting] == [("r1",)]
