"""What a model must beat: the most frequent class, the last direction, a straight line."""

from typing import NamedTuple

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from learning.study.scores import CLASSES, likeliest


class Part(NamedTuple):
    """Rows of a split: ``values`` (rows, features), their classes, and the classes of the horizon before each."""

    values: np.ndarray
    label: np.ndarray
    last: np.ndarray


class Forecast(NamedTuple):
    """Classes (rows,), and probabilities (rows, 3) in the order of ``CLASSES``."""

    predicted: np.ndarray
    probabilities: np.ndarray


def majority(learnt: Part, judged: Part) -> Forecast:
    """Always the most frequent class of what was learnt from, with the probabilities that classes have there."""
    shares = np.array([np.mean(learnt.label == one) for one in CLASSES])
    probabilities = np.tile(shares, (len(judged.label), 1))
    return Forecast(likeliest(probabilities), probabilities)


def last_direction(learnt: Part, judged: Part) -> Forecast:
    """What the price did over the horizon that just ended, it does again.

    The probabilities are how often each class followed on that one, one of each counted beforehand.
    """
    follows = np.array(
        [
            [1 + np.count_nonzero((learnt.last == before) & (learnt.label == after)) for after in CLASSES]
            for before in CLASSES
        ],
        dtype=float,
    )
    follows /= follows.sum(axis=1, keepdims=True)
    last = np.where(np.isin(judged.last, CLASSES), judged.last, 0)
    return Forecast(last, follows[last + 1])


def logistic_regression(learnt: Part, judged: Part) -> Forecast:
    """Multinomial, L2 with C = 1, on standardised features; a value that is missing counts as the median."""
    model = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=1.0, max_iter=1000),
    )
    model.fit(learnt.values, learnt.label)
    probabilities = np.zeros((len(judged.label), len(CLASSES)))
    probabilities[:, [CLASSES.index(one) for one in model.classes_]] = model.predict_proba(judged.values)
    return Forecast(likeliest(probabilities), probabilities)


BASELINES = {"majority": majority, "last_direction": last_direction, "logistic_regression": logistic_regression}
