"""The seam between a strategy and its model."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from schemas.market import Side
from schemas.vector import FeatureVector


class Forecast(NamedTuple):
    """What a model says of a symbol: a side or, with None, to stay away.

    ``confidence`` is 0..1; ``result`` the finite numbers behind it (such as ``buy_probability``); ``used`` the names of
    the features that it looked at.
    """

    side: Side | None
    confidence: float
    result: Mapping[str, float]
    used: tuple[str, ...] = ()


class Predictor(Protocol):
    """Knows the models. It must be a pure function of what the engine has fed it so far."""

    def predict(self, strategy: str, symbol: str, version: str, vector: FeatureVector) -> Forecast | None:
        """The prediction of model ``version`` for this vector; None where there is none (yet)."""
        ...

    def problem(self, strategy: str, symbol: str, version: str) -> str:
        """Why model ``version`` cannot be used; empty where nothing is known to be wrong with it."""
        ...
