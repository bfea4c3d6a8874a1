"""A River pipeline at work on one symbol."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Literal

from operators.online.codec import freeze, thaw
from operators.online.distribution import Distribution, distribution
from operators.online.pipelines import pipeline
from schemas.learning import Online

TROUBLE = (ArithmeticError, ValueError, LookupError, TypeError, AttributeError, RuntimeError)
"""What a model's trouble looks like: it is reported, and everything else goes on."""
LESSONS = 20
"""Learnt before a pipeline says anything: what knows one class alone would be certain of it."""
PATIENCE = 100
"""Predictions or lessons in a row that may fail before a pipeline begins anew: some cannot say anything at first."""

Doing = Literal["predict", "learn"]
Features = Mapping[str, float | None]


class Learner:
    """Predicts, and learns from what was given to it earlier.

    Args:
        settings: which model, and on which features.
        meanings: what the features of the registry are, in their order; settings that name none look at all of them.
    """

    def __init__(self, settings: Online, meanings: Mapping[str, str]) -> None:
        self.settings = settings
        self.names = settings.features or tuple(meanings)
        self.sense = sense(self.names, meanings)
        """Of its features as they were when it began."""
        self.learned = 0
        self.failures: dict[Doing, int] = {"predict": 0, "learn": 0}
        """How often each failed in a row."""
        self._model: Any = None
        self._frozen: bytes | None = None
        """The model's state as it was frozen or loaded last, None since it changed; thawed when first needed."""

    def fits(self, meanings: Mapping[str, str]) -> bool:
        """Whether a registry has all that it looks at, unchanged."""
        return sense(self.names, meanings) == self.sense

    def row(self, features: Features) -> list[float | None]:
        """What it looks at, in its own order: to be given back to ``learn`` later."""
        return [features.get(name) for name in self.names]

    def probabilities(self, features: Features) -> Distribution | None:
        """What it says; None before it has had some lessons. Changes nothing.

        Raises:
            One of TROUBLE: when the pipeline gives no probabilities.
        """
        if self.learned < LESSONS:
            return None
        return distribution(self._pipeline().predict_proba_one(self._known(self.row(features))))

    def went_well(self, doing: Doing) -> None:
        """Say that it did not raise."""
        self.failures[doing] = 0

    def learn(self, row: Sequence[float | None], label: int) -> None:
        """Learn that what looked like ``row`` became ``label``.

        Raises:
            One of TROUBLE: as the pipeline does.
        """
        model, self._frozen = self._pipeline(), None
        model.learn_one(self._known(row), label)
        self.learned += 1

    def failed(self, doing: Doing) -> str:
        """Say that it raised; what is to be told of it: the first time, and when it begins anew for it."""
        self.failures[doing] += 1
        if self.failures[doing] >= PATIENCE:
            self.learned, self.failures = 0, {"predict": 0, "learn": 0}
            self._model = self._frozen = None
            return f"cannot {doing}, {PATIENCE} times in a row: it begins anew"
        return f"cannot {doing}" if self.failures[doing] == 1 else ""

    def snapshot(self) -> Any:
        """The state as plain data."""
        if self._frozen is None and self._model is not None:
            self._frozen = freeze(self._model)
        return self.learned, list(self.failures.values()), self._frozen, self.names, self.sense

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        self.learned, (predict, learn), self._frozen, names, self.sense = state
        self.names = tuple(names)
        self.failures = {"predict": predict, "learn": learn}
        self._model = None

    def _known(self, row: Sequence[float | None]) -> dict[str, float]:
        return {name: value for name, value in zip(self.names, row, strict=True) if value is not None}

    def _pipeline(self) -> Any:
        if self._model is None:
            self._model = pipeline(self.settings) if self._frozen is None else thaw(self._frozen)
        return self._model


def sense(names: Sequence[str], meanings: Mapping[str, str]) -> str:
    """What some features are, as one text: equal where all of them are the same.

    >>> sense(["a"], {"a": "ema n=9", "b": "rsi n=14"}) == sense(["a"], {"a": "ema n=9"}) != sense(["a"], {})
    True
    """
    told = "\n".join(f"{name} {meanings.get(name)}" for name in names)
    return blake2b(told.encode(), digest_size=8).hexdigest()
