"""The sliding figures are scikit-learn's, over exactly the last outcomes."""

from collections import Counter

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

from operators.online.distribution import CLASSES, Distribution, distribution
from operators.online.metrics import Window

weights = st.tuples(*[st.floats(0.001, 1) | st.sampled_from([0.25, 0.5])] * 3)
judged = st.lists(st.tuples(st.sampled_from(CLASSES), weights), min_size=1, max_size=60)


def said(weights):
    return distribution(dict(zip(CLASSES, weights, strict=True)))


@given(judged, st.integers(1, 40))
def test_figures_are_those_of_sklearn_over_the_last_outcomes(outcomes, size):
    """Also when the window is stored and loaded before each outcome."""
    window = Window(size)
    for label, weighed in outcomes:
        window = reloaded(window, size)
        window.add(label, said(weighed))
    last = outcomes[-size:]
    labels = np.array([label for label, _ in last])
    probabilities = np.array([said(weighed) for _, weighed in last])
    predicted = [said(weighed).label for _, weighed in last]

    figures = window.figures()

    assert figures.samples == len(last)
    assert figures.accuracy == pytest.approx(accuracy_score(labels, predicted), abs=1e-12)
    assert figures.majority == max(Counter(labels.tolist()).values()) / len(last)
    assert figures.log_loss == pytest.approx(log_loss(labels, probabilities, labels=list(CLASSES)), rel=1e-9)
    assert figures.brier == pytest.approx(
        brier_score_loss(labels, probabilities, labels=list(CLASSES), scale_by_half=False), rel=1e-9
    )
    assert figures.calibration == pytest.approx(binned(labels, probabilities, predicted), abs=1e-12)
    assert figures.roc_auc == (None if len(set(labels)) == 1 else pytest.approx(weighted_auc(labels, probabilities)))


def reloaded(window, size):
    other = Window(size)
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(window.snapshot())))
    return other


def binned(labels, probabilities, predicted):
    """The expected calibration error as numpy's histogram bins it."""
    confidence = probabilities.max(axis=1)
    places = [next(k for k in range(10) if value <= (k + 1) / 10 or k == 9) for value in confidence]
    hits = labels == np.array(predicted)
    total = 0.0
    for place in set(places):
        chosen = np.array(places) == place
        total += chosen.sum() * abs(hits[chosen].mean() - confidence[chosen].mean())
    return total / len(labels)


def weighted_auc(labels, probabilities):
    """One class against the others, weighted by frequency, of the classes that occur."""
    areas = {
        label: roc_auc_score(labels == label, probabilities[:, place])
        for place, label in enumerate(CLASSES)
        if label in labels
    }
    return sum(areas[label] for label in labels) / len(labels)


def test_three_classes_that_all_occur_are_sklearn_s_own_multiclass_auc():
    random = np.random.default_rng(1)
    probabilities = random.dirichlet([1, 1, 1], 300)
    labels = random.choice(CLASSES, 300)
    window = Window(300)
    for label, row in zip(labels.tolist(), probabilities.tolist(), strict=True):
        window.add(label, Distribution(*row))

    wanted = roc_auc_score(labels, probabilities, multi_class="ovr", average="weighted", labels=list(CLASSES))

    assert window.figures().roc_auc == pytest.approx(wanted)


def test_certainty_that_was_wrong_costs_much_and_not_infinitely_much():
    window = Window(10)
    window.add(1, Distribution(1.0, 0.0, 0.0))

    assert 36 < window.figures().log_loss < 37
    assert window.figures().brier == 2.0
    assert window.figures().calibration == 1.0


@pytest.mark.parametrize(
    ("weights", "label"),
    [((1, 1, 1), 0), ((2, 1, 2), -1), ((1, 2, 2), 0), ((1, 1, 2), 1), ((2, 2, 1), 0), ((3, 2, 1), -1)],
)
def test_of_equal_probabilities_the_flatter_class_counts(weights, label):
    assert said(weights).label == label


@pytest.mark.parametrize("wrong", [{}, {1: 0.0}, {1: float("nan")}, {1: float("inf")}, {1: -0.1, 0: 1.1}, {2: 1.0}])
def test_what_is_no_probability_is_refused(wrong):
    with pytest.raises(ValueError, match="probabilities of down, flat and up"):
        distribution(wrong)
