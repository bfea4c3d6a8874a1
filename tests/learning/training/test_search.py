"""Hyper-parameters tried on the validation split."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from learning.training import Request, distributions, no_rows, train
from learning.training.fitted import likeliest
from learning.training.params import ALLOWED, effective
from learning.training.search import GRID, candidates
from schemas.learning import Target
from tests.learning.training.rows_made import NAMES, QUICK, request, rows, training

FAMILIES = st.sampled_from(sorted(QUICK))


@settings(deadline=None)
@given(family=FAMILIES, kind=st.sampled_from(["grid", "random"]), trials=st.integers(1, 60), seed=st.integers(0, 9))
def test_candidates_are_bounded_different_allowed_and_seeded(family, kind, trials, seed):
    base = effective(family, {})

    found = candidates(family, kind, base, {}, trials, seed)

    assert found[0] == base
    assert 1 <= len(found) <= trials
    assert all(found.count(params) == 1 for params in found)
    assert all(ALLOWED[family][name].problem(value) is None for params in found for name, value in params.items())
    assert found == candidates(family, kind, base, {}, trials, seed)


def test_a_small_grid_is_tried_whole():
    base = effective("logistic_regression", {})

    assert sorted(params["C"] for params in candidates("logistic_regression", "grid", base, {}, 50, 1)) == [
        0.001, 0.01, 0.1, 1.0, 10.0,
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["grid", "random"])
def test_what_was_chosen_by_hand_stays(kind):
    base = effective("xgboost", {"max_depth": 2})

    found = candidates("xgboost", kind, base, {"max_depth": 2}, 20, 1)

    assert {params["max_depth"] for params in found} == {2}
    assert len({params["learning_rate"] for params in found}) > 1


@pytest.mark.req("TK-MS-34")
@pytest.mark.parametrize("family", sorted(QUICK))
def test_the_best_by_f1_on_the_validation_split_is_kept(family: str):
    """Every trial is in the result; the first of equals is taken."""
    free = {name: value for name, value in QUICK[family].items() if name not in GRID[family]}
    asked = request(family, search="random", trials=3)
    asked = Request(asked.train, asked.validation, NAMES, Target(), training(family, free, search="random", trials=3))

    made = train(asked)

    scores = [trial.score for trial in made.trials]
    best = made.trials[int(np.argmax(scores))]
    foretold = likeliest(distributions(made.model, asked.validation.features))
    assert made.params == best.params
    assert made.rounds == best.rounds
    assert best.score == pytest.approx(f1_score(asked.validation.targets, foretold, average="weighted"))


def test_without_validation_rows_nothing_is_searched():
    made = train(Request(rows(300), no_rows(4), NAMES, Target(), training(search="grid")))

    assert made.trials == ()
    assert made.notes[-1] == "the validation split is empty: no early stopping, and no search"
