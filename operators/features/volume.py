"""Candle features of volume: V_0 is the volume of the newest closed candle, in base currency."""

from operators.candles import Candles
from operators.features.catalogue import Value, every_candle, of
from operators.features.statistics import correlation, deviation, mean, zscore

UP_TO_A_DAY = {"n": (2, 1_440)}


@every_candle(need=lambda n: n, limits=UP_TO_A_DAY, names=of("n", volume_ma_20=20, volume_ma_50=50))
def volume_mean(candles: Candles, n: int) -> Value:
    """Mean volume of the last ``n`` candles."""
    return mean(candles.volume[-n:])


@every_candle(
    need=lambda n: n,
    limits=UP_TO_A_DAY,
    names=of("n", volume_ratio_20=20, volume_ratio_50=50, relative_volume_1h=60, relative_volume_24h=1_440),
)
def volume_ratio(candles: Candles, n: int) -> Value:
    """V_0 / mean volume of the last ``n`` candles, V_0 among them; absent when nothing was traded."""
    return candles.volume[-1] / mean(candles.volume[-n:])


@every_candle(need=lambda n: n, limits=UP_TO_A_DAY, names=of("n", volume_std_20=20))
def volume_deviation(candles: Candles, n: int) -> Value:
    """Population standard deviation of the volume of the last ``n`` candles."""
    return deviation(candles.volume[-n:])


@every_candle(need=lambda n: n, limits=UP_TO_A_DAY, names=of("n", volume_zscore=100, volume_zscore_20=20))
def volume_score(candles: Candles, n: int) -> Value:
    """(V_0 - mean) / deviation over the last ``n`` candles; absent when all are equal."""
    return zscore(candles.volume[-n:])


@every_candle(need=lambda: 2)
def volume_change(candles: Candles) -> Value:
    """(V_0 - V_1) / V_1; absent when the candle before had no volume."""
    return (candles.volume[-1] - candles.volume[-2]) / candles.volume[-2]


@every_candle(need=lambda n: n, limits=UP_TO_A_DAY, names=of("n", volume_price_trend=10))
def volume_price_correlation(candles: Candles, n: int) -> Value:
    """Correlation of volume and close over the last ``n`` candles; absent when one of them does not move."""
    return correlation(candles.volume[-n:], candles.close[-n:])
