"""Rows of a study: what was known at the end of each bar, made by the operators that make live features.

The registry's candle features count candles of one minute. Here they count bars, whatever their length: bar number n
is given to the operators as the minute n, so over bars of five minutes ``returns_5m`` looks back 25 minutes. Features
of the calendar and of funding are computed at the bar's real end. With bars of one minute nothing is shifted, and the
rows are the vectors that ``MarketStage`` publishes at those moments.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from learning.study.bars import Bars, Rates
from operators.candles import Candles
from operators.features.featureset import FeatureSet
from operators.features.view import View
from operators.funding import FundingRates
from operators.registry import Registry
from operators.spans import MINUTE

LEVELS = frozenset(
    {
        "ema_9", "ema_21", "ema_50", "sma_20", "sma_50", "atr_14", "atr_7", "bb_upper_20", "bb_lower_20", "bb_upper_10",
        "bb_lower_10", "macd", "macd_signal", "macd_histogram", "volume_ma_20", "volume_ma_50", "volume_std_20",
    }
)  # fmt: skip
"""Left out: measured in quote or base currency, they tell the season rather than the state of the market."""


@dataclass(frozen=True, eq=False)
class Rows:
    """``values`` is (rows, names), float64, NaN where a feature is not known; ``ts`` (int64, microseconds UTC) is when
    each row was known, the end of bar number ``bar``."""

    ts: np.ndarray
    bar: np.ndarray
    names: tuple[str, ...]
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.ts)


class Chosen(NamedTuple):
    """The features of a study: those that change with the bars, those of each moment, and the bars they need."""

    candles: FeatureSet
    moments: FeatureSet
    need: int


def choose(registry: Registry, funding: bool) -> Chosen:
    """The features of ``registry`` that candles, the calendar and (where it is known) funding can fill."""
    entries = [entry for entry in registry.entries if entry.name not in LEVELS]
    of_candles = [entry for entry in entries if entry.feature.sources == ("kline",)]
    known = {(), ("ticker", "funding")} if funding else {()}
    of_moments = [entry for entry in entries if entry.feature.sources in known]
    candles, moments = (
        FeatureSet(registry.version, [(entry.name, entry.feature, entry.normalise) for entry in part])
        for part in (of_candles, of_moments)
    )
    return Chosen(candles, moments, max((entry.feature.need for entry in of_candles), default=1))


def build_rows(bars: Bars, rates: Rates, chosen: Chosen) -> Rows:
    """A row for each bar that enough others lead up to without a hole.

    Complexity: about half a millisecond a bar.
    """
    candles, funding = Candles(), FundingRates()
    names = chosen.candles.names + chosen.moments.names
    made: list[Sequence[float | None]] = []
    kept: list[int] = []
    upcoming = 0
    for place, row in enumerate(zip(*(column.tolist() for column in bars.columns), strict=True)):
        start, *values = row
        end = start + bars.interval
        while upcoming < len(rates) and rates[upcoming][0] <= end:
            ts, rate = rates[upcoming]
            funding.settle(ts, ts, rate)
            upcoming += 1
        minute = start // bars.interval * MINUTE
        candles.add(minute + MINUTE, minute, *values)
        if candles.run < chosen.need:
            continue
        of_candles = chosen.candles.compute(View(minute + MINUTE, candles=candles))
        of_moment = chosen.moments.compute(View(end, funding=funding))
        made.append([*of_candles.values(), *of_moment.values()])
        kept.append(place)
    table = np.array(made, dtype=float).reshape(len(made), len(names))
    at = np.array(kept, dtype=np.int64)
    return Rows(bars.end[at], at, names, table)
