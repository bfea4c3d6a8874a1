"""Figures of models, against scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from learning.training import Evaluation, decisive, evaluate, no_rows, train
from learning.training.evaluation import calibration, judge, judge_numbers
from learning.training.fitted import likeliest
from operators.online.distribution import distribution
from operators.online.metrics import Window
from tests.learning.training.rows_made import regression, rows, trained_once

CLASSES = [-1, 0, 1]


@st.composite
def judged(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Classes, and probabilities with many ties and zeros."""
    count = draw(st.integers(1, 25))
    labels = draw(st.lists(st.sampled_from(CLASSES), min_size=count, max_size=count))
    weight = st.sampled_from([0.0, 1.0, 1.0, 2.0, 3.5])
    weights = draw(
        st.lists(st.tuples(weight, weight, weight).filter(lambda row: sum(row) > 0), min_size=count, max_size=count)
    )
    said = np.array(weights)
    return np.array(labels), said / said.sum(axis=1, keepdims=True)


@settings(max_examples=60, deadline=None)
@given(judged())
def test_figures_equal_scikit_learn(found: tuple[np.ndarray, np.ndarray]):
    labels, said = found
    foretold = likeliest(said)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        labels, foretold, labels=CLASSES, average="weighted", zero_division=0.0
    )

    evaluation = judge(labels, said)

    figures = evaluation.figures
    assert figures["accuracy"] == pytest.approx(metrics.accuracy_score(labels, foretold))
    assert [figures[name] for name in ("precision", "recall", "f1_score")] == pytest.approx([precision, recall, f1])
    assert figures["log_loss"] == pytest.approx(metrics.log_loss(labels, said, labels=CLASSES))
    assert figures["brier"] == pytest.approx(
        metrics.brier_score_loss(labels, said, labels=CLASSES, scale_by_half=False)
    )
    assert np.array_equal(evaluation.confusion, metrics.confusion_matrix(labels, foretold, labels=CLASSES))
    assert figures["majority"] == max(np.mean(labels == name) for name in CLASSES)


@settings(max_examples=60, deadline=None)
@given(judged())
def test_roc_auc_equals_scikit_learn_class_by_class(found: tuple[np.ndarray, np.ndarray]):
    """It refuses a class without rows, so that each class is asked about for itself."""
    labels, said = found
    present = [name for name in CLASSES if (labels == name).any()]
    areas = [metrics.roc_auc_score(labels == name, said[:, name + 1]) for name in present] if present[1:] else []
    weighted = sum(area * np.mean(labels == name) for name, area in zip(present, areas, strict=False))

    assert judge(labels, said).figures["roc_auc"] == (pytest.approx(weighted) if areas else None)


def test_roc_auc_of_three_classes_is_scikit_learn_s_weighted_one():
    labels, said = rows(200).targets, np.random.default_rng(2).dirichlet([1, 1, 1], size=200)

    expected = metrics.roc_auc_score(labels, said, multi_class="ovr", average="weighted")
    assert judge(labels, said).figures["roc_auc"] == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(judged())
def test_figures_equal_those_of_the_engine(found: tuple[np.ndarray, np.ndarray]):
    """What the scores on the log say of the same outcomes; ROC-AUC, calibration and ties above all."""
    labels, said = found
    window = Window(size=100)
    for label, row in zip(labels, said, strict=True):
        window.add(int(label), distribution({name: row[name + 1] for name in CLASSES}))
    live = window.figures()._asdict()

    figures = judge(labels, said).figures

    assert figures["roc_auc"] == (None if live["roc_auc"] is None else pytest.approx(live["roc_auc"]))
    for name in ("accuracy", "log_loss", "brier", "majority", "calibration"):
        assert figures[name] == pytest.approx(live[name]), name


def test_calibration_is_the_distance_of_hits_from_confidence():
    """Two of four hits at 0.75; one of one at 0.95: (4 * 0.25 + 1 * 0.05) / 5."""
    hits = np.array([True, True, False, False, True])

    assert calibration(hits, np.array([0.75, 0.75, 0.75, 0.75, 0.95])) == pytest.approx(0.21)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=2, max_size=20))
def test_figures_of_numbers_equal_scikit_learn(pairs: list[tuple[float, float]]):
    truths, foretold = map(np.array, zip(*pairs, strict=True))

    figures = judge_numbers(truths, foretold).figures

    assert figures["mse"] == pytest.approx(metrics.mean_squared_error(truths, foretold))
    assert figures["mae"] == pytest.approx(metrics.mean_absolute_error(truths, foretold))
    assert figures["rmse"] == pytest.approx(metrics.root_mean_squared_error(truths, foretold))
    if np.ptp(truths) > 1e-6:
        assert figures["r2_score"] == pytest.approx(metrics.r2_score(truths, foretold))


def test_r2_of_truths_that_do_not_vary_is_none():
    assert judge_numbers(np.ones(3), np.zeros(3)).figures["r2_score"] is None


@pytest.mark.req("MS-US-2.3", "MS-US-4.1")
def test_a_model_has_all_figures_over_a_split():
    found = evaluate(trained_once("xgboost").model, rows(200, 9)).metrics()

    assert found["rows"] == 200
    assert found["accuracy"] > 0.7 > found["majority"]
    assert np.sum(found["confusion"]) == 200


def test_a_model_of_numbers_is_judged_by_its_errors():
    asked = regression()

    assert set(evaluate(train(asked).model, asked.validation).figures) == {"mse", "mae", "rmse", "r2_score"}


@pytest.mark.parametrize("family", ["xgboost", "random_forest"])
def test_an_empty_split_is_no_crash(family: str):
    found = evaluate(trained_once(family).model, no_rows(4))

    assert found == Evaluation(0, reason="empty_split")
    assert found.metrics() == {"rows": 0, "reason": "empty_split"}


@pytest.mark.req("TK-MS-30")
def test_without_a_test_split_the_validation_split_decides_and_says_why():
    validation, test = Evaluation(50, {"accuracy": 0.7}), Evaluation(9, {"accuracy": 0.8})
    empty = Evaluation(0, reason="empty_split")

    assert decisive({"validation": validation, "test": test}) == ("test", test, "")
    assert decisive({"validation": validation, "test": empty}) == ("validation", validation, "empty_split")
    assert decisive({"validation": validation}) == ("validation", validation, "no_test_split")
    assert decisive({"validation": validation}, "file_not_found")[2] == "file_not_found"
    with pytest.raises(ValueError, match="neither the test nor the validation split has rows"):
        decisive({"validation": empty, "test": empty})
