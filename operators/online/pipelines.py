"""River pipelines by the names that the settings use.

River takes seconds to import, so it is imported with the first pipeline that is made.
"""

from collections.abc import Callable
from typing import Any

from schemas.learning import Online, OnlineModel

DEPTH = 8
"""Of trees: what they remember is bounded by it."""
NEVER = 2**62
"""Trees would now and then estimate the memory they take, which depends on the machine."""


def pipeline(settings: Online) -> Any:
    """A scaler and a model that has learnt nothing: ``predict_proba_one(features)``, ``learn_one(features, label)``.

    The classes are -1, 0 and 1. Models that tell two classes apart do so for each class against the others, and the
    probabilities are divided by their sum. A feature that is not given does not count: for linear models that is the
    same as giving its mean, which the scaler makes 0.
    """
    from river.preprocessing import StandardScaler

    return StandardScaler() | MODELS[settings.model](settings)


def _logistic_regression(settings: Online) -> Any:
    from river.linear_model import LogisticRegression
    from river.multiclass import OneVsRestClassifier
    from river.optim import SGD

    return OneVsRestClassifier(LogisticRegression(SGD(settings.learning_rate), intercept_lr=settings.learning_rate))


def _softmax_regression(settings: Online) -> Any:
    from river.linear_model import SoftmaxRegression
    from river.optim import SGD

    return SoftmaxRegression(SGD(settings.learning_rate))


def _passive_aggressive(settings: Online) -> Any:
    """PA-I; ``learning_rate`` is C, the most that one outcome may move it (Crammer et al. 2006)."""
    from river.linear_model import PAClassifier
    from river.multiclass import OneVsRestClassifier

    return OneVsRestClassifier(PAClassifier(C=settings.learning_rate, mode=1))


def _gaussian_nb(settings: Online) -> Any:
    from river.naive_bayes import GaussianNB

    return GaussianNB()


def _hoeffding_tree(settings: Online) -> Any:
    from river.tree import HoeffdingTreeClassifier

    return HoeffdingTreeClassifier(max_depth=DEPTH, memory_estimate_period=NEVER)


def _hoeffding_adaptive_tree(settings: Online) -> Any:
    from river.tree import HoeffdingAdaptiveTreeClassifier

    return HoeffdingAdaptiveTreeClassifier(max_depth=DEPTH, memory_estimate_period=NEVER, seed=settings.seed)


MODELS: dict[OnlineModel, Callable[[Online], Any]] = {
    "logistic_regression": _logistic_regression,
    "softmax_regression": _softmax_regression,
    "passive_aggressive": _passive_aggressive,
    "gaussian_nb": _gaussian_nb,
    "hoeffding_tree": _hoeffding_tree,
    "hoeffding_adaptive_tree": _hoeffding_adaptive_tree,
}
