"""Features of the trade tape over (t - seconds, t]. None of them is known until the tape covers its window."""

from itertools import pairwise
from math import fsum, sqrt

from operators.features.catalogue import Value, every_second, of
from operators.features.view import Source, View
from operators.spans import SECOND
from operators.tape import KEEP

TRADES: tuple[Source, ...] = ("trades",)
UP_TO_A_MINUTE = {"seconds": (1, KEEP)}


def span(seconds: int) -> int:
    """The look-back of every feature here."""
    return seconds * SECOND


@every_second(
    sources=("orderbook", "trades"),
    window=span,
    limits=UP_TO_A_MINUTE,
    names=of("seconds", returns_1s=1, returns_3s=3, returns_1m=60),
)
def returns(view: View, seconds: int) -> Value:
    """(mid - oldest trade price of the window) / that price, a fraction."""
    window = view.window(seconds)
    if window is None or view.mid is None or not window.open:
        return None
    return (view.mid - window.open) / window.open


@every_second(
    sources=TRADES, window=span, limits=UP_TO_A_MINUTE, names=of("seconds", vwap_3s=3, vwap_15s=15, vwap_1m=60)
)
def vwap(view: View, seconds: int) -> Value:
    """Σ price·size / Σ size, quote; absent without trades."""
    window = view.window(seconds)
    return window.notional / window.volume if window is not None and window.volume else None


@every_second(
    sources=TRADES, window=span, limits=UP_TO_A_MINUTE, names=of("seconds", volume_3s=3, volume_15s=15, volume_1m=60)
)
def volume(view: View, seconds: int) -> Value:
    """Σ size, base; 0.0 without trades."""
    window = view.window(seconds)
    return None if window is None else window.volume


@every_second(
    sources=TRADES,
    window=span,
    limits=UP_TO_A_MINUTE,
    names=of("seconds", signed_volume_3s=3, signed_volume_15s=15, signed_volume_1m=60),
)
def signed_volume(view: View, seconds: int) -> Value:
    """Σ size bought - Σ size sold by aggressors, base; 0.0 without trades."""
    window = view.window(seconds)
    return None if window is None else window.buy - window.sell


@every_second(sources=TRADES, window=span, limits=UP_TO_A_MINUTE, names=of("seconds", buy_sell_volume_ratio=3))
def buy_sell_ratio(view: View, seconds: int) -> Value:
    """Σ size bought / Σ size sold; 1.0 without volume, absent (infinite) when everybody bought."""
    window = view.window(seconds)
    if window is None:
        return None
    if not window.sell:
        return None if window.buy else 1.0
    return window.buy / window.sell


@every_second(sources=TRADES, window=span, limits=UP_TO_A_MINUTE, names=of("seconds", trade_count_3s=3))
def trade_count(view: View, seconds: int) -> Value:
    """Number of trades."""
    window = view.window(seconds)
    return None if window is None else float(window.trades)


@every_second(sources=TRADES, window=span, limits=UP_TO_A_MINUTE, names=of("seconds", net_aggressor_pressure=3))
def aggressor_pressure(view: View, seconds: int) -> Value:
    """(bought - sold) / (bought + sold), -1..1; 0.0 without volume."""
    window = view.window(seconds)
    if window is None:
        return None
    return (window.buy - window.sell) / window.volume if window.volume else 0.0


@every_second(sources=TRADES, window=span, limits={"seconds": (3, KEEP)}, names=of("seconds", volatility_1m=60))
def second_volatility(view: View, seconds: int) -> Value:
    """Population standard deviation of the returns between successive one-second closes.

    The close of a second is its last trade price, carried forward from the first second with a trade; absent with
    fewer than two returns.
    """
    if not view.complete("trades", seconds):
        return None
    tape = view.tape
    first = tape.first(view.t, seconds)
    if first == len(tape.second):
        return None
    n = view.t // SECOND - tape.second[first]
    if n < 2:
        return None
    closes = tape.close[first:]
    moves = [(new - old) / old for old, new in pairwise(closes)]
    mean = fsum(moves) / n
    away = [move - mean for move in moves]
    # Seconds without a trade return 0: they are counted, not listed.
    return sqrt(fsum([*[d * d for d in away], (n - len(moves)) * mean * mean]) / n)
