"""Every book feature against numpy and exact fractions, on drawn books."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.features import FEATURES, View
from operators.spans import SECOND
from tests.operators.oracle_trades import close

T = 1_700_000_000 * SECOND
SIZES = st.integers(1, 10**9).map(lambda parts: parts / 10**6)
BOOK_FEATURES = [
    "mid_price", "spread_abs", "spread_rel", "depth_bid_top5", "depth_bid_top10", "depth_ask_top5", "depth_ask_top10",
    "depth_imbalance_top5", "slope_bid", "slope_ask",
]  # fmt: skip


@st.composite
def books(draw):
    """Up to ten levels a side, best first, no two at one price, never crossed."""
    middle = draw(st.integers(1_000, 10_000_000))
    sides = []
    for sign in (-1, 1):
        steps = draw(st.lists(st.integers(1, 50), max_size=10))
        prices = [(middle + sign * offset) / 100 for offset in np.cumsum(steps)]
        sides.append([(float(price), draw(SIZES)) for price in prices])
    return sides


def book_features(bids, asks):
    """The contract's formulas, written down again."""
    both = bool(bids and asks)
    bid, ask = (bids[0][0], asks[0][0]) if both else (None, None)
    depth = {(name, n): float(np.sum([size for _, size in side[:n]])) for name, side in (("bid", bids), ("ask", asks))
             for n in (5, 10)}  # fmt: skip
    total = depth["bid", 5] + depth["ask", 5]
    return {
        "mid_price": np.mean([bid, ask]) if both else None,
        "spread_abs": ask - bid if both else None,
        "spread_rel": (ask - bid) / np.mean([bid, ask]) if both else None,
        **{f"depth_{name}_top{n}": value for (name, n), value in depth.items()},
        "depth_imbalance_top5": (depth["bid", 5] - depth["ask", 5]) / total if total else 0.0,
        "slope_bid": regression(bids),
        "slope_ask": regression(asks),
    }


def regression(levels):
    """The slope of the least-squares line of size over relative distance, in exact fractions."""
    if len(levels) < 3:
        return None
    prices, sizes = ([Fraction(value) for value in column] for column in zip(*levels, strict=True))
    distances = [abs(price - prices[0]) / prices[0] for price in prices]
    n, sx, sy = len(levels), sum(distances), sum(sizes)
    sxy = sum(x * y for x, y in zip(distances, sizes, strict=True))
    return float((n * sxy - sx * sy) / (n * sum(x * x for x in distances) - sx * sx))


@pytest.mark.req("FS-FR-003.2", "FS-FR-003.4", "TK-FS-09", "TK-FS-10")
@given(books())
def test_every_book_feature_equals_the_oracle(book):
    """Empty and shallow sides included."""
    bids, asks = book
    view = View(T, bids, asks)

    for name, wanted in book_features(bids, asks).items():
        got = FEATURES[name](view)
        # Equal sizes cancel: what is left of them is measured by the steepest slope that the side could have.
        floor = 1e-12 * steepest(book) if name.startswith("slope") else 1e-12
        assert close(got, wanted, floor), (name, got, wanted)


def steepest(book):
    """The largest size over the smallest distance."""
    return max(max(size for _, size in side) * side[0][0] / abs(side[1][0] - side[0][0]) if len(side) > 2 else 0.0
               for side in book)  # fmt: skip


def test_slope_by_hand():
    """Sizes 1, 2, 3 at 0, 1 and 2 per cent from the best price."""
    view = View(T, [(100.0, 1.0), (99.0, 2.0), (98.0, 3.0)], [(101.0, 3.0), (102.01, 2.0), (103.02, 1.0)])

    assert FEATURES["slope_bid"](view) == pytest.approx(100.0, rel=1e-12)
    assert FEATURES["slope_ask"](view) == pytest.approx(-100.0, rel=1e-12)


def test_nothing_is_known_of_a_book_out_of_sync():
    """Absent, not zero."""
    view = View(T, None, None)

    assert {name: FEATURES[name](view) for name in BOOK_FEATURES} == dict.fromkeys(BOOK_FEATURES)
