"""Splits: disjoint in time, nothing of the next one in any, all folds kept, and what is dropped is counted."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.datasets import Random, Span, TimeBased, WalkForward
from learning.datasets.splits import Split, lay_out, lot
from tests.learning.datasets.session import SECOND

DAY = 86_400 * SECOND
NAMES = ("train", "validation", "test")


def fates(splits: list[Split], ts: int, horizon: int) -> dict[str, str]:
    return {split.key: fate for split in splits if (fate := split.fate(ts, "X", horizon))}


@st.composite
def time_based(draw) -> TimeBased:
    times = sorted(draw(st.lists(st.integers(1, 10_000), min_size=6, max_size=6, unique=True)))
    return TimeBased(*(Span(start, end) for start, end in zip(times[::2], times[1::2], strict=True)))


@pytest.mark.req("FS-US-2.1", "FS-US-2.2", "FS-SC-009")
@settings(max_examples=40, deadline=None)
@given(time_based(), st.integers(1, 2_000), st.integers(0, 3))
def test_a_row_and_its_horizon_lie_in_one_split_and_before_every_later_one(plan, horizon, embargo_seconds):
    """Brute force over every microsecond: kept exactly where the whole window fits, behind the embargo."""
    splits = lay_out(plan, embargo_seconds)
    ends = {"validation": plan.train.end, "test": plan.validation.end}
    for ts in range(0, 10_001, 7):
        for name in NAMES:
            span = getattr(plan, name)
            inside = span.start <= ts < span.end
            free = name == "train" or ts >= ends[name] + embargo_seconds * SECOND or not embargo_seconds
            fits = ts + horizon <= span.end
            expected = "kept" if free and fits else "purged" if free else "embargoed"
            assert fates(splits, ts, horizon).get(name) == (expected if inside else None)


@pytest.mark.req("TK-FS-03", "FS-FR-014.2")
@given(st.floats(0.1, 5), st.floats(0.1, 5), st.floats(0.1, 5), st.sampled_from([0.0, 0.5, 2.0]), st.integers(1, 20))
def test_walk_forward_has_every_fold_that_fits(train, validation, step, test, days):
    """Fold i begins i steps after the start; the last one is the last whose end is not after the plan's."""
    start = 1_700_000_000 * SECOND
    plan = WalkForward(start, start + days * DAY, train, validation, step, test)
    width, whole = round(step * 86_400), sum(round(part * 86_400) for part in (train, validation, test))
    expected = [start + i * width * SECOND for i in range(10_000) if i * width + whole <= days * 86_400]

    splits = lay_out(plan, 0)
    trains = [split for split in splits if split.key.endswith("train")]
    assert [split.start for split in trains] == expected
    assert [split.key for split in trains] == [f"fold_{i}/train" for i in range(len(expected))]
    for split in trains:
        rest = [one for one in splits if one.key.split("/")[0] == split.key.split("/")[0]]
        assert [one.key.split("/")[1] for one in rest] == list(NAMES[: 3 if test else 2])
        assert all(before.end == after.start for before, after in pairwise(rest))
        assert rest[-1].end <= plan.end


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.2, 0.5]), st.sampled_from([0.0, 0.3]))
def test_random_splits_share_all_rows_out_by_lot(seed, train, validation):
    """Each row is in one split, about as many as the shares say, and the same ones every time."""
    plan = Random(1, 10_000, train, validation, seed)
    splits = lay_out(plan, 0)
    found = [fates(splits, ts, 1) for ts in range(1, 2_000)]

    assert all(len(one) == 1 for one in found)
    share = sum("train" in one for one in found) / len(found)
    assert abs(share - train) < 0.07
    assert all(0 <= lot(seed, "X", ts) < 1 for ts in range(100))
    assert found == [fates(lay_out(plan, 0), ts, 1) for ts in range(1, 2_000)]


def test_an_embargo_keeps_the_first_rows_of_the_next_split_out():
    """Counted from the end of the split before, also where there is a pause between them."""
    plan = TimeBased(Span(1, 100 * SECOND), Span(110 * SECOND, 200 * SECOND), Span(200 * SECOND, 300 * SECOND))
    splits = lay_out(plan, 30)

    assert fates(splits, 129 * SECOND, 1) == {"validation": "embargoed"}
    assert fates(splits, 130 * SECOND, 1) == {"validation": "kept"}
    assert fates(splits, 229 * SECOND, 1) == {"test": "embargoed"}
