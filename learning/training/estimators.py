"""Training with scikit-learn: on one thread, in steps between which it can be stopped."""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from learning.training.classes import class_weights, counts_of, known, positions, row_weights
from learning.training.params import Params
from learning.training.pipeline import FittedPipeline
from learning.training.problems import CannotTrain
from learning.training.request import Request
from learning.training.rows import Matrix, Rows
from learning.training.watch import Watch

TREES = 10
"""Grown between two looks at the watch."""
SMALLEST = float(np.finfo(np.float64).eps)


class Estimating:
    """The rows of a request, imputed with the medians of the train split, and scaled for linear models."""

    def __init__(self, request: Request) -> None:
        from sklearn.impute import SimpleImputer
        from sklearn.preprocessing import StandardScaler

        family = request.training.family
        if not request.classifies and family != "random_forest":
            raise CannotTrain(
                f"learning.training.family {family} foretells classes, and the target is a number"
                f" ({request.target.kind}): choose xgboost or random_forest"
            )
        counts = counts_of(request.train.targets) if request.classifies else {}
        self.request = request
        self.classes = tuple(counts)
        self.weights = class_weights(request.training.class_weight, counts)
        self.steps: list[tuple[str, Any]] = [("impute", SimpleImputer(strategy="median", keep_empty_features=True))]
        if family != "random_forest":
            self.steps.append(("scale", StandardScaler()))
        self.rows = self._prepared(request.train, fit=True)
        self.row_weights = row_weights(request.train.targets, self.weights) if self.classes else None
        self.validation = known(request.validation, self.classes) if self.classes else request.validation

    def _prepared(self, rows: Rows, fit: bool = False) -> Matrix:
        found = rows.features
        for _, step in self.steps:
            found = step.fit_transform(found) if fit else step.transform(found)
        return found

    def fit(self, params: Params, watch: Watch) -> FittedPipeline:
        """One training. Only the classifier by stochastic gradient descent stops early by the validation split."""
        from sklearn.pipeline import Pipeline
        from threadpoolctl import threadpool_limits

        fitting = {
            "random_forest": self._forest,
            "logistic_regression": self._logistic,
            "sgd_classifier": self._descent,
        }
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="lbfgs failed to converge")
            estimator = fitting[self.request.training.family](params, watch)
        return FittedPipeline(Pipeline([*self.steps, ("model", estimator)]), self.request.features)

    def _forest(self, params: Params, watch: Watch) -> Any:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        kind = RandomForestClassifier if self.classes else RandomForestRegressor
        wanted = int(params["n_estimators"])
        forest = kind(**params, random_state=self.request.training.seed, warm_start=True, n_jobs=1)
        for grown in range(TREES, wanted + TREES, TREES):
            forest.set_params(n_estimators=min(grown, wanted))
            forest.fit(self.rows, self.request.train.targets, sample_weight=self.row_weights)
            watch.step("growing trees", min(grown, wanted), wanted)
        return forest.set_params(warm_start=False)

    def _logistic(self, params: Params, watch: Watch) -> Any:
        from sklearn.linear_model import LogisticRegression

        watch.step("fitting", 0, 1)
        model = LogisticRegression(**params)
        model.fit(self.rows, self.request.train.targets, sample_weight=self.row_weights)
        watch.step("fitting", 1, 1)
        return model

    def _descent(self, params: Params, watch: Watch) -> Any:
        """Epoch by epoch; the best by the weighted validation loss is kept."""
        from sklearn.linear_model import SGDClassifier

        epochs, patience = int(params["max_iter"]), self.request.training.early_stopping
        model = SGDClassifier(loss="log_loss", random_state=self.request.training.seed, **params)
        validation = self._prepared(self.validation) if self.validation.count and patience else None
        best, since = np.inf, 0
        kept: tuple[Any, ...] = ()
        for epoch in range(epochs):
            model.partial_fit(
                self.rows, self.request.train.targets, classes=np.array(self.classes), sample_weight=self.row_weights
            )
            watch.step("descending", epoch + 1, epochs)
            if validation is None:
                continue
            loss = self._loss(model.predict_proba(validation))
            if loss < best:
                best, kept, since = loss, (model.coef_.copy(), model.intercept_.copy(), epoch + 1), 0
            elif (since := since + 1) >= patience:
                break
        model.n_iter_ = epochs
        if kept:
            model.coef_, model.intercept_, model.n_iter_ = kept
        return model

    def _loss(self, said: npt.NDArray[np.float64]) -> float:
        weights = row_weights(self.validation.targets, self.weights)
        right = said[np.arange(len(said)), positions(self.validation.targets, self.classes)]
        return float(np.average(-np.log(np.clip(right, SMALLEST, 1.0)), weights=weights))
