"""Candle features of direction: changes over n candles, moving averages, MACD.

An exponential average here is a pure function of the last 4n + 1 closes: it starts with the simple mean of the first n
of them (as TA-Lib does) and has forgotten that start, to less than e⁻⁶ of it, when it arrives at the newest.
"""

from typing import Any

import numpy as np

from operators.candles import Candles
from operators.features.catalogue import Value, every_candle, of
from operators.features.indicators import talib
from operators.features.statistics import mean

PERIODS = {"n": (2, 300)}
FAST, SLOW, SIGNAL = 12, 26, 9


def settled(n: int) -> int:
    """Candles after which an average over ``n`` has forgotten its start."""
    return 4 * n + 1


@every_candle(
    need=lambda n: n + 1,
    window=lambda n: n,
    limits={"n": (1, 1_440)},
    names=of(
        "n",
        roc_5m=5, roc_15m=15, roc_1h=60, returns_5m=5, returns_15m=15, returns_1h=60, momentum_5=5, momentum_10=10,
    ),
)  # fmt: skip
def price_change(candles: Candles, n: int) -> Value:
    """(C_0 - C_n) / C_n, a fraction."""
    close = candles.close
    return (close[-1] - close[-1 - n]) / close[-1 - n]


@every_candle(need=lambda: 3)
def returns_3_candles(candles: Candles) -> Value:
    """(C_0 - C_2) / C_2: the change over three candles."""
    return price_change(candles, 2)


@every_candle(need=lambda n: n + 1, window=lambda n: n, limits={"n": (1, 1_440)}, names=of("n", roc_10=10))
def rate_of_change(candles: Candles, n: int) -> Value:
    """100 · (C_0 - C_n) / C_n, per cent."""
    close = candles.close
    return 100 * (close[-1] - close[-1 - n]) / close[-1 - n]


@every_candle(need=lambda n: n, limits={"n": (1, 1_440)}, names=of("n", sma_20=20, sma_50=50))
def sma(candles: Candles, n: int) -> float:
    """Simple mean of the last ``n`` closes, quote."""
    return mean(candles.close[-n:])


@every_candle(need=settled, limits=PERIODS, names=of("n", EMA_20=20, ema_9=9, ema_21=21, ema_50=50))
def ema(candles: Candles, n: int) -> float:
    """Exponential mean of the closes, α = 2 / (n + 1), quote."""
    key = ("ema", n)
    if key not in candles.memo:
        candles.memo[key] = last_ema(candles.newest(candles.close, settled(n)), n)
    return candles.memo[key]


def last_ema(values: Any, n: int) -> float:
    """The exponential mean at the end of ``values`` (doubles, oldest first)."""
    return float(talib.EMA(values, n)[-1])


@every_candle(need=settled, limits=PERIODS, names=of("n", price_ema9_ratio=9, price_ema21_ratio=21))
def price_ema_ratio(candles: Candles, n: int) -> Value:
    """C_0 / ema_n."""
    return candles.close[-1] / ema(candles, n)


@every_candle(need=lambda n: n, limits={"n": (1, 1_440)}, names=of("n", price_sma20_ratio=20))
def price_sma_ratio(candles: Candles, n: int) -> Value:
    """C_0 / sma_n."""
    return candles.close[-1] / sma(candles, n)


@every_candle(need=lambda: settled(21))
def ema9_ema21_diff(candles: Candles) -> Value:
    """(ema_9 - ema_21) / C_0."""
    return (ema(candles, 9) - ema(candles, 21)) / candles.close[-1]


@every_candle(need=lambda: settled(SLOW), names={"MACD_line": {}, "macd": {}})
def macd(candles: Candles) -> float:
    """ema_12 - ema_26, quote."""
    return ema(candles, FAST) - ema(candles, SLOW)


@every_candle(need=lambda: settled(SLOW) + settled(SIGNAL) - 1, names={"MACD_signal": {}, "macd_signal": {}})
def macd_signal(candles: Candles) -> float:
    """ema_9 of the last 37 values of ``macd``, each over its own closes, quote."""
    if "macd_signal" not in candles.memo:
        candles.memo["macd_signal"] = last_ema(np.array(lines(candles)), SIGNAL)
    return candles.memo["macd_signal"]


def lines(candles: Candles) -> list[float]:
    """The last 37 values of ``macd``, oldest first. A new candle adds one; the others stay what they were."""
    known = candles.lasting.get("macd", {})
    starts = candles.start[-settled(SIGNAL) :]
    closes = candles.newest(candles.close, settled(SLOW) + settled(SIGNAL) - 1)
    values = {
        start: known[start] if start in known else line(closes[: settled(SLOW) + place])
        for place, start in enumerate(starts)
    }
    candles.lasting["macd"] = values
    return list(values.values())


def line(closes: Any) -> float:
    """ema_12 - ema_26 at the end of ``closes``."""
    return last_ema(closes[-settled(FAST) :], FAST) - last_ema(closes[-settled(SLOW) :], SLOW)


@every_candle(need=lambda: settled(SLOW) + settled(SIGNAL) - 1, names={"MACD_histogram": {}, "macd_histogram": {}})
def macd_histogram(candles: Candles) -> float:
    """macd - macd_signal, quote."""
    return macd(candles) - macd_signal(candles)
