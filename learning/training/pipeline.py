"""Pipelines of scikit-learn in memory: an imputer, for linear models a scaler, and the estimator."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from learning.training.fitted import shares
from learning.training.rows import Matrix
from schemas.learning import Family

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

FAMILIES: dict[str, Family] = {
    "RandomForestClassifier": "random_forest",
    "RandomForestRegressor": "random_forest",
    "LogisticRegression": "logistic_regression",
    "SGDClassifier": "sgd_classifier",
}
"""By the name of the estimator."""


class FittedPipeline:
    """A fitted pipeline and the names of its columns."""

    def __init__(self, pipeline: "Pipeline", features: tuple[str, ...]) -> None:
        self.pipeline = pipeline
        self.features = features
        self.estimator: Any = pipeline.steps[-1][1]
        self.family = FAMILIES[type(self.estimator).__name__]
        done = self.estimator.n_estimators if self.family == "random_forest" else np.max(self.estimator.n_iter_)
        self.rounds = int(done)
        found = getattr(self.estimator, "classes_", ())
        self.classes = tuple(int(name) for name in found)

    def outputs(self, rows: Matrix) -> npt.NDArray[np.float64]:
        """Probabilities of shape (rows, classes), or numbers of shape (rows,); NaN is imputed."""
        if self.family == "random_forest":
            return self._forest(rows)
        return np.asarray(self.pipeline.predict_proba(rows), dtype=np.float64)

    def _forest(self, rows: Matrix) -> npt.NDArray[np.float64]:
        """The mean over the trees, as the forest itself sums it; asking it costs ten times as much for one row."""
        imputed = np.ascontiguousarray(self.pipeline[:-1].transform(rows), dtype=np.float32)
        trees = self.estimator.estimators_
        total = np.zeros((len(rows), len(self.classes) or 1))
        for tree in trees:
            total += tree.tree_.predict(imputed)
        total /= len(trees)
        return total if self.classes else total[:, 0]

    def importance(self) -> dict[str, float]:
        """Shares of the decrease in impurity (trees), or of the mean size of the coefficients (linear models)."""
        if hasattr(self.estimator, "feature_importances_"):
            found = self.estimator.feature_importances_
        else:
            found = np.abs(np.atleast_2d(self.estimator.coef_)).mean(axis=0)
        return shares({name: float(weight) for name, weight in zip(self.features, found, strict=True)})

    def content(self) -> bytes:
        """Feature names are within."""
        from learning.training.skops_file import write_pipeline

        return write_pipeline(self.pipeline, self.features)
