"""What asks for a training: the schedule, the time since the last one, new data, what got worse, and people."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.governor.queue import Priority
from learning.governor.schedule import next_after
from schemas.command import Train
from schemas.governance import TrainingDone
from schemas.learning import Training
from schemas.origin import Origin
from schemas.quality import QualityRecord
from tests.learning.governor.made import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    START,
    World,
    asked,
    execution,
    finish,
    outcome,
    strategy,
    trained,
    world_with,
)


def drift(ts: int, before: float = 0.2, after: float = 0.5, role: str = "online") -> QualityRecord:
    detail: dict[str, int | float | str] = {
        "strategy": "alpha", "model": "online", "role": role, "error_before": before, "error_after": after,
    }  # fmt: skip
    return QualityRecord("BTCUSDT", ts, "model.drift", detail, Origin(0, ts, 0))


# --- the schedule ---


@pytest.mark.req("MS-US-2.6", "MS-FR-022", "TK-MS-42")
def test_the_schedule_asks_at_its_hour_by_the_clock_of_the_log() -> None:
    world = world_with(schedule="0 3 * * *")
    for hour in range(1, 49):
        world.at(START + hour * HOUR)
        if world.governor.queue.waiting:
            finish(world)

    hours = [datetime.fromtimestamp(now / 1e6, UTC).hour for now, _ in asked(world)]
    assert hours == [3, 3]


@pytest.mark.req("MS-SC-011")
def test_a_scheduled_training_is_asked_for_within_five_minutes() -> None:
    """The daemon looks about twice a second; here the log is looked at once a minute."""
    world = world_with(schedule="*/15 * * * *")
    for minute in range(1, 121):
        world.at(START + minute * MINUTE)
        if world.governor.queue.waiting:
            finish(world)

    assert len(asked(world)) == 8
    assert all(now % (15 * MINUTE) == 0 for now, _ in asked(world))


def test_what_was_missed_runs_once() -> None:
    """The machine was off for three days."""
    world = world_with(schedule="hourly")
    world.at(START + 3 * DAY)
    finish(world)
    world.at(START + 3 * DAY + MINUTE)

    assert asked(world) == [(START + 3 * DAY, "schedule")]
    assert world.governor.planned() == START + 3 * DAY + HOUR


@pytest.mark.req("MS-EC-01")
def test_the_schedule_goes_on_without_any_execution() -> None:
    world = world_with(schedule="daily", new_executions=10)
    for day in range(1, 4):
        world.at(START + day * DAY)
        finish(world)

    assert [trigger for _, trigger in asked(world)] == ["schedule"] * 3


@given(st.integers(1_600_000_000, 1_900_000_000), st.sampled_from([1, 5, 15, 20, 30]))
def test_a_schedule_of_minutes_equals_rounding_up(seconds: int, minutes: int) -> None:
    moment = datetime.fromtimestamp(seconds, UTC).replace(second=0)
    moment += timedelta(minutes=minutes - moment.minute % minutes)

    assert next_after(f"*/{minutes} * * * *", seconds * SECOND) == int(moment.timestamp()) * SECOND


# --- since the last training ---


def test_the_interval_counts_from_the_beginning_of_the_last_training() -> None:
    world = world_with(interval_days=2.0)
    world.at(START + 5 * DAY)
    assert asked(world) == []  # nothing was trained yet, and there is nothing to learn from

    world.feed(trained("v1", START + 5 * DAY))
    world.at(START + 7 * DAY - SECOND)
    assert asked(world) == []

    world.at(START + 7 * DAY)
    assert asked(world) == [(START + 7 * DAY, "interval")]
    assert world.governor.planned() == START + 7 * DAY


@pytest.mark.req("MS-US-2.8", "MS-FR-019")
def test_new_rows_ask_when_there_are_enough_of_them() -> None:
    world = world_with(new_rows=30)
    world.feed(trained("v1", START))
    for minute in range(1, 32):
        world.governor.row("BTCUSDT", START + minute * MINUTE)
        world.governor.row("BTCUSDT", START + minute * MINUTE + SECOND)  # no row: they are a minute apart
        world.governor.row("ETHUSDT", START + minute * MINUTE)  # not of this strategy
        world.at(START + minute * MINUTE)

    assert asked(world) == [(START + 30 * MINUTE, "rows")]


@pytest.mark.req("MS-US-2.8")
def test_new_executions_ask_when_there_are_enough_of_them() -> None:
    world = world_with(new_executions=3)
    world.feed(trained("v1", START))
    for minute in range(1, 6):
        world.feed(execution(START + minute * MINUTE, "buy", 100.0, 0.0, 0.0, None))
        world.at(START + minute * MINUTE)

    assert asked(world) == [(START + 3 * MINUTE, "executions")]


@given(
    st.lists(st.tuples(st.sampled_from(["row", "execution", "trained", "failed"]), st.integers(1, 90)), max_size=80),
    st.integers(1, 15),
)
@settings(deadline=None, max_examples=60)
def test_counting_equals_counting_by_hand(story: list[tuple[str, int]], least: int) -> None:
    """A training, whatever came of it, begins the count anew, to the minute in which it began."""
    world = world_with(new_rows=least, new_executions=least, min_rows=10_000)
    world.feed(trained("v0", START))
    now, begun, rows, executions = START, START, list[int](), list[int]()
    for kind, minutes in story:
        now += minutes * MINUTE
        if kind == "row":
            world.governor.row("BTCUSDT", now)
            rows.append(now)
        elif kind == "execution":
            world.feed(execution(now, "buy", 100.0, 0.0, 0.0, None))
            executions.append(now)
        else:
            status = "ready" if kind == "trained" else "failed"
            world.feed(TrainingDone("alpha", now, now, status))  # type: ignore[arg-type]
            begun = now
        ready = [sum(ts >= begun for ts in found) >= least for found in (rows, executions)]
        before = len(asked(world))
        world.at(now)
        assert (len(asked(world)) > before) == any(ready)
        if any(ready):
            assert asked(world)[-1][1] == ("rows" if ready[0] else "executions")
            finish(world, "failed")
            begun = now


def test_the_first_training_waits_until_there_is_something_to_train_and_to_test_on() -> None:
    """100 rows to train on, a tenth of a day each to validate and to test, one with its horizon cut: 389 minutes."""
    world = world_with()
    for minute in range(1, 400):
        world.governor.row("BTCUSDT", START + minute * MINUTE)
        world.at(START + minute * MINUTE)

    assert asked(world) == [(START + 389 * MINUTE, "rows")]
    finish(world, "failed")
    for minute in range(400, 700):
        world.governor.row("BTCUSDT", START + minute * MINUTE)
        world.at(START + minute * MINUTE)
        if world.governor.queue.waiting:
            finish(world, "failed")
    assert len(asked(world)) == 4  # every hundred rows


def test_rows_from_before_the_last_training_do_not_count_when_they_are_read_again() -> None:
    """A restart knows of the training first, and reads the rows afterwards."""
    world = world_with(new_rows=5)
    world.feed(trained("v1", START + 10 * MINUTE))
    for minute in range(14):
        world.governor.row("BTCUSDT", START + minute * MINUTE)
    world.at(START + 14 * MINUTE)
    assert asked(world) == []

    world.governor.row("BTCUSDT", START + 14 * MINUTE)
    world.at(START + 14 * MINUTE)
    assert asked(world) == [(START + 14 * MINUTE, "rows")]


def test_a_strategy_that_does_not_train_asks_for_nothing() -> None:
    world = world_with(enabled=False, schedule="hourly", new_rows=1)
    world.governor.row("BTCUSDT", START)
    world.at(START + DAY)

    assert asked(world) == []
    assert world.governor.planned() is None


# --- what got worse ---


@pytest.mark.req("MS-US-2.7", "MS-FR-021")
def test_drift_asks_at_once_and_overtakes_what_runs() -> None:
    world = world_with()
    world.feed(trained("v1", START))
    world.feed(Train("alpha", START + SECOND, "schedule", urgent=False))
    world.governor.queue.start(world.governor.queue.next())  # type: ignore[arg-type]
    world.feed(drift(START + MINUTE))
    world.at(START + MINUTE)

    assert asked(world) == [(START + MINUTE, "drift")]
    overtaking = world.governor.queue.overtaken()
    assert overtaking is not None and overtaking.priority is Priority.CRITICAL
    assert "errs in 50.0% instead of 20.0%" in overtaking.reason


def test_drift_that_repeats_itself_asks_no_more_often_than_the_champion_may_change() -> None:
    world = world_with()
    world.feed(trained("v1", START))
    for second in range(0, 600, 10):
        world.feed(drift(START + second * SECOND + 1))
        world.at(START + second * SECOND + 1)

    gaps = [now for now, _ in asked(world)]
    assert len(gaps) == 5
    assert all(b - a >= 2 * MINUTE for a, b in pairwise(gaps))


@pytest.mark.parametrize(
    "record", [drift(START + MINUTE, 0.5, 0.2), drift(START + MINUTE, role="shadow"), drift(START - MINUTE)]
)
def test_an_improvement_a_candidates_drift_and_one_before_the_last_training_ask_for_nothing(
    record: QualityRecord,
) -> None:
    world = world_with()
    world.feed(trained("v1", START))
    world.feed(record)
    world.at(START + HOUR)

    assert asked(world) == []


@pytest.mark.req("MS-SC-012", "MS-US-2.7")
def test_a_drop_in_quality_asks_within_a_minute_of_the_outcome_that_shows_it() -> None:
    world = World(strategy())
    world.feed(trained("v1", START, {"accuracy": 0.9}))
    world.at(START + SECOND)
    end = world.run("v1", [True, True, True, True, False] * 10, START)
    end = world.run("v1", [False] * 20, end)

    shown = next(
        now for now, action in world.told if getattr(getattr(action, "alert", None), "kind", "") == "model.degraded"
    )
    assert asked(world)[0] == (shown, "degradation")


def test_training_settings_have_the_origins_periods() -> None:
    """Contracts: settings 3.3."""
    assert (Training().train_days, Training().validation_days, Training().test_days) == (30, 7, 1)
    assert Training().interval_days == 7


def test_outcomes_of_unknown_strategies_are_passed_over() -> None:
    world = World(strategy())
    world.feed(outcome(START, True, name="unknown"))

    assert world.at(START + MINUTE) == []
