"""Features that are only computed when a row begins."""

from operators.features.featureset import FeatureSet
from operators.features.view import View
from operators.spans import SECOND


class Rhythm(FeatureSet):
    """``features`` every ``every`` seconds from ``first`` until ``end``; between them a vector has none.

    What a feature is does not depend on when it was asked for before, so the rows are the same, and a row a minute
    costs a sixtieth.
    """

    def __init__(self, features: FeatureSet, every: int, first: int, end: int) -> None:
        self.features = features
        self.version = features.version
        self.names = features.names
        self.lookback_us = features.lookback_us
        self.sources = features.sources
        self.every = every * SECOND
        self.first = first
        self.end = end

    def compute(self, view: View) -> dict[str, float | None]:
        """As the features do, where a row may begin."""
        if view.t % self.every == 0 and self.first <= view.t < self.end:
            return self.features.compute(view)
        return {}
