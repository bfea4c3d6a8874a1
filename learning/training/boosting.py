"""Training with XGBoost: on one thread, so that the same rows give the same bytes."""

from typing import TYPE_CHECKING, Any

import numpy as np

from learning.training.boosted import BoostedTrees
from learning.training.classes import class_weights, counts_of, known, positions, row_weights
from learning.training.params import Params
from learning.training.request import Request
from learning.training.rows import Rows
from learning.training.watch import Watch

if TYPE_CHECKING:
    from xgboost import QuantileDMatrix
    from xgboost.callback import TrainingCallback

NATIVE = {"learning_rate": "eta", "reg_alpha": "alpha", "reg_lambda": "lambda"}
"""XGBoost's own names, where they differ from scikit-learn's."""
POWERS = {"gamma": 2, "reg_alpha": 1, "max_delta_step": 1}
"""How a setting grows with the deviation of the targets, so that it means the same for targets of any size."""


class Boosting:
    """The rows of a request as XGBoost holds them (a byte a value), for as many trainings as are wanted of them."""

    def __init__(self, request: Request, max_bin: int) -> None:
        counts = counts_of(request.train.targets) if request.classifies else {}
        self.request = request
        self.classes = tuple(counts)
        self.weights = class_weights(request.training.class_weight, counts)
        self.deviation = 1.0 if request.classifies else float(np.std(request.train.targets))
        self.train = self._matrix(request.train, max_bin)
        self.validation: QuantileDMatrix | None = None
        validation = known(request.validation, self.classes) if self.classes else request.validation
        if validation.count and request.training.early_stopping:
            self.validation = self._matrix(validation, max_bin, self.train)

    def _matrix(self, rows: Rows, max_bin: int, like: "QuantileDMatrix | None" = None) -> "QuantileDMatrix":
        from xgboost import QuantileDMatrix

        return QuantileDMatrix(
            rows.features,
            label=positions(rows.targets, self.classes) if self.classes else rows.targets,
            weight=row_weights(rows.targets, self.weights) if self.classes else None,
            feature_names=list(self.request.features),
            max_bin=max_bin,
            ref=like,
            nthread=1,
        )

    def fit(self, params: Params, watch: Watch) -> BoostedTrees:
        """One training; with a validation split it stops when that has not become better for a while.

        The loss that stops it is weighted as the one that is learnt from; rows of a class that the train split does
        not have are left out of it.
        """
        import xgboost

        rounds = int(params["n_estimators"])
        settings = _settings(params, self.classes, self.request.training.seed) | self._in_units_of_targets(params)
        callbacks: list[TrainingCallback] = [_watching(watch, rounds)]
        watched = []
        if self.validation is not None:
            callbacks.append(xgboost.callback.EarlyStopping(rounds=self.request.training.early_stopping))
            watched = [(self.validation, "validation")]
        booster = xgboost.train(
            settings, self.train, num_boost_round=rounds, evals=watched, verbose_eval=False, callbacks=callbacks
        )
        if self.validation is not None:
            booster = booster[: booster.best_iteration + 1]
        return BoostedTrees(booster, self.request.features, self.classes)

    def _in_units_of_targets(self, params: Params) -> Params:
        """What is a loss or a gradient grows with the targets: returns of 0.001 would never pay for a split."""
        return {
            NATIVE.get(name, name): float(params[name]) * self.deviation**power
            for name, power in POWERS.items()
            if name in params
        }


def _settings(params: Params, classes: tuple[int, ...], seed: int) -> dict[str, Any]:
    """Everything as XGBoost names it."""
    settings: dict[str, Any] = {NATIVE.get(name, name): params[name] for name in params if name != "n_estimators"}
    if len(classes) > 2:
        settings |= {"objective": "multi:softprob", "eval_metric": "mlogloss", "num_class": len(classes)}
    elif classes:
        settings |= {"objective": "binary:logistic", "eval_metric": "logloss"}
    else:
        settings |= {"objective": "reg:squarederror", "eval_metric": "rmse"}
    return settings | {"tree_method": "hist", "device": "cpu", "nthread": 1, "seed": seed, "verbosity": 0}


def _watching(watch: Watch, rounds: int) -> "TrainingCallback":
    from xgboost.callback import TrainingCallback

    class Watching(TrainingCallback):
        """Reports after each round; what the watch raises ends the training."""

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            watch.step("boosting", epoch + 1, rounds)
            return False

    return Watching()
