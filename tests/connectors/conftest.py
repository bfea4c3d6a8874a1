"""Oracles for the connector tests."""

import pytest

from schemas.market import AnyMarketEvent, BookDelta, BookSnapshot


class BruteBook:
    """One symbol's book, kept the slow way, under the sequence rule that ``schemas.market.BookDelta`` states."""

    def __init__(self) -> None:
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}
        self.u: int | None = None
        self.fresh = False
        self.between: float | None = None
        self.stale = self.gaps = self.crossed = self.applied = 0

    def feed(self, event: AnyMarketEvent) -> None:
        if isinstance(event, BookSnapshot):
            self.bids, self.asks = dict(event.bids), dict(event.asks)
            self.u, self.fresh = event.u, True
            self._look_across()
        elif isinstance(event, BookDelta):
            self._delta(event)

    def _look_across(self) -> None:
        """Note a price between the sides; while no bid reaches up to it and no ask down to it, nothing is crossed."""
        if self.bids and self.asks:
            bid, ask = max(self.bids), min(self.asks)
            self.crossed += bid >= ask
            self.between = (bid + ask) / 2

    def _delta(self, event: BookDelta) -> None:
        if self.u is None:
            self.gaps += 1
            return
        if event.u <= self.u:
            self.stale += 1
            return
        first = event.first or event.u
        follows = first <= self.u + 1 if self.fresh else event.prev == self.u
        if not follows:
            self.gaps += 1
            self.u = None
            return
        for levels, side in ((event.bids, self.bids), (event.asks, self.asks)):
            for price, size in levels:
                if size:
                    side[price] = size
                else:
                    side.pop(price, None)
        self.u, self.fresh = event.u, False
        self.applied += 1
        between = self.between
        if (
            between is None
            or any(size and price >= between for price, size in event.bids)
            or any(size and price <= between for price, size in event.asks)
        ):
            self._look_across()


@pytest.fixture
def brute_book() -> type[BruteBook]:
    """A class of slow books that count what is wrong: ``gaps``, ``crossed``, ``stale``."""
    return BruteBook
