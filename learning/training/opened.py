"""A model file, opened to predict one vector at a time."""

from collections.abc import Mapping
from math import nan

import numpy as np

from learning.training.fitted import CLASSES, Fitted, distributions
from operators.online.models import Unusable
from schemas.model import ModelRecord

NAMES = tuple(str(name) for name in CLASSES)


class OpenedModel:
    """What the engine asks (``operators.online.models.BatchModel``): the model of a record, for single vectors."""

    def __init__(self, record: ModelRecord, fitted: Fitted) -> None:
        self.record = record
        self.fitted = fitted
        self.version = record.version
        self.features = record.features
        self.feature_registry_version = record.feature_registry_version
        self.meanings: Mapping[str, str] = record.meanings
        self.target = record.target

    def probabilities(self, features: Mapping[str, float | None]) -> dict[str, float]:
        """By class, ``"-1"``, ``"0"``, ``"1"``, summing to 1; 0.0 for a class that it was never trained on.

        Raises:
            Unusable: where the vector lacks a feature, naming it.
        """
        said = distributions(self.fitted, self._row(features))[0]
        return dict(zip(NAMES, said.tolist(), strict=True))

    def _row(self, features: Mapping[str, float | None]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        try:
            values = [features[name] for name in self.features]
        except KeyError:
            missing = [name for name in self.features if name not in features]
            raise Unusable(
                f"model {self.version} looks at {', '.join(missing)}, which the vector does not have: it was trained"
                f" with registry version {self.feature_registry_version}; activate that one, or train again"
            ) from None
        return np.array([[nan if value is None else value for value in values]])
