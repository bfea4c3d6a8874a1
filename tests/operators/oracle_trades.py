"""An independent oracle for the tape: every formula over the raw list of trades, with numpy, from the contract."""

import math
from collections.abc import Sequence

import numpy as np

SECOND = 1_000_000

Trade = tuple[int, str, float, float]
"""(clock in microseconds, side, price, size)"""


def tape_features(trades: Sequence[Trade], mid: float | None, t: int) -> dict[str, float | None]:
    """Every tape feature at ``t`` from all trades so far, received times not sorted by anything but their order."""
    values: dict[str, float | None] = {}
    for label, seconds in (("1s", 1), ("3s", 3), ("15s", 15), ("1m", 60)):
        inside = [trade for trade in trades if t - seconds * SECOND < trade[0] <= t]
        price = np.array([trade[2] for trade in inside])
        size = np.array([trade[3] for trade in inside])
        sign = np.array([1.0 if trade[1] == "buy" else -1.0 for trade in inside])
        buys, sells = float(size[sign > 0].sum()), float(size[sign < 0].sum())
        if label != "15s":
            values[f"returns_{label}"] = (mid - price[0]) / price[0] if inside and mid is not None else None
        if label != "1s":
            values[f"vwap_{label}"] = float(price @ size / size.sum()) if inside else None
            values[f"volume_{label}"] = float(size.sum())
            values[f"signed_volume_{label}"] = float(sign @ size)
        if label == "3s":
            values["trade_count_3s"] = float(len(inside))
            values["net_aggressor_pressure"] = (buys - sells) / (buys + sells) if inside else 0.0
            values["buy_sell_volume_ratio"] = ratio(buys, sells)
    values["volatility_1m"] = second_volatility(trades, t)
    return values


def ratio(buys: float, sells: float) -> float | None:
    """Bought to sold: 1 without trades, absent when infinite."""
    if buys == sells == 0:
        return 1.0
    return buys / sells if sells else None


def second_volatility(trades: Sequence[Trade], t: int) -> float | None:
    """Walk the sixty seconds one by one, carry the last price forward, take numpy's deviation of the returns."""
    closes: list[float] = []
    for back in range(59, -1, -1):
        end = t - back * SECOND
        inside = [trade[2] for trade in trades if end - SECOND < trade[0] <= end]
        if inside:
            closes.append(inside[-1])
        elif closes:
            closes.append(closes[-1])
    if len(closes) < 3:
        return None
    series = np.array(closes)
    return float(np.std(series[1:] / series[:-1] - 1))


def close(got: float | None, wanted: float | None, floor: float = 1e-12) -> bool:
    """Equal to 1e-9 of the value, or to the floor; absent only where the other is absent."""
    if got is None or wanted is None:
        return got is wanted
    return math.isclose(got, wanted, rel_tol=1e-9, abs_tol=floor)
