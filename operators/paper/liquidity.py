"""What is left of a book after our own orders took from it."""

from typing import Any

from operators.book import OrderBook
from operators.paper.grid import whole_steps
from schemas.market import Level, Side


class Liquidity:
    """Sizes that our orders took from displayed levels of one book.

    The log does not know of our orders: a level that we emptied is still displayed. What we took of it stays taken
    until the level itself changes or goes, so that nothing is taken twice.

    >>> liquidity, book = Liquidity(), OrderBook()
    >>> book.asks = {10.0: 2.0, 11.0: 5.0}
    >>> liquidity.take(book, "buy", 3.0)
    [(10.0, 2.0), (11.0, 1.0)]
    >>> liquidity.take(book, "buy", 3.0, limit=10.0)
    []
    >>> book.asks[10.0] = 2.5
    >>> liquidity.take(book, "buy", 3.0, limit=10.0)
    [(10.0, 2.5)]
    """

    def __init__(self) -> None:
        self.taken: dict[Side, dict[float, Level]] = {"buy": {}, "sell": {}}

    @property
    def used(self) -> bool:
        """Whether anything is taken."""
        return any(self.taken.values())

    def take(self, book: OrderBook, side: Side, size: float, limit: float | None = None) -> list[Level]:
        """Take up to ``size`` from the opposite side, best level first and none beyond ``limit``: (price, size)."""
        self.refresh(book)
        taken, levels = self.taken[side], book.asks if side == "buy" else book.bids
        parts = []
        for price in sorted(levels, reverse=side == "sell"):
            if size <= 0 or (limit is not None and (price > limit if side == "buy" else price < limit)):
                break
            shown, used = taken.get(price, (levels[price], 0.0))
            part = whole_steps(min(size, shown - used))
            if part > 0:
                taken[price] = shown, used + part
                parts.append((price, part))
                size = whole_steps(size - part)
        return parts

    def refresh(self, book: OrderBook | None) -> None:
        """Forget what was taken of levels that are not what they were."""
        for side, taken in self.taken.items():
            if taken:
                levels = {} if book is None else book.asks if side == "buy" else book.bids
                self.taken[side] = {price: used for price, used in taken.items() if levels.get(price) == used[0]}

    def snapshot(self) -> Any:
        """The state as plain data: (price, size shown, size taken) of both sides."""
        return [[(price, *level) for price, level in taken.items()] for taken in self.taken.values()]

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        for side, levels in zip(self.taken, state, strict=True):
            self.taken[side] = {price: (shown, used) for price, shown, used in levels}


def opposite_best(book: OrderBook, side: Side) -> float:
    """The best price that an order of ``side`` could trade at; ``Quotes.book`` gives no book without one."""
    price = book.best_ask if side == "buy" else book.best_bid
    assert price is not None
    return price


def displayed(book: OrderBook, side: Side, price: float) -> float | None:
    """What is displayed at ``price`` on an order's own side; None beyond the last level, where nobody knows."""
    levels = book.bids if side == "buy" else book.asks
    if price in levels:
        return levels[price]
    inside = price > min(levels) if side == "buy" else price < max(levels)
    return 0.0 if inside else None
