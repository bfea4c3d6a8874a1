"""Fold by fold."""

from statistics import fmean, pstdev

import pytest

from learning.training import (
    CannotTrain,
    Fold,
    Request,
    Rows,
    TookTooLong,
    Watch,
    evaluate,
    no_rows,
    train,
    walk_forward,
)
from schemas.learning import Target
from tests.learning.training.rows_made import NAMES, QUICK, numbers, rows, training


def fold(number: int, noise: float = 0.0) -> Fold:
    """The share ``noise`` of the test rows has the opposite class."""
    test = rows(100, 100 + number)
    flipped = int(100 * noise)
    targets = test.targets.copy()
    targets[:flipped] *= -1
    return Fold(f"fold_{number}", rows(300, number), rows(100, 50 + number), Rows(test.features, targets))


@pytest.mark.req("TK-MS-31")
def test_every_fold_is_trained_and_judged_on_its_own_test_rows():
    folds = [fold(0, 0.6), fold(1), fold(2, 0.6)]

    found = walk_forward(folds, NAMES, Target(), training())

    accuracies = [walked.evaluation.figures["accuracy"] for walked in found.folds]
    assert found.chosen.name == "fold_1"
    assert accuracies[0] < 0.5 > accuracies[2]
    for each, walked in zip(folds, found.folds, strict=True):
        assert walked.evaluation == evaluate(walked.trained.model, each.test)
    assert found.spread["accuracy"] == (pytest.approx(fmean(accuracies)), pytest.approx(pstdev(accuracies)), 3)
    assert [walked.name for walked in found.folds] == ["fold_0", "fold_1", "fold_2"]


@pytest.mark.req("TK-MS-31")
@pytest.mark.parametrize("by", ["accuracy", "roc_auc"])
def test_of_equal_folds_the_latest_is_the_best(by):
    same = fold(1)

    found = walk_forward([same, same, fold(2, 0.9)], NAMES, Target(), training(), by=by)

    assert found.best == 1


@pytest.mark.req("TK-MS-31")
@pytest.mark.parametrize("family", sorted(QUICK))
def test_a_fold_is_regularised_more(family: str):
    found = walk_forward([fold(0)], NAMES, Target(), training(family), regularisation=2.0).chosen.trained
    alone = train(Request(fold(0).train, fold(0).validation, NAMES, Target(), training(family)))

    changed = {name for name in alone.params if alone.params[name] != found.params[name]}
    assert (
        changed
        == {
            "xgboost": {"reg_alpha", "reg_lambda"},
            "random_forest": {"min_samples_leaf"},
            "logistic_regression": {"C"},
            "sgd_classifier": {"alpha"},
        }[family]
    )
    same = walk_forward([fold(0)], NAMES, Target(), training(family), regularisation=1.0).chosen.trained
    assert same.content == alone.content


def test_a_fold_with_too_few_rows_is_kept_with_the_reason():
    small = Fold("fold_0", rows(20), rows(20, 2), rows(20, 3))

    found = walk_forward([small, fold(1)], NAMES, Target(), training())

    assert found.folds[0].trained is None
    assert "has 20 rows" in found.folds[0].problem
    assert found.folds[0].evaluation.metrics() == {"rows": 0, "reason": "not_trained"}
    assert found.best == 1
    assert found.spread["accuracy"].folds == 1


def test_no_fold_at_all_is_refused_with_every_reason():
    small = Fold("fold_0", rows(20), no_rows(4))

    with pytest.raises(CannotTrain, match="fold_0: the train split has 20 rows"):
        walk_forward([small], NAMES, Target(), training())
    with pytest.raises(CannotTrain, match="there are no folds"):
        walk_forward([], NAMES, Target(), training())


def test_numbers_are_compared_by_their_error():
    folds = [Fold(f"fold_{k}", numbers(200, k), numbers(50, 10 + k)) for k in range(2)]
    worse = Rows(folds[1].validation.features, folds[1].validation.targets * -1)

    found = walk_forward(
        [folds[0], Fold("fold_1", folds[1].train, folds[1].validation, worse)],
        NAMES, Target(kind="regression"), training(),
    )  # fmt: skip

    assert found.best == 0
    assert found.spread["mse"].folds == 2


def test_the_time_limit_is_for_all_folds():
    seconds = iter(range(10_000))

    with pytest.raises(TookTooLong, match="given up after 21 s"):
        walk_forward(
            (fold(number) for number in range(2)), NAMES, Target(), training(max_seconds=20), count=2,
            watch=Watch(clock=lambda: float(next(seconds))),
        )  # fmt: skip


def test_progress_runs_through_all_folds():
    told = []

    walk_forward([fold(0), fold(1)], NAMES, Target(), training(), count=2, watch=Watch(report=told.append))

    shares = [progress.share for progress in told]
    assert shares == sorted(shares)
    assert told[-1].phase == "fold 2 of 2: boosting"
