"""Folds before the test split: each is judged by what came after everything that it may know."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.training import Rows
from learning.training.folds import SECOND, folds_of, joined

seconds = st.lists(st.integers(0, 400), min_size=1, max_size=80).map(sorted)


@given(seconds, st.integers(1, 6), st.integers(1, 60), st.integers(0, 60))
@settings(max_examples=200, deadline=None)
def test_folds_equal_brute_force_and_never_look_ahead(times: list[int], count: int, horizon: int, embargo: int) -> None:
    rows = Rows(np.arange(len(times), dtype=float).reshape(-1, 1), np.arange(len(times)))
    found = list(folds_of(np.array(times) * SECOND, rows, count, horizon=horizon, embargo=embargo))
    length = (times[-1] + 1 - times[0]) * SECOND
    window, step = length // 2, (length - length // 2) // count

    assert [fold.name for fold in found] == [f"fold_{number}" for number in range(count)]
    for number, fold in enumerate(found):
        first = times[0] * SECOND + number * step
        middle, last = first + window, first + window + step
        at = [time * SECOND for time in times]
        learnt = [i for i, t in enumerate(at) if first <= t < middle and t + horizon * SECOND < middle]
        judged = [i for i, t in enumerate(at) if middle + embargo * SECOND <= t < last and t + horizon * SECOND < last]
        assert fold.train.targets.tolist() == learnt
        assert fold.validation.targets.tolist() == judged
        assert all(at[i] + horizon * SECOND < at[j] for i in learnt for j in judged)


def test_splits_are_joined_in_the_order_of_time() -> None:
    early = np.array([1, 3]), Rows(np.array([[1.0], [3.0]]), np.array([1, 0]))
    late = np.array([2, 3]), Rows(np.array([[2.0], [4.0]]), np.array([-1, 1]))
    times, rows = joined([early, late])

    assert times.tolist() == [1, 2, 3, 3]
    assert rows.features[:, 0].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert rows.targets.tolist() == [1, -1, 0, 1]
