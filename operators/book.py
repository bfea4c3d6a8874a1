"""The order book: snapshot plus deltas, kept honest by the venue's update ids."""

from collections.abc import Iterable
from heapq import nlargest, nsmallest
from typing import Any, Literal

from schemas.market import BookDelta, BookSnapshot, Level

Outcome = Literal["applied", "stale", "unsynchronised", "gap", "crossed", "mismatch"]

SORTED = 500
"""Levels up to which sorting all prices is faster than picking the best ones."""


class OrderBook:
    """Price to size for both sides, with the best prices kept as the book changes.

    A delta must follow on from the update id of the book (``delta.prev == book.u``); the first one after a snapshot may
    overlap it (``delta.first <= book.u + 1``). A delta that is older than the book is ``stale`` and changes nothing.
    One that leaves a hole (``gap``), and one after which the best bid is not below the best ask (``crossed``),
    desynchronises the book: it is emptied, and stays ``unsynchronised`` until the next snapshot.

    >>> book = OrderBook()
    >>> book.snapshot_event(BookSnapshot("X", 0, 0, u=7, bids=[(9.0, 1.0), (8.0, 2.0)], asks=[(10.0, 3.0)]))
    'applied'
    >>> book.delta(BookDelta("X", 1, 1, u=8, prev=7, bids=[(9.0, 0.0)], asks=[(9.5, 1.0)]))
    'applied'
    >>> book.best_bid, book.best_ask
    (8.0, 9.5)
    >>> book.delta(BookDelta("X", 2, 2, u=10, prev=9, bids=[], asks=[]))
    'gap'
    >>> book.synchronised
    False
    """

    __slots__ = ("asks", "best_ask", "best_bid", "bids", "bridging", "u")

    def __init__(self) -> None:
        self.u: int | None = None
        self.bridging = False
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}
        self.best_bid: float | None = None
        self.best_ask: float | None = None

    @property
    def synchronised(self) -> bool:
        return self.u is not None

    def snapshot_event(self, event: BookSnapshot) -> Outcome:
        """Replace the book. A keyframe of a book that is synchronised only checks it.

        Returns ``mismatch`` where a keyframe for our own update id shows another book; the keyframe wins.
        """
        if event.keyframe and self.u is not None:
            if event.u != self.u:
                return "stale"
            if dict(event.bids) == self.bids and dict(event.asks) == self.asks:
                return "applied"
            self._load(event)
            return "mismatch"
        self._load(event)
        self.bridging = not event.keyframe
        return "crossed" if self._crossed() else "applied"

    def delta(self, event: BookDelta) -> Outcome:
        """Apply the levels that changed; a size of 0 removes a level."""
        u = self.u
        if u is None:
            return "unsynchronised"
        if event.u <= u:
            return "stale"
        if event.prev != u and not (self.bridging and (event.first or event.u) <= u + 1):
            self.reset()
            return "gap"
        self.bridging = False
        self.u = event.u
        if event.bids:
            self.best_bid = _change_bids(self.bids, event.bids, self.best_bid)
        if event.asks:
            self.best_ask = _change_asks(self.asks, event.asks, self.best_ask)
        return "crossed" if self._crossed() else "applied"

    def reset(self) -> None:
        """Forget everything: the book is unsynchronised until the next snapshot."""
        self.u = None
        self.bridging = False
        self.bids = {}
        self.asks = {}
        self.best_bid = self.best_ask = None

    def top(self, n: int) -> tuple[list[Level], list[Level]]:
        """The best ``n`` levels of each side, best first."""
        bids, asks = self.bids, self.asks
        if len(bids) <= SORTED and len(asks) <= SORTED:
            best_bids, best_asks = sorted(bids, reverse=True)[:n], sorted(asks)[:n]
        else:
            best_bids, best_asks = nlargest(n, bids), nsmallest(n, asks)
        return [(price, bids[price]) for price in best_bids], [(price, asks[price]) for price in best_asks]

    def snapshot(self) -> Any:
        """The state as plain data."""
        return self.u, self.bridging, list(self.bids.items()), list(self.asks.items())

    @classmethod
    def restore(cls, state: Any) -> "OrderBook":
        """The inverse of ``snapshot``."""
        book = cls()
        book.u, book.bridging, bids, asks = state
        book._fill(bids, asks)
        return book

    def _load(self, event: BookSnapshot) -> None:
        self.u = event.u
        self._fill(event.bids, event.asks)

    def _fill(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        self.bids = {price: size for price, size in bids if size}
        self.asks = {price: size for price, size in asks if size}
        self.best_bid = max(self.bids, default=None)
        self.best_ask = min(self.asks, default=None)

    def _crossed(self) -> bool:
        """Empty a crossed book and say so: a sum over it would be a guess."""
        if self.best_bid is None or self.best_ask is None or self.best_bid < self.best_ask:
            return False
        self.reset()
        return True


def _change_bids(side: dict[float, float], changes: list[Level], best: float | None) -> float | None:
    """Apply changes to the bids; returns the best. Only a removal of the best price costs a search."""
    search = False
    for price, size in changes:
        if size:
            side[price] = size
            if best is None or price > best:
                best = price
        elif side.pop(price, None) is not None and price == best:
            search = True
    return max(side, default=None) if search else best


def _change_asks(side: dict[float, float], changes: list[Level], best: float | None) -> float | None:
    """As ``_change_bids``, for the asks. Written out, because this loop is where a replay spends its time."""
    search = False
    for price, size in changes:
        if size:
            side[price] = size
            if best is None or price < best:
                best = price
        elif side.pop(price, None) is not None and price == best:
            search = True
    return min(side, default=None) if search else best
