"""One pipeline: what it is given, what it keeps, and what happens when it fails."""

from random import Random

import pytest
from river.linear_model import LinearRegression

from operators.online import pipelines
from operators.online.learner import LESSONS, PATIENCE, TROUBLE, Learner
from operators.online.pipelines import MODELS
from schemas.learning import Online
from tests.operators.online.made import Ran, configured, learns, shard

NAMES = ("a", "b", "c")


def taught(lessons=60, **settings):
    learner, random = Learner(Online(enabled=True, **settings), dict.fromkeys(NAMES, "")), Random(3)
    for _ in range(lessons):
        row = {name: random.gauss(5, 2) for name in NAMES}
        learner.learn(learner.row(row), 1 if row["a"] > 5 else -1)
    return learner


@pytest.mark.parametrize("model", MODELS)
def test_it_says_nothing_before_it_had_some_lessons(model):
    assert taught(LESSONS - 1, model=model).probabilities({"a": 1.0}) is None
    assert sum(taught(LESSONS, model=model).probabilities({"a": 1.0})) == pytest.approx(1)


@pytest.mark.parametrize("model", ["logistic_regression", "softmax_regression", "passive_aggressive"])
def test_for_linear_models_an_unknown_feature_is_the_same_as_its_mean(model):
    """To the scaler the mean is zero; what is missing is not there at all."""
    learner = taught(model=model)
    means = next(iter(learner._pipeline().steps.values())).means

    unknown = learner.probabilities({"a": 7.0, "b": None})
    mean = learner.probabilities({"a": 7.0, "b": means["b"], "c": means["c"]})

    assert list(unknown) == pytest.approx(list(mean), rel=1e-9)


def test_it_looks_at_the_features_that_the_settings_name_and_at_no_others():
    learner = taught(features=("c", "a"))

    assert learner.row({"a": 1.0, "b": 2.0, "c": None}) == [None, 1.0]
    assert learner.probabilities({"a": 1.0, "c": 2.0}) == learner.probabilities({"a": 1.0, "b": 9.0, "c": 2.0})


@pytest.mark.parametrize("model", MODELS)
def test_predicting_changes_nothing(model):
    learner = taught(model=model)
    before = learner.snapshot()
    learner._frozen = None
    for number in range(5):
        learner.probabilities({"a": float(number), "b": None})
        learner._frozen = None

    assert learner.snapshot() == before


def test_two_of_the_same_seed_learn_the_same_and_two_of_different_seeds_do_not():
    forest = {"model": "hoeffding_adaptive_tree", "lessons": 200}
    first, same, other = (taught(**forest, seed=seed).snapshot() for seed in (1, 1, 2))

    assert first == same != other


def test_one_that_fails_too_often_in_a_row_begins_anew_and_says_so_twice():
    """Numbers that run away stay away: no lesson would bring them back."""
    learner, random = Learner(Online(enabled=True, learning_rate=10.0), dict.fromkeys(NAMES, "")), Random(1)
    for _ in range(LESSONS):
        learner.learn([random.choice([1e300, -1e300]) for _ in NAMES], random.choice([-1, 1]))
    told = []
    for _ in range(PATIENCE):
        with pytest.raises(TROUBLE):
            learner.probabilities(dict.fromkeys(NAMES, 1e300))
        told.append(learner.failed("predict"))

    assert told[0] == "cannot predict"
    assert set(told[1:-1]) == {""}
    assert "begins anew" in told[-1]
    assert learner.learned == 0
    assert learner.probabilities({"a": 1.0}) is None


def test_the_flow_tells_of_a_failing_pipeline_and_the_other_strategies_go_on(monkeypatch):
    """Here a model that learns, and has no probabilities to tell."""
    monkeypatch.setitem(pipelines.MODELS, "gaussian_nb", lambda settings: LinearRegression())
    strategies = configured(learns("a", model="gaussian_nb", every=1), learns("b", every=1))

    found = Ran(shard(5, 280, *strategies, faults=False))

    failed = [record for record in found.trouble if record.problem == "model.failed"]
    assert {record.detail["strategy"] for record in failed} == {"a"}
    assert [("begins anew" in record.detail["reason"]) for record in failed if record.symbol == "AAAUSDT"][:2] == [
        False, True,
    ]  # fmt: skip
    assert "predict_proba_one" in failed[0].detail["reason"]
    assert {said.strategy for said in found.predictions} == {"b"}
    assert len(found.predictions) > 100
