"""An independent oracle for candle features: whole columns at once, with numpy and pandas, from the contract's text.

Nothing of the product is used: rolling windows are pandas', and the recursive indicators run over all rows side by
side, each over the 4n + 1 candles that end with its row.
"""

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view


def candle_features(candles: pd.DataFrame) -> pd.DataFrame:
    """One column a feature, one row a candle; NaN where it is absent. Columns in: open, high, low, close, volume."""
    o, h, l, c, v = (candles[name] for name in ("open", "high", "low", "close", "volume"))  # noqa: E741
    out: dict[str, pd.Series] = {}

    for names, n in ((("returns_5m", "roc_5m", "momentum_5"), 5), (("momentum_10",), 10)):
        out |= dict.fromkeys(names, c.pct_change(n))
    out |= dict.fromkeys(("returns_15m", "roc_15m"), c.pct_change(15))
    out |= dict.fromkeys(("returns_1h", "roc_1h"), c.pct_change(60))
    out["returns_3_candles"] = c.pct_change(2)
    out["roc_10"] = 100 * c.pct_change(10)

    returns = c / c.shift(1) - 1
    out["volatility_5m"] = deviation(returns, 5)
    out["volatility_20_candles"] = deviation(returns, 19)

    ema = {n: settled(c, 4 * n + 1, lambda w, n=n: exponential(w, n)) for n in (9, 12, 20, 21, 26, 50)}
    out |= {"EMA_20": ema[20], "ema_9": ema[9], "ema_21": ema[21], "ema_50": ema[50]}
    out["price_ema9_ratio"], out["price_ema21_ratio"] = c / ema[9], c / ema[21]
    out["ema9_ema21_diff"] = (ema[9] - ema[21]) / c
    line = ema[12] - ema[26]
    signal = settled(line, 37, lambda w: exponential(w, 9))
    out |= dict.fromkeys(("MACD_line", "macd"), line)
    out |= dict.fromkeys(("MACD_signal", "macd_signal"), signal)
    out |= dict.fromkeys(("MACD_histogram", "macd_histogram"), line - signal)
    out["RSI_14"] = out["rsi_14"] = settled(c, 57, lambda w: strength(w, 14))
    out["rsi_7"] = settled(c, 29, lambda w: strength(w, 7))

    previous = c.shift(1)
    true_range = pd.concat([h - l, (h - previous).abs(), (l - previous).abs()], axis=1).max(axis=1, skipna=False)
    out["atr_14"] = settled(true_range, 56, lambda w: wilder(w, 14))
    out["atr_7"] = settled(true_range, 28, lambda w: wilder(w, 7))

    for n in (10, 20, 50):
        sma = c.rolling(n).mean()
        width = deviation(c, n)
        out[f"sma_{n}"] = sma
        out[f"bb_upper_{n}"], out[f"bb_lower_{n}"] = sma + 2 * width, sma - 2 * width
        out[f"bb_width_{n}"] = (out[f"bb_upper_{n}"] - out[f"bb_lower_{n}"]) / sma
    out |= {f"BB_{edge}": out[f"bb_{edge}_20"] for edge in ("upper", "lower", "width")}
    out["price_sma20_ratio"] = c / out["sma_20"]
    out["price_zscore_20"] = score(c, 20)

    out["candle_range"], out["candle_body"] = (h - l) / c, (c - o).abs() / c
    out["upper_wick"] = (h - candles[["open", "close"]].max(axis=1)) / c
    out["lower_wick"] = (candles[["open", "close"]].min(axis=1) - l) / c
    out["candle_direction"] = pd.Series(np.where(c > o, 1.0, -1.0), c.index)
    out["high_low_ratio"] = h / l
    out["candle_body_ma_5"] = out["candle_body"].rolling(5).mean()
    out["candle_range_ma_5"] = out["candle_range"].rolling(5).mean()
    out["doji_pattern"] = ((o - c).abs() / c < 0.001).astype(float)
    out["price_position"] = ((c - l) / (h - l)).where(h != l)
    for name, now, before, sign in (
        ("higher_high", h, h, 1),
        ("lower_low", l, l, -1),
        ("gap_up", o, c, 1),
        ("gap_down", o, c, -1),
    ):
        out[name] = (sign * (now - before.shift(1)) > 0).astype(float).where(before.shift(1).notna())

    for n in (20, 50):
        out[f"volume_ma_{n}"] = windows(v, n).mean(axis=1)
        out[f"volume_ratio_{n}"] = v / out[f"volume_ma_{n}"]
    out["relative_volume_1h"] = v / windows(v, 60).mean(axis=1)
    out["relative_volume_24h"] = v / windows(v, 1440).mean(axis=1)
    out["volume_std_20"] = deviation(v, 20)
    out["volume_zscore"], out["volume_zscore_20"] = score(v, 100), score(v, 20)
    out["volume_change"] = (v - v.shift(1)) / v.shift(1)
    out["volume_price_trend"] = correlation(v, c, 10)
    return pd.DataFrame(out).replace([np.inf, -np.inf], np.nan)


def windows(series: pd.Series, n: int) -> pd.DataFrame:
    """Row i holds the ``n`` values that end with it, oldest first; NaN rows while there are fewer."""
    if len(series) < n:
        return pd.DataFrame(np.full((len(series), n), np.nan), series.index)
    blank = np.full((n - 1, n), np.nan)
    return pd.DataFrame(np.vstack([blank, sliding_window_view(series.to_numpy(), n)]), series.index)


def settled(series: pd.Series, n: int, run) -> pd.Series:
    """Apply ``run`` to the last ``n`` values of every row, all rows at once."""
    return pd.Series(run(windows(series, n).to_numpy()), series.index)


def exponential(w: np.ndarray, n: int) -> np.ndarray:
    """The mean of the first n, then e = α·x + (1 - α)·e with α = 2 / (n + 1)."""
    value, alpha = w[:, :n].mean(axis=1), 2 / (n + 1)
    for j in range(n, w.shape[1]):
        value = alpha * w[:, j] + (1 - alpha) * value
    return value


def wilder(w: np.ndarray, n: int) -> np.ndarray:
    """The mean of the first n, then x/n + (n - 1)/n·e."""
    value = w[:, :n].mean(axis=1)
    for j in range(n, w.shape[1]):
        value = (value * (n - 1) + w[:, j]) / n
    return value


def strength(w: np.ndarray, n: int) -> np.ndarray:
    """100 - 100/(1 + G/L): 100 where nothing fell, absent where nothing moved."""
    change = np.diff(w, axis=1)
    gain, loss = wilder(np.maximum(change, 0), n), wilder(np.maximum(-change, 0), n)
    with np.errstate(divide="ignore", invalid="ignore"):
        return 100 - 100 / (1 + gain / loss)


def deviation(series: pd.Series, n: int) -> pd.Series:
    """Population standard deviation of the last ``n`` values."""
    return pd.Series(np.std(from_newest(series, n).to_numpy(), axis=1), series.index)


def score(series: pd.Series, n: int) -> pd.Series:
    """(newest - mean) / deviation; absent where all values are equal."""
    w = from_newest(series, n)
    moved = w.max(axis=1) > w.min(axis=1)
    return (-w.mean(axis=1, skipna=False) / deviation(series, n)).where(moved)


def from_newest(series: pd.Series, n: int) -> pd.DataFrame:
    """Windows of differences to their newest value: numpy's own mean would lose the digits of a small variance."""
    return windows(series, n).sub(series, axis=0)


def correlation(x: pd.Series, y: pd.Series, n: int) -> pd.Series:
    """Pearson's, row by row; absent where a side does not move."""
    found = []
    for a, b in zip(from_newest(x, n).to_numpy(), from_newest(y, n).to_numpy(), strict=True):
        moves = np.isfinite(a).all() and np.isfinite(b).all() and np.ptp(a) > 0 and np.ptp(b) > 0
        found.append(np.corrcoef(a, b)[0, 1] if moves else np.nan)
    return pd.Series(found, x.index)
