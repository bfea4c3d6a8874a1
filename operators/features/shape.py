"""Features of the newest closed candle, alone and against the one before it. O, H, L, C, V are its values."""

from operators.candles import Candles
from operators.features.catalogue import Value, every_candle

ONE = 1
TWO = 2


@every_candle(need=lambda: ONE)
def candle_range(candles: Candles) -> Value:
    """(H - L) / C."""
    return (candles.high[-1] - candles.low[-1]) / candles.close[-1]


@every_candle(need=lambda: ONE)
def candle_body(candles: Candles) -> Value:
    """abs(C - O) / C."""
    return abs(candles.close[-1] - candles.open[-1]) / candles.close[-1]


@every_candle(need=lambda: ONE)
def upper_wick(candles: Candles) -> Value:
    """(H - max(O, C)) / C."""
    return (candles.high[-1] - max(candles.open[-1], candles.close[-1])) / candles.close[-1]


@every_candle(need=lambda: ONE)
def lower_wick(candles: Candles) -> Value:
    """(min(O, C) - L) / C."""
    return (min(candles.open[-1], candles.close[-1]) - candles.low[-1]) / candles.close[-1]


@every_candle(need=lambda: ONE)
def candle_direction(candles: Candles) -> Value:
    """1 if C > O, else -1."""
    return 1.0 if candles.close[-1] > candles.open[-1] else -1.0


@every_candle(need=lambda: ONE)
def high_low_ratio(candles: Candles) -> Value:
    """H / L."""
    return candles.high[-1] / candles.low[-1]


@every_candle(need=lambda: ONE)
def doji_pattern(candles: Candles) -> Value:
    """1 if abs(O - C) / C < 0.001, else 0."""
    return float(abs(candles.open[-1] - candles.close[-1]) / candles.close[-1] < 0.001)


@every_candle(need=lambda: ONE)
def price_position(candles: Candles) -> Value:
    """(C - L) / (H - L), 0..1; absent when H = L."""
    return (candles.close[-1] - candles.low[-1]) / (candles.high[-1] - candles.low[-1])


@every_candle(need=lambda: TWO)
def higher_high(candles: Candles) -> Value:
    """1 if the high is above the one before, else 0."""
    return float(candles.high[-1] > candles.high[-2])


@every_candle(need=lambda: TWO)
def lower_low(candles: Candles) -> Value:
    """1 if the low is below the one before, else 0."""
    return float(candles.low[-1] < candles.low[-2])


@every_candle(need=lambda: TWO)
def gap_up(candles: Candles) -> Value:
    """1 if the candle opened above the close before, else 0."""
    return float(candles.open[-1] > candles.close[-2])


@every_candle(need=lambda: TWO)
def gap_down(candles: Candles) -> Value:
    """1 if the candle opened below the close before, else 0."""
    return float(candles.open[-1] < candles.close[-2])
