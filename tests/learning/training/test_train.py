"""Training: what the bytes depend on, the order of classes, weights, early stopping, being stopped."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import xgboost
from sklearn.utils.class_weight import compute_class_weight

from learning.training import (
    Cancelled,
    CannotTrain,
    Request,
    Rows,
    TookTooLong,
    Watch,
    distributions,
    evaluate,
    no_rows,
    settings_of,
    train,
)
from schemas.learning import Target
from tests.learning.training.rows_made import NAMES, QUICK, record, regression, request, rows, trained_once, training

FAMILIES = tuple(QUICK)
PROGRAM = """
import json
from tests.learning.training.test_train import hashes
print(json.dumps(hashes()))
"""


def hashes() -> dict[str, str]:
    """Of models of every family, for three classes, two, and a number."""
    found = {family: train(request(family)).sha256 for family in QUICK}
    found |= {f"two {family}": train(request(family, (-1, 1))).sha256 for family in ("random_forest", "xgboost")}
    return found | {f"number {family}": train(regression(family)).sha256 for family in ("random_forest", "xgboost")}


def test_the_same_rows_and_settings_give_the_same_bytes_in_every_process():
    """Here, and with the dictionaries and the memory of another process."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"PYTHONHASHSEED": "1", "MALLOC_PERTURB_": "85", "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
    )

    here = hashes()
    assert here == json.loads(run.stdout)
    assert len(set(here.values())) == len(here)


@pytest.mark.req("MS-US-2.2")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_is_made_again_from_its_record_and_rows(family: str):
    """Also when its hyper-parameters had been searched for, and it had been stopped early."""
    many = {
        "xgboost": {"n_estimators": 60, "learning_rate": 0.8},
        "sgd_classifier": {"max_iter": 60, "learning_rate": "constant", "eta0": 1.0},
    }.get(family, {})
    asked = request(family, search="random", trials=3, early_stopping=2, params=many)
    made = train(asked)
    target, settings = settings_of(record(made))

    again = train(Request(asked.train, asked.validation, made.model.features, target, settings))

    assert len(made.trials) == 3
    assert not many or made.rounds < 60
    assert again.content == made.content


def test_xgboost_used_directly_gives_the_same_predictions():
    """The oracle: its interface of scikit-learn, with the same weights of rare classes and early stopping."""
    rare = [split.only((split.targets < 1) | (split.features[:, 1] > 0.8)) for split in (rows(600), rows(200, 2))]
    settings = training(early_stopping=3, params={"n_estimators": 60, "learning_rate": 0.2})
    asked = Request(rare[0], rare[1], NAMES, Target(), settings)
    made = train(asked)
    labels = {-1: 0, 0: 1, 1: 2}
    weights = compute_class_weight("balanced", classes=np.array([-1, 0, 1]), y=asked.train.targets)
    direct = xgboost.XGBClassifier(
        n_estimators=60, max_depth=3, learning_rate=0.2, subsample=0.8, colsample_bytree=0.8, min_child_weight=3,
        gamma=0.1, reg_alpha=0.1, reg_lambda=1.0, random_state=42, n_jobs=1, tree_method="hist",
        early_stopping_rounds=3, eval_metric="mlogloss",
    )  # fmt: skip
    number = [[labels[int(target)] for target in split.targets] for split in (asked.train, asked.validation)]
    weight = [[weights[label] for label in split] for split in number]
    direct.fit(
        asked.train.features, number[0], sample_weight=weight[0], verbose=False,
        eval_set=[(asked.validation.features, number[1])], sample_weight_eval_set=[weight[1]],
    )  # fmt: skip

    unseen = rows(200, 5).features
    said = made.model.outputs(unseen)

    assert made.rounds == direct.best_iteration + 1 < 60
    assert np.array_equal(said, direct.predict_proba(unseen).astype(float))


@pytest.mark.req("TK-MS-40")
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("classes", [(-1, 0, 1), (-1, 1)])
def test_classes_keep_their_places(family: str, classes: tuple[int, ...]):
    """Down, flat and up stay what they are, whichever of them the rows have; one that was never seen has none."""
    made = trained_once(family, classes)
    certain = np.zeros((3, len(NAMES)))
    certain[:, 0] = [-3, 0, 3]

    said = distributions(made.model, certain)

    assert made.model.classes == classes
    assert said[0].argmax() == 0
    assert said[2].argmax() == 2
    assert np.allclose(said.sum(axis=1), 1)
    assert (said[:, 1] == 0).all() == (0 not in classes)


@pytest.mark.req("TK-MS-40")
def test_rows_without_one_of_two_sides_keep_their_places():
    """Flat and up alone."""
    asked = request()
    up = [split.only(split.targets >= 0) for split in (asked.train, asked.validation)]
    made = train(Request(up[0], up[1], NAMES, Target(), asked.training))

    said = distributions(made.model, np.array([[3.0, 0, 0, 0]]))

    assert made.model.classes == (0, 1)
    assert said[0, 0] == 0
    assert said[0].argmax() == 2


def test_validation_rows_of_a_class_that_was_never_trained_do_not_stop_a_training():
    two, three = rows(400, 1, (-1, 1)), rows(150, 2)
    settings = training(early_stopping=2, params={"n_estimators": 60, "learning_rate": 0.5})

    made = train(Request(two, three, NAMES, Target(), settings))
    without = train(Request(two, three.only(three.targets != 0), NAMES, Target(), settings))

    assert made.content == without.content
    assert made.rounds < 60
    assert "class 0 is in the validation split only: the model will never foretell it" in made.notes
    assert evaluate(made.model, three).figures["roc_auc"] is not None


@pytest.mark.req("TK-MS-41")
@pytest.mark.parametrize("family", ["xgboost", "sgd_classifier"])
def test_early_stopping_keeps_the_round_that_was_best_on_the_validation_split(family: str):
    many = {
        "xgboost": {"n_estimators": 200, "learning_rate": 0.5},
        "sgd_classifier": {"max_iter": 200, "learning_rate": "constant", "eta0": 1.0},
    }[family]
    stopped = train(request(family, params=many, early_stopping=5))
    whole = train(request(family, params=many, early_stopping=0))

    assert stopped.rounds < whole.rounds == 200
    assert np.isfinite(stopped.model.outputs(rows(10, 3).features)).all()


@pytest.mark.req("TK-MS-32")
def test_class_weights_bring_out_a_rare_class():
    chance = np.random.default_rng(7)
    features = chance.normal(size=(2000, len(NAMES)))
    targets = np.where(features[:, 0] + chance.normal(size=2000) > 2.2, 1, 0)
    split = Rows(features, targets)
    asked = {
        name: Request(split, no_rows(4), NAMES, Target(), training(class_weight=name)) for name in ("none", "balanced")
    }

    found = {name: train(each) for name, each in asked.items()}

    rare = int(np.count_nonzero(targets))
    assert found["balanced"].weights == {0: 1.0, 1: (2000 - rare) / rare}
    assert found["none"].weights == {0: 1.0, 1: 1.0}
    said = {name: int((distributions(each.model, features)[:, 2] > 0.5).sum()) for name, each in found.items()}
    assert said["balanced"] > 2 * said["none"]


@pytest.mark.req("TK-MS-39")
@pytest.mark.parametrize("family", FAMILIES)
def test_importance_points_at_the_feature_that_decides(family: str):
    found = trained_once(family).model.importance()

    assert tuple(found) == NAMES
    assert max(found, key=lambda name: found[name]) == "ofi"
    assert sum(found.values()) == pytest.approx(1)


@pytest.mark.parametrize("family", ["xgboost", "random_forest"])
def test_a_number_can_be_the_target(family: str):
    """Of any size: what holds trees back is measured in deviations of the targets."""
    asked = regression(family)

    made = train(asked)

    assert made.model.classes == ()
    assert evaluate(made.model, asked.validation).figures["r2_score"] > 0.3


@pytest.mark.parametrize("family", ["logistic_regression", "sgd_classifier"])
def test_classifiers_say_that_they_foretell_no_numbers(family: str):
    with pytest.raises(CannotTrain, match="choose xgboost or random_forest"):
        train(regression(family))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_training_ends_where_it_is_cancelled(family: str):
    asked = request(family)
    looks = iter([False, False])

    with pytest.raises(Cancelled):
        train(asked, Watch(cancelled=lambda: next(looks, True)))


@pytest.mark.req("MS-US-2.9")
def test_xgboost_is_stopped_between_two_rounds():
    rounds: list[float] = []
    asked = request(params={"n_estimators": 100})

    with pytest.raises(Cancelled, match="boosting, step 5 of 100"):
        train(asked, Watch(report=lambda told: rounds.append(told.share), cancelled=lambda: len(rounds) >= 5))

    assert rounds == [0.0, 0.01, 0.02, 0.03, 0.04]


def test_a_training_is_given_up_after_its_time():
    seconds = iter(range(10_000))
    asked = request(params={"n_estimators": 100}, max_seconds=20)

    with pytest.raises(TookTooLong, match=r"after 21 s while boosting .*max_seconds is 20"):
        train(asked, Watch(clock=lambda: float(next(seconds))))


def test_progress_tells_how_long_the_rest_will_take():
    """A second a report: the trainings of a search are parts of one whole."""
    told = []

    train(request(search="grid", trials=2), Watch(report=told.append, clock=lambda: float(len(told))))

    shares = [progress.share for progress in told]
    assert shares == sorted(shares)
    assert told[-1].phase.startswith("trial 2 of 2: ")
    middle = next(progress for progress in told if progress.share == 0.5)
    assert middle.seconds_left == told.index(middle) > 0


def test_a_logistic_regression_that_did_not_converge_says_so():
    assert any("max_iter" in note for note in train(request("logistic_regression", params={"max_iter": 1})).notes)
