"""Ticks and pace: time as the collector makes it."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.frames import Frame
from connectors.pace import paced, wall_clock
from connectors.ticks import SILENCE, Ticks

SECOND = 1_000_000
START = 1_750_000_000_000_000


def frame(recv: int) -> Frame:
    return Frame("bybit", "linear", recv, b"{}")


async def played(frames, *args) -> list:
    """Each frame with the wall clock's time at which it came."""
    return [(item, wall_clock()) async for batch in paced(iter(frames), *args) for item in batch]


@given(steps=st.lists(st.integers(0, 5 * SECOND), max_size=60))
def test_every_whole_second_that_passes_has_one_tick(steps):
    """Whatever steps the clock takes: all seconds from the one before the first time to the last, in order, none in the
    future."""
    ticks, now, seen = Ticks(), START + 123, []
    for step in steps:
        now += step
        fresh = [tick.recv for tick in ticks.until(now)]
        assert all(recv < now for recv in fresh)
        seen += fresh
    begun = (START + 123 + steps[0] - 1) // SECOND * SECOND if steps else now
    expected = range(begun, now, SECOND)

    assert seen == list(expected)


def test_a_clock_that_runs_back_makes_no_ticks():
    ticks = Ticks()
    list(ticks.until(START))
    list(ticks.until(START + 5 * SECOND))

    assert list(ticks.until(START + 2 * SECOND)) == []


def test_a_hole_between_two_sessions_is_not_filled_with_ticks():
    """The first minute closes the windows, the last second stands before the new session."""
    ticks = Ticks()
    list(ticks.until(START + 1))
    seen = [tick.recv for tick in ticks.until(START + 86_400 * SECOND + 1)]

    assert seen == [START + n * SECOND for n in range(1, 62)] + [START + 86_400 * SECOND]


def test_a_quiet_market_is_filled_with_ticks():
    ticks = Ticks()
    list(ticks.until(START + 1))

    assert len(list(ticks.until(START + SILENCE + 1))) == SILENCE // SECOND


def test_without_a_speed_frames_come_at_once_in_order():
    frames = [frame(START + n * 3_600 * SECOND) for n in range(2_000)]

    assert [item for item, _ in asyncio.run(played(frames, None))] == frames


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_no_frame_comes_before_its_time(speed):
    frames = [frame(START + n * int(20_000 * speed)) for n in range(10)]
    came = asyncio.run(played(frames, speed))
    begin = came[0][1]

    assert [item for item, _ in came] == frames
    assert all(time - begin >= (item.recv - START) / speed - 1_000 for item, time in came)


def test_an_anchor_ties_the_frames_to_the_wall_clock():
    """A session that began a moment ago: what is past comes at once, the rest in time."""
    now = wall_clock()
    frames = [frame(now - 50_000), frame(now - 10), frame(now + 60_000)]
    came = asyncio.run(played(frames, 1.0, (now, now)))

    assert all(time >= item.recv for item, time in came)


def test_a_speed_of_nothing_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        asyncio.run(played([frame(START)], 0.0))
