"""Baselines and figures against scikit-learn, XGBoost and River used directly, and against counting by hand."""

from statistics import mean, stdev

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy.stats import ttest_rel
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, roc_auc_score

from learning.study.baselines import Part, last_direction, logistic_regression, majority
from learning.study.boosting import boosted
from learning.study.compare import holm, interval, paired
from learning.study.online import progressive
from learning.study.rows import Rows
from learning.study.scores import CLASSES, scores
from learning.study.settings import TREES, Question
from learning.study.target import UNKNOWN
from operators.online.learner import LESSONS
from operators.online.pipelines import pipeline
from schemas.learning import Online

SECOND = 1_000_000


def drawn(seed, count, informed=0.0):
    """Rows of three features, of which the first tells the class as far as ``informed`` goes."""
    random = np.random.default_rng(seed)
    label = random.integers(-1, 2, count)
    values = random.normal(size=(count, 3))
    values[:, 0] += informed * label
    values[random.random(count) < 0.1, 1] = np.nan
    return Part(values, label.astype(np.int8), random.integers(-1, 2, count).astype(np.int8))


@pytest.fixture(scope="module")
def parts():
    return drawn(1, 600, 1.0), drawn(2, 200, 1.0), drawn(3, 300, 1.0)


@given(st.integers(0, 1000))
def test_the_majority_is_that_of_scikit_learn(seed):
    learnt, judged = drawn(seed, 101), drawn(seed + 1, 20)
    found = majority(learnt, judged)
    oracle = DummyClassifier(strategy="prior").fit(learnt.values, learnt.label)

    assert found.predicted.tolist() == oracle.predict(judged.values).tolist()
    assert found.probabilities == pytest.approx(oracle.predict_proba(judged.values))


@given(st.integers(0, 1000))
def test_the_last_direction_is_repeated_with_what_followed_on_it(seed):
    learnt, judged = drawn(seed, 50), drawn(seed + 1, 20)
    found = last_direction(learnt, judged)

    assert found.predicted.tolist() == judged.last.tolist()
    for last, told in zip(judged.last, found.probabilities, strict=True):
        after = [label for before, label in zip(learnt.last, learnt.label, strict=True) if before == last]
        assert told == pytest.approx([(after.count(one) + 1) / (len(after) + 3) for one in CLASSES])


def test_without_a_last_direction_it_says_flat():
    learnt = drawn(1, 50)
    judged = Part(np.zeros((1, 3)), np.array([1]), np.array([UNKNOWN]))

    assert last_direction(learnt, judged).predicted.tolist() == [0]


def test_the_straight_line_is_that_of_scikit_learn(parts):
    learnt, _, judged = parts
    found = logistic_regression(learnt, judged)

    medians = np.nanmedian(learnt.values, axis=0)
    x, z = (np.where(np.isnan(part.values), medians, part.values) for part in (learnt, judged))
    middle, spread = x.mean(axis=0), x.std(axis=0)
    oracle = LogisticRegression(max_iter=1000).fit((x - middle) / spread, learnt.label)
    assert found.probabilities == pytest.approx(oracle.predict_proba((z - middle) / spread))
    assert accuracy_score(judged.label, found.predicted) > 0.5


def test_a_class_that_was_never_seen_has_no_probability(parts):
    learnt, _, judged = parts
    two = learnt.label != 0
    found = logistic_regression(Part(*(column[two] for column in learnt)), judged)

    assert set(found.probabilities[:, 1]) == {0.0}
    assert 0 not in found.predicted


def test_trees_are_those_of_xgboost_and_come_out_the_same_twice(parts):
    chosen = replace(TREES, params=TREES.params | {"n_estimators": 60}, early_stopping=5)
    found, rounds = boosted(*parts, ("a", "b", "c"), Question(60, 0.001), chosen)
    again, _ = boosted(*parts, ("a", "b", "c"), Question(60, 0.001), chosen)

    train, validation, judged = parts
    oracle = xgboost.XGBClassifier(
        n_estimators=60, early_stopping_rounds=5, max_depth=4, learning_rate=0.05, subsample=0.8, colsample_bytree=0.8,
        min_child_weight=50, reg_lambda=1.0, tree_method="hist", random_state=42, n_jobs=1, eval_metric="mlogloss",
    )  # fmt: skip
    oracle.fit(train.values, train.label + 1, eval_set=[(validation.values, validation.label + 1)], verbose=False)
    assert rounds == oracle.best_iteration + 1
    assert found.probabilities == pytest.approx(oracle.predict_proba(judged.values))
    assert found.probabilities.tobytes() == again.probabilities.tobytes()


def test_river_learns_a_label_only_when_its_horizon_has_passed():
    """Against the same pipeline, fed by hand."""
    part = drawn(4, 300, 2.0)
    label = np.where(np.arange(300) % 17 == 0, UNKNOWN, part.label)
    rows = Rows(np.arange(300, dtype=np.int64) * 60 * SECOND, np.arange(300), ("a", "b", "c"), part.values)
    found = progressive(rows, label, 300, Online(enabled=True))

    model = pipeline(Online(enabled=True))
    learned = 0
    for place in range(300):
        if place >= 5 and label[place - 5] != UNKNOWN:
            model.learn_one(features(rows, place - 5), int(label[place - 5]))
            learned += 1
        expected = (
            model.predict_proba_one(features(rows, place)) if learned >= LESSONS else dict.fromkeys(CLASSES, 1 / 3)
        )
        assert found.probabilities[place] == pytest.approx([expected.get(one, 0.0) for one in CLASSES])
    assert accuracy_score(label[200:], found.predicted[200:]) > 0.5


def features(rows, place):
    return {name: value for name, value in zip(rows.names, rows.values[place].tolist(), strict=True) if value == value}


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(-1, 0, 1), (-1, 1), (0, 1), (0,)]))
def test_figures_are_those_of_scikit_learn(seed, occurring):
    random = np.random.default_rng(seed)
    actual = random.choice(occurring, 40)
    probabilities = random.dirichlet((1, 1, 1), 40)
    predicted, change = random.integers(-1, 2, 40), random.normal(size=40) / 100

    found = scores(actual, change, predicted, probabilities)

    assert found["accuracy"] == accuracy_score(actual, predicted)
    recalls = [np.mean(predicted[actual == one] == one) for one in set(actual)]
    assert found["balanced_accuracy"] == pytest.approx(mean(recalls))
    if set(predicted) <= set(actual):
        assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(actual, predicted))
    assert found["log_loss"] == pytest.approx(log_loss(actual, probabilities, labels=[-1, 0, 1]), rel=1e-4)
    if len(set(actual)) == 3:
        oracle = roc_auc_score(actual, probabilities, multi_class="ovr", average="weighted", labels=[-1, 0, 1])
        assert found["roc_auc"] == pytest.approx(oracle)
    assert (found["roc_auc"] is None) == (len(set(actual)) == 1)
    assert (found["direction_auc"] is None) == (not {-1, 1} <= set(actual))
    sided = [one * way for one, way in zip(change, predicted, strict=True) if way]
    assert found["edge_bps"] == (pytest.approx(mean(sided) * 10_000) if sided else None)
    assert found["calls"] == len(sided) / 40


def test_the_direction_alone_counts_pairs_of_up_and_down(seed=5):
    random = np.random.default_rng(seed)
    actual, probabilities = random.integers(-1, 2, 30), random.dirichlet((1, 1, 1), 30)
    found = scores(actual, np.zeros(30), actual, probabilities)

    odds = probabilities[:, 2] / (probabilities[:, 0] + probabilities[:, 2])
    pairs = [(up > down) + (up == down) / 2 for up in odds[actual == 1] for down in odds[actual == -1]]
    assert found["direction_auc"] == pytest.approx(mean(pairs))


figures = st.lists(st.floats(0, 1), min_size=3, max_size=12)


@given(figures)
def test_without_overlap_the_interval_is_that_of_a_textbook(values):
    found = interval(values, 0.0, 0.95)

    assert found["mean"] == pytest.approx(mean(values))
    assert found["std"] == pytest.approx(stdev(values))
    assert found["high"] - found["mean"] == pytest.approx(found["mean"] - found["low"], abs=1e-12)


@given(figures, st.integers(0, 1000))
def test_without_overlap_the_test_is_the_paired_t_test(values, seed):
    others = np.random.default_rng(seed).random(len(values)).tolist()
    found = paired(values, others, 0.0, 0.95)

    oracle = ttest_rel(values, others)
    low, high = oracle.confidence_interval(0.95)
    assert found["p"] == pytest.approx(oracle.pvalue)
    assert (found["low"], found["high"]) == (pytest.approx(low), pytest.approx(high))


def test_overlap_makes_a_difference_less_sure():
    values, others = [0.5, 0.52, 0.55, 0.51], [0.49, 0.5, 0.5, 0.5]

    assert paired(values, others, 0.2, 0.95)["p"] > paired(values, others, 0.0, 0.95)["p"]
    assert paired([0.5, 0.6], [0.4, 0.5], 0.1, 0.95)["mean"] == pytest.approx(0.1)
    assert interval([None, None], 0.1, 0.95)["mean"] is None
    assert interval([0.4, None], 0.1, 0.95) == {"mean": 0.4, "std": None, "low": None, "high": None}


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=8))
def test_holm_raises_each_by_how_many_are_left(values):
    found = holm(values)

    known = sorted(value for value in values if value is not None)
    for value, raised in zip(values, found, strict=True):
        if value is None:
            assert raised is None
        else:
            steps = [min(1.0, p * (len(known) - rank)) for rank, p in enumerate(known) if p <= value]
            assert raised == pytest.approx(max(steps[: known.index(value) + known.count(value)]))
