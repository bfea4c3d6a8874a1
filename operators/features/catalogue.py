"""Every feature by name, with its formula, its parameters and how far it looks back.

A formula is one function. It is declared with what it reads and how far back, and with the names under which its
features are known; a registry file may give further names to a formula with other parameters.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

from operators.candles import QUIET, STALE, Candles
from operators.features.view import Source, View
from operators.spans import MINUTE

Value = float | None
Function = TypeVar("Function", bound=Callable[..., Value])
Names = Mapping[str, Mapping[str, int]]
Limits = Mapping[str, tuple[int, int]]

SILENCE = 3 * MINUTE
"""How long it takes to notice that a venue sends no candles and to make them from trades."""

BEFORE_CANDLES = STALE + QUIET * MINUTE + SILENCE
"""What a replay must have seen before the oldest candle of a look-back: the newest candle may be two minutes old, a
quiet minute repeats a price of up to a quarter of an hour ago, and a silence must have been noticed."""


@dataclass(frozen=True)
class Formula:
    """One function and what must be known to plan and to check it.

    ``rhythm`` says when its value may change: every second (the function takes a ``View``), or only with the candles
    (it takes ``Candles`` and is called when ``need`` of them are there without a hole). ``window`` is the shortest
    look-back that a registry may state for it; ``reach`` is how far back a replay must begin to find the same value.
    Both are microseconds. ``limits`` bounds each parameter.
    """

    name: str
    compute: Callable[..., Value]
    rhythm: Literal["second", "candle"]
    sources: tuple[Source, ...]
    window: Callable[..., int]
    reach: Callable[..., int]
    need: Callable[..., int]
    limits: Limits


@dataclass(frozen=True)
class Feature:
    """A formula with its parameters fixed. Call it with a ``View`` for its value at that time."""

    name: str
    formula: Formula
    params: Mapping[str, int]

    @property
    def sources(self) -> tuple[Source, ...]:
        """What it reads."""
        return self.formula.sources

    @property
    def window(self) -> int:
        """Shortest look-back that a registry may state, in microseconds."""
        return self.formula.window(**self.params)

    @property
    def reach(self) -> int:
        """How far back a replay must begin to find the same value, in microseconds."""
        return self.formula.reach(**self.params)

    @property
    def need(self) -> int:
        """Closed candles without a hole between them, ending with the newest."""
        return self.formula.need(**self.params)

    @property
    def bound(self) -> Callable[[Any], Value]:
        """The function of a ``View`` or of ``Candles`` alone."""
        return partial(self.formula.compute, **self.params) if self.params else self.formula.compute

    def of_candles(self, candles: Candles) -> Value:
        """The value of a candle feature, ``None`` while too few candles follow on one another."""
        return self.bound(candles) if candles.run >= self.need else None

    def __call__(self, view: View) -> Value:
        """The value at ``view.t``; ``None`` where it is not known. A division by zero is not known either."""
        try:
            if self.formula.rhythm == "second":
                return self.bound(view)
            return self.of_candles(view.candles) if view.candles.current(view.t) else None
        except ArithmeticError:
            return None


FORMULAS: dict[str, Formula] = {}
"""Formulas by the name that a registry entry may use."""

FEATURES: dict[str, Feature] = {}
"""Features by name."""


def declare(formula: Formula, names: Names) -> None:
    """Make a formula and its names known.

    Raises:
        ValueError: when a name is taken.
    """
    if formula.name in FORMULAS:
        raise ValueError(f"two formulas are called {formula.name}")
    FORMULAS[formula.name] = formula
    for name, params in names.items():
        if name in FEATURES:
            raise ValueError(f"two features are called {name}")
        FEATURES[name] = Feature(name, formula, dict(params))


def every_second(
    *,
    sources: tuple[Source, ...] = (),
    window: Callable[..., int] = lambda: 0,
    reach: Callable[..., int] | None = None,
    limits: Limits | None = None,
    names: Names | None = None,
) -> Callable[[Function], Function]:
    """Declare a function of ``View``; without ``names`` the feature is called like the function."""

    def register(compute: Function) -> Function:
        name = compute.__name__
        formula = Formula(name, compute, "second", sources, window, reach or window, lambda **_: 0, dict(limits or {}))
        declare(formula, {name: {}} if names is None else names)
        return compute

    return register


def every_candle(
    *,
    need: Callable[..., int],
    window: Callable[..., int] | None = None,
    limits: Limits | None = None,
    names: Names | None = None,
) -> Callable[[Function], Function]:
    """Declare a function of ``Candles`` that needs ``need`` of them; ``window``, in candles, where it differs."""

    def register(compute: Function) -> Function:
        name = compute.__name__
        formula = Formula(
            name,
            compute,
            "candle",
            ("kline",),
            lambda **params: (window or need)(**params) * MINUTE,
            lambda **params: need(**params) * MINUTE + BEFORE_CANDLES,
            need,
            dict(limits or {}),
        )
        declare(formula, {name: {}} if names is None else names)
        return compute

    return register


def of(parameter: str, **names: int) -> Names:
    """Names of a formula with one parameter.

    >>> of("n", ema_9=9, ema_21=21)
    {'ema_9': {'n': 9}, 'ema_21': {'n': 21}}
    """
    return {name: {parameter: value} for name, value in names.items()}
