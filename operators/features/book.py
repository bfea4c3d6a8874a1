"""Features of the order book: prices, depth, slope, churn. None of them is known while the book is not in sync."""

from operators.features.catalogue import Value, every_second, of
from operators.features.statistics import mean
from operators.features.view import Source, View
from operators.spans import SECOND
from schemas.market import Level

BOOK: tuple[Source, ...] = ("orderbook",)


@every_second(sources=BOOK)
def mid_price(view: View) -> Value:
    """(best bid + best ask) / 2, quote; absent when a side is empty."""
    return view.mid


@every_second(sources=BOOK)
def spread_abs(view: View) -> Value:
    """Best ask - best bid, quote."""
    if view.bids and view.asks:
        return view.asks[0][0] - view.bids[0][0]
    return None


@every_second(sources=BOOK)
def spread_rel(view: View) -> Value:
    """(best ask - best bid) / mid, a fraction."""
    if view.bids and view.asks and view.mid:
        return (view.asks[0][0] - view.bids[0][0]) / view.mid
    return None


@every_second(
    sources=BOOK, window=lambda n: 0, limits={"n": (1, 10)}, names=of("n", depth_bid_top5=5, depth_bid_top10=10)
)
def depth_bid(view: View, n: int) -> Value:
    """Size on the best ``n`` bid levels, base; 0.0 when there are none."""
    return view.depth("bid", n)


@every_second(
    sources=BOOK, window=lambda n: 0, limits={"n": (1, 10)}, names=of("n", depth_ask_top5=5, depth_ask_top10=10)
)
def depth_ask(view: View, n: int) -> Value:
    """Size on the best ``n`` ask levels, base; 0.0 when there are none."""
    return view.depth("ask", n)


@every_second(sources=BOOK, window=lambda n: 0, limits={"n": (1, 10)}, names=of("n", depth_imbalance_top5=5))
def depth_imbalance(view: View, n: int) -> Value:
    """(bid depth - ask depth) / (bid depth + ask depth), -1..1; 0.0 when both are empty."""
    bid, ask = view.depth("bid", n), view.depth("ask", n)
    if bid is None or ask is None:
        return None
    return (bid - ask) / (bid + ask) if bid + ask else 0.0


def slope(levels: list[Level] | None) -> Value:
    """Slope of the least-squares line size = α + β · distance, distance relative to the best price of the side.

    >>> slope([(100.0, 1.0), (99.0, 2.0), (98.0, 3.0)])
    100.0
    >>> slope([(100.0, 1.0), (99.0, 2.0)])
    """
    if levels is None or len(levels) < 3:
        return None
    best = levels[0][0]
    distances = [abs(price - best) / best for price, _ in levels]
    sizes = [size for _, size in levels]
    near, typical = mean(distances), mean(sizes)
    away = [distance - near for distance in distances]
    return mean([d * (size - typical) for d, size in zip(away, sizes, strict=True)]) / mean([d * d for d in away])


@every_second(sources=BOOK)
def slope_bid(view: View) -> Value:
    """Growth of the size with the distance over the best ten bid levels; absent with fewer than three."""
    return slope(view.bids)


@every_second(sources=BOOK)
def slope_ask(view: View) -> Value:
    """Growth of the size with the distance over the best ten ask levels; absent with fewer than three."""
    return slope(view.asks)


@every_second(sources=BOOK, window=lambda: 60 * SECOND)
def orderbook_churn_rate(view: View) -> Value:
    """Changes of best bid or best ask a second, over the last 60 s."""
    if view.bids is None or not view.complete("orderbook", 60):
        return None
    return view.churn.count(view.t, 60) / 60
