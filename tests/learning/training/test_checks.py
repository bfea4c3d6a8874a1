"""What is wrong with rows is said before anything is learnt from them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from learning.training import CannotTrain, Request, Rows, no_rows, train
from learning.training.checks import Columns, check
from schemas.learning import Target
from tests.learning.training.rows_made import NAMES, numbers, request, rows, training


def asked(split: Rows, validation: Rows | None = None, **changed: object) -> Request:
    return Request(split, validation or no_rows(4), NAMES, Target(), training(**changed))


def with_classes(*counts: int) -> Rows:
    targets = np.repeat([-1, 0, 1], counts)
    return Rows(np.random.default_rng(1).normal(size=(len(targets), 4)), targets)


def test_good_rows_have_nothing_to_be_said_of():
    assert check(asked(rows(400, unknown=0.0), rows(200, 2, unknown=0.0))) == []


@pytest.mark.req("TK-MS-35", "TK-FS-27")
def test_features_that_say_little_are_named():
    split = rows(1000, unknown=0.0)
    split.features[:, 1] = np.nan
    split.features[:60, 2] = np.nan
    split.features[:, 3] = 7.0
    split.features[-1] = split.features[-2]

    assert check(asked(split, rows(10, unknown=0.0)))[:4] == [
        "features never known: spread",
        "features unknown in more than 5% of the rows: depth",
        "features constant: vwap",
        "1 rows of 1000 have the features of another row",
    ]


@pytest.mark.req("TK-MS-35")
def test_a_feature_that_knows_the_future_is_named():
    """The target itself, with noise that no market would be forgiven."""
    split = rows(1000, unknown=0.0)
    split.features[:, 3] = 50_000 + split.targets + 0.1 * split.features[:, 3]

    assert check(asked(split, rows(10, unknown=0.0)))[0] == (
        "features that nearly are the target, as if they knew the future: vwap"
    )


@pytest.mark.req("TK-MS-35", "TK-FS-27")
@pytest.mark.parametrize("split", ["train", "validation"])
def test_infinite_values_are_refused(split: str):
    found = {"train": rows(400), "validation": rows(100)}
    found[split].features[7, 2] = -np.inf

    with pytest.raises(CannotTrain, match=f"infinite values in the {split} split: depth"):
        train(asked(found["train"], found["validation"]))


@pytest.mark.req("TK-MS-36")
@pytest.mark.parametrize(
    ("counts", "share"), [((0, 0, 100), "100.0%"), ((2, 96, 2), "96.0%")], ids=["one class", "nearly one"]
)
def test_rows_of_one_class_are_refused(counts: tuple[int, ...], share: str):
    with pytest.raises(CannotTrain, match=rf"{share} of the rows of the train split are of class .*threshold"):
        train(asked(with_classes(*counts)))


@pytest.mark.req("TK-MS-36")
def test_classes_out_of_balance_are_mentioned():
    notes = check(asked(with_classes(9, 920, 71)))

    assert "92.0% of the rows are of class 0" in notes
    assert "class -1 has only 9 rows (0.90%)" in notes


@pytest.mark.req("TK-MS-36")
def test_classes_that_shift_between_the_splits_are_mentioned():
    notes = check(asked(with_classes(300, 400, 300), with_classes(10, 80, 10)))

    assert "class 0: 40.0% of the train split, 80.0% of the validation split" in notes


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda: asked(rows(49)), "has 49 rows and learning.training.min_rows asks for 50"),
        (lambda: asked(no_rows(4), min_rows=0), "has 0 rows"),
        (lambda: asked(Rows(np.full((100, 4), np.nan), rows(100).targets)), "no feature of the train split has any"),
        (lambda: asked(Rows(rows(100).features, np.full(100, 2))), "targets other than -1, 0 and 1"),
        (lambda: asked(Rows(rows(100).features, np.full(100, np.nan))), "100 rows of the train split have no target"),
        (lambda: asked(Rows(rows(100).features, np.ones(99))), "a matrix of shape .100, 4. for 99 targets"),
        (lambda: Request(rows(100), rows(9), ("a", "a", "b", "c"), Target(), training()), "each once"),
        (lambda: Request(rows(100), rows(9), ("a", "b[1]", "c", "d"), Target(), training()), r"b\[1\]"),
        (lambda: request(params={"depth": 3}), "xgboost has no 'depth'"),
        (lambda: request(params={"max_depth": 2.5}), "max_depth must be a whole number, not 2.5"),
        (lambda: request(params={"learning_rate": 0}), "learning_rate must be from"),
        (lambda: request(params={"grow_policy": "sideways"}), "grow_policy must be one of depthwise, lossguide"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_words(broken, said: str):
    with pytest.raises(CannotTrain, match=said):
        train(broken())


def test_numbers_that_never_change_are_refused():
    split = numbers(100)
    split.targets[:] = 0.25

    with pytest.raises(CannotTrain, match=r"every target of the train split is 0\.25"):
        train(Request(split, no_rows(4), NAMES, Target(kind="regression"), training()))


@settings(deadline=None)
@given(
    arrays(
        np.float64, st.tuples(st.integers(1, 30), st.integers(1, 4)), elements=st.sampled_from([0.5, 1.0, 2.0, np.nan])
    )
)
def test_columns_equal_pandas(matrix: np.ndarray):
    columns, frame = Columns(matrix), pd.DataFrame(matrix)

    assert columns.unknown.tolist() == frame.isna().sum().tolist()
    assert columns.duplicates() == frame.duplicated().sum()
    known = columns.unknown < len(matrix)
    assert columns.least[known].tolist() == frame.min()[known].tolist()
    assert columns.most[known].tolist() == frame.max()[known].tolist()


def test_rows_of_flags_are_told_apart():
    """Ones and zeros differ in few of their bits."""
    matrix = np.random.default_rng(1).integers(0, 2, size=(3000, 24)).astype(float)

    assert Columns(matrix).duplicates() == pd.DataFrame(matrix).duplicated().sum() <= 3
