"""A registry, compiled: one view in, the features of one vector out."""

from collections.abc import Callable, Iterable
from math import isfinite

from operators.candles import Candles
from operators.features.catalogue import Feature, Value
from operators.features.view import Source, View
from operators.registry import Normalise, Registry

Compiled = tuple[str, Callable[..., Value], Normalise | None]


class FeatureSet:
    """The features of one registry version, in its order of calculation.

    ``names`` are the keys of every vector, ``sources`` what is really read, ``lookback_us`` how many microseconds
    earlier a replay must begin to find the same values. ``meanings`` says by name what each feature is: features that
    mean the same have the same values, in whatever version.
    """

    def __init__(self, version: str, features: Iterable[tuple[str, Feature, Normalise | None]]) -> None:
        chosen = list(features)
        self.version = version
        self.names = tuple(name for name, _, _ in chosen)
        self.lookback_us = max((feature.reach for _, feature, _ in chosen), default=0)
        self.sources: frozenset[Source] = frozenset(source for _, feature, _ in chosen for source in feature.sources)
        self.meanings = {name: meaning(feature, normalise) for name, feature, normalise in chosen}
        self._missing: dict[str, float | None] = dict.fromkeys(self.names)
        self._every_second: list[Compiled] = [
            (name, feature.bound, normalise)
            for name, feature, normalise in chosen
            if feature.formula.rhythm == "second"
        ]
        self._every_candle: list[Compiled] = [
            (name, feature.of_candles, normalise)
            for name, feature, normalise in chosen
            if feature.formula.rhythm == "candle"
        ]

    @classmethod
    def compile(cls, registry: Registry) -> "FeatureSet":
        """The features of ``registry``, ready to be computed."""
        return cls(registry.version, [(entry.name, entry.feature, entry.normalise) for entry in registry.entries])

    def compute(self, view: View) -> dict[str, float | None]:
        """Every feature at ``view.t``, keys always in the same order; ``None`` where a value is not known.

        Values are finite: what would be infinite, or a division by zero, is not known either.
        """
        values = self._missing.copy()
        if self._every_candle and view.candles.current(view.t):
            values.update(self._of_candles(view.candles))
        evaluate(self._every_second, view, values)
        return values

    def _of_candles(self, candles: Candles) -> dict[str, float | None]:
        """Candle features change with the candles only, once a minute: the candles remember them until then."""
        remembered = candles.memo.get(self)
        if remembered is None:
            remembered = {}
            evaluate(self._every_candle, candles, remembered)
            candles.memo[self] = remembered
        return remembered


def meaning(feature: Feature, normalise: Normalise | None) -> str:
    """A feature's formula, parameters and normalisation as one line.

    >>> from operators.features import FEATURES
    >>> meaning(FEATURES["ema_21"], None)
    'ema n=21'
    """
    params = [f"{key}={value}" for key, value in sorted(feature.params.items())]
    fixed = [] if normalise is None else [repr(normalise)]
    return " ".join([feature.formula.name, *params, *fixed])


def evaluate(features: list[Compiled], state: View | Candles, values: dict[str, float | None]) -> None:
    """Put the value of each feature that is known, and finite, into ``values``."""
    for name, compute, normalise in features:
        try:
            value = compute(state)
            if value is not None and normalise is not None:
                value = normalise(value)
        except ArithmeticError:
            continue
        if value is not None and isfinite(value):
            values[name] = value
