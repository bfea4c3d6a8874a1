"""Two simple views of the market: it goes on (momentum), or it comes back (mean reversion).

Each is a set of parts between -1 (sell) and 1 (buy), one per kind of feature; a part whose features a registry does not
have, or that are null, is left out. Parts are squashed by x / (1 + |x|): unlike tanh, plain arithmetic has the same
bits on every machine.
"""

from collections.abc import Iterator, Mapping
from math import copysign, sqrt
from typing import NamedTuple

Features = Mapping[str, float | None]

QUIET_1M, QUIET_5M = 0.001, 0.002
"""What counts as one deviation over a minute and over five where the volatility is unknown or zero."""
OFF_AVERAGE = 0.001
"""How far from an average, as a fraction, counts as one deviation."""
OVERSOLD = 20.0
"""RSI points away from 50 that count as one deviation: Wilder's 30 and 70."""


class Part(NamedTuple):
    """``score`` is -1 (sell) .. 1 (buy); ``used`` the features it is made of."""

    name: str
    score: float
    used: tuple[str, ...]


def squash(x: float) -> float:
    """From anything, also infinity, to between -1 and 1.

    >>> squash(1.0), squash(-3.0), squash(0.0), squash(float("-inf"))
    (0.5, -0.75, 0.0, -1.0)
    """
    return copysign(1 - 1 / (1 + abs(x)), x)


def momentum(features: Features, price: float) -> list[Part]:
    """What rose goes on rising: past returns in deviations, and moving averages that stand apart.

    Time-series momentum scaled by volatility after Moskowitz, Ooi and Pedersen, "Time Series Momentum", Journal of
    Financial Economics 104 (2012); returns of n steps of deviation s have deviation s * sqrt(n). Averages after the
    crossover rule of Brock, Lakonishok and LeBaron, Journal of Finance 47 (1992).

    >>> [part.score for part in momentum({"returns_1m": 0.002}, price=100.0)]
    [0.6666666666666667]
    """
    return list(_momentum(features))


def mean_reversion(features: Features, price: float) -> list[Part]:
    """What strayed comes back: distance from bands and from the volume-weighted price, and the RSI.

    Bollinger's bands, two deviations from the mean of 20 closes ("Bollinger on Bollinger Bands", 2001): at a band the
    raw part is 1. RSI after Wilder ("New Concepts in Technical Trading Systems", 1978).

    >>> [part.score for part in mean_reversion({"price_zscore_20": -2.0, "rsi_14": 70.0}, price=100.0)]
    [0.5, -0.5]
    """
    return list(_mean_reversion(features, price))


def _momentum(features: Features) -> Iterator[Part]:
    known = features.get
    for name, volatility, steps, quiet in (
        ("returns_1m", "volatility_1m", 60, QUIET_1M),
        ("returns_5m", "volatility_5m", 5, QUIET_5M),
    ):
        if (value := known(name)) is not None:
            deviation = (known(volatility) or 0.0) * sqrt(steps)
            yield Part(name, squash(value / (deviation or quiet)), _present(features, name, volatility))
    for name in ("price_ema9_ratio", "price_ema21_ratio"):
        if (value := known(name)) is not None:
            yield Part(name, squash((value - 1) / OFF_AVERAGE), (name,))
    if (value := known("ema9_ema21_diff")) is not None:
        yield Part("ema9_ema21_diff", squash(value / OFF_AVERAGE), ("ema9_ema21_diff",))


def _mean_reversion(features: Features, price: float) -> Iterator[Part]:
    known = features.get
    if (value := known("price_zscore_20")) is not None:
        yield Part("price_zscore_20", squash(-value / 2), ("price_zscore_20",))
    elif (bands := _bands(features)) is not None:
        lower, upper, names = bands
        yield Part("bands", squash((lower + upper - 2 * price) / (upper - lower)), names)
    if vwap := known("vwap_1m"):
        deviation = (known("volatility_1m") or 0.0) * sqrt(60)
        used = _present(features, "vwap_1m", "volatility_1m")
        yield Part("vwap_1m", squash((1 - price / vwap) / (deviation or QUIET_1M)), used)
    for name in ("rsi_14", "RSI_14"):
        if (value := known(name)) is not None:
            yield Part(name, squash((50 - value) / OVERSOLD), (name,))
            return


def _bands(features: Features) -> tuple[float, float, tuple[str, str]] | None:
    for names in (("bb_lower_20", "bb_upper_20"), ("BB_lower", "BB_upper")):
        lower, upper = (features.get(name) for name in names)
        if lower is not None and upper is not None and upper > lower:
            return lower, upper, names
    return None


def _present(features: Features, *names: str) -> tuple[str, ...]:
    return tuple(name for name in names if features.get(name) is not None)
