"""Candle features of size and speed of moves: volatility, bands, RSI, true range."""

from itertools import pairwise

from operators.candles import Candles
from operators.features.catalogue import Value, every_candle, of
from operators.features.indicators import talib
from operators.features.statistics import deviation, mean, zscore
from operators.features.trend import PERIODS, settled, sma

UP_TO_A_DAY = {"n": (2, 1_440)}


def return_deviation(candles: Candles, closes: int) -> float:
    """Population standard deviation of the returns between the last ``closes`` closes."""
    prices = candles.close[-closes:]
    return deviation([(new - old) / old for old, new in pairwise(prices)])


@every_candle(need=lambda n: n + 1, window=lambda n: n, limits=UP_TO_A_DAY, names=of("n", volatility_5m=5))
def candle_volatility(candles: Candles, n: int) -> float:
    """Deviation of the returns of the last ``n`` candles, the first against the close before it."""
    return return_deviation(candles, n + 1)


@every_candle(need=lambda n: n, limits={"n": (3, 1_440)}, names=of("n", volatility_20_candles=20))
def close_volatility(candles: Candles, n: int) -> float:
    """Deviation of the n - 1 returns between the last ``n`` closes."""
    return return_deviation(candles, n)


def band(candles: Candles, n: int, deviations: float) -> float:
    """sma_n + deviations · standard deviation of the last ``n`` closes."""
    return sma(candles, n) + deviations * deviation(candles.close[-n:])


@every_candle(need=lambda n: n, limits=UP_TO_A_DAY, names=of("n", BB_upper=20, bb_upper_20=20, bb_upper_10=10))
def bollinger_upper(candles: Candles, n: int) -> float:
    """Two deviations above the mean, quote."""
    return band(candles, n, 2.0)


@every_candle(need=lambda n: n, limits=UP_TO_A_DAY, names=of("n", BB_lower=20, bb_lower_20=20, bb_lower_10=10))
def bollinger_lower(candles: Candles, n: int) -> float:
    """Two deviations below the mean, quote."""
    return band(candles, n, -2.0)


@every_candle(need=lambda n: n, limits=UP_TO_A_DAY, names=of("n", BB_width=20, bb_width_20=20, bb_width_10=10))
def bollinger_width(candles: Candles, n: int) -> Value:
    """(upper - lower) / mean: four deviations, as a fraction of the mean."""
    return 4 * deviation(candles.close[-n:]) / sma(candles, n)


@every_candle(need=lambda n: n, limits=UP_TO_A_DAY, names=of("n", price_zscore_20=20))
def price_zscore(candles: Candles, n: int) -> Value:
    """(C_0 - mean) / deviation of the last ``n`` closes; absent when they are all equal."""
    return zscore(candles.close[-n:])


@every_candle(need=settled, limits=PERIODS, names=of("n", RSI_14=14, rsi_14=14, rsi_7=7))
def rsi(candles: Candles, n: int) -> Value:
    """Relative strength index with Wilder's smoothing, 0..100.

    100 when nothing fell and something rose; absent when all closes are equal (TA-Lib would say 0).
    """
    closes = candles.newest(candles.close, settled(n))
    if closes.min() == closes.max():
        return None
    return float(talib.RSI(closes, n)[-1])


@every_candle(need=settled, limits=PERIODS, names=of("n", atr_14=14, atr_7=7))
def atr(candles: Candles, n: int) -> float:
    """Average true range with Wilder's smoothing, quote; the first candle only gives its close."""
    high, low, close = (candles.newest(column, settled(n)) for column in (candles.high, candles.low, candles.close))
    return float(talib.ATR(high, low, close, n)[-1])


@every_candle(need=lambda n: n, limits={"n": (1, 1_440)}, names=of("n", candle_range_ma_5=5))
def mean_range(candles: Candles, n: int) -> float:
    """Mean of (H - L) / C over the last ``n`` candles."""
    rows = zip(candles.high[-n:], candles.low[-n:], candles.close[-n:], strict=True)
    return mean([(high - low) / close for high, low, close in rows])


@every_candle(need=lambda n: n, limits={"n": (1, 1_440)}, names=of("n", candle_body_ma_5=5))
def mean_body(candles: Candles, n: int) -> float:
    """Mean of abs(C - O) / C over the last ``n`` candles."""
    rows = zip(candles.open[-n:], candles.close[-n:], strict=True)
    return mean([abs(close - open_) / close for open_, close in rows])
