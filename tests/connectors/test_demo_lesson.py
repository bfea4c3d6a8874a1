"""The demo market with something to learn."""

from random import Random

import numpy as np
import pytest

from connectors.demo.feed import START
from connectors.demo.lesson import Lesson, Taught
from connectors.demo.market import Market
from connectors.demo.process import Process

STEP = 0.25


def walk(lesson: Lesson, seconds: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Flow and log-price at each step."""
    taught = Taught(Random(seed), lesson)
    points = [(taught.step(STEP), taught.flow) for _ in range(int(seconds / STEP))]
    level, flow = np.array(points).T
    return flow, level


def right(flow: np.ndarray, level: np.ndarray, lead: float) -> float:
    """How often the flow of the last ``lead`` seconds has the sign of the return of the next ones."""
    steps = int(lead / STEP)
    sums = np.concatenate([[0.0], np.cumsum(flow)])
    seen = sums[steps:] - sums[:-steps]
    level = level[steps - 1 :]
    return float(np.mean(np.sign(seen[:-steps]) == np.sign(level[steps:] - level[:-steps])))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_who_knows_the_flow_is_right_about_the_price_until_the_lesson_turns_over(seed):
    flow, level = walk(Lesson(flips=(2000.0,)), 4000, seed)
    half = len(flow) // 2

    assert right(flow[:half], level[:half], 15.0) > 0.85
    assert right(flow[half:], level[half:], 15.0) < 0.15


def test_a_second_flip_restores_the_first_relation():
    flow, level = walk(Lesson(flips=(1.0, 2.0)), 2000, 4)

    assert right(flow, level, 15.0) > 0.85


def test_the_flow_says_nothing_without_an_impact_worth_the_noise():
    flow, level = walk(Lesson(impact=1e-9), 8000, 5)

    assert 0.4 < right(flow, level, 15.0) < 0.6


def test_a_market_with_a_lesson_depends_on_its_seed_alone_and_one_without_stays_as_it_is():
    def frames(lesson: Lesson | None) -> list[bytes]:
        stream = Market(["BTCUSDT"], 7, START, lesson=lesson).frames()
        return [next(stream).data for _ in range(500)]

    assert frames(Lesson()) == frames(Lesson())
    assert frames(Lesson()) != frames(None)
    assert isinstance(Market(["BTCUSDT"], 7, START).symbols["BTCUSDT"].process, Process)


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"lead": 0.0}, "lead"), ({"noise": -1.0}, "noise"), ({"flips": (5.0, 5.0)}, "flips")],
)
def test_a_lesson_that_cannot_be_taught_is_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        Lesson(**settings)
