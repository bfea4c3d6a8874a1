"""A book and its features by brute force: two dicts, sorted when asked, and exact fractions. Uses no operator."""

from fractions import Fraction

from schemas.market import BookDelta, BookSnapshot
from tests.flows.told import Told

MINUTE = 60_000_000

Value = float | None
Levels = list[tuple[float, float]]


class Book:
    """A book of two dicts; the sequence is asserted, because these recordings have no hole."""

    def __init__(self, changes: list[Told]) -> None:
        self.changes = changes
        self.sides: dict[str, dict[float, float]] = {"bids": {}, "asks": {}}
        self.best: tuple[Value, Value] = (None, None)
        self.u: int | None = None
        self.since: int | None = None
        self.fresh = False
        self.moves: list[int] = []
        self.deltas = self.done = 0

    def until(self, t: int) -> None:
        """Apply what counts up to ``t``."""
        while self.done < len(self.changes) and self.changes[self.done].clock <= t:
            clock, event = self.changes[self.done][1:]
            self.done += 1
            known, before = self.since is not None, self.best
            if isinstance(event, BookSnapshot):
                self._snapshot(event, clock)
            elif self.u is not None and event.u > self.u:  # type: ignore[union-attr]
                self._delta(event)  # type: ignore[arg-type]
            self.best = bid, ask = max(self.sides["bids"], default=None), min(self.sides["asks"], default=None)
            assert bid is None or ask is None or bid < ask, f"crossed at {clock}: {self.best}"
            if known and self.best != before:
                self.moves.append(clock)

    def _snapshot(self, event: BookSnapshot, clock: int) -> None:
        if event.keyframe and self.u == event.u:
            assert (dict(event.bids), dict(event.asks)) == (self.sides["bids"], self.sides["asks"])
            return
        assert not event.keyframe or self.u is None, f"a keyframe of another book at {clock}"
        self.sides = {"bids": dict(event.bids), "asks": dict(event.asks)}
        self.u, self.fresh = event.u, True
        self.since = clock if self.since is None else self.since

    def _delta(self, event: BookDelta) -> None:
        follows = event.prev == self.u or (self.fresh and (event.first or event.u) <= self.u + 1)  # type: ignore[operator]
        assert follows, f"a hole before {event.u}"
        self.u, self.fresh, self.deltas = event.u, False, self.deltas + 1
        for side, levels in (("bids", event.bids), ("asks", event.asks)):
            self.sides[side].update(levels)
            for price, size in levels:
                if not size:
                    del self.sides[side][price]

    def top(self, side: str) -> Levels:
        """The best ten levels, best first."""
        return sorted(self.sides[side].items(), reverse=side == "bids")[:10]

    def churn(self, t: int) -> Value:
        """Changes of the best prices a second, over the last minute."""
        if self.since is None or self.since > t - MINUTE:
            return None
        return len([clock for clock in self.moves if t - MINUTE < clock <= t]) / 60


BOOK = ["mid_price", "spread_abs", "spread_rel", "slope_bid", "slope_ask", "depth_imbalance_top5"]
BOOK += ["depth_bid_top5", "depth_bid_top10", "depth_ask_top5", "depth_ask_top10"]


def book_features(bids: Levels, asks: Levels, mid: Value) -> dict[str, Value]:
    """What the best ten levels of both sides say."""
    values: dict[str, Value] = {"mid_price": mid, "slope_bid": slope(bids), "slope_ask": slope(asks)}
    spread = asks[0][0] - bids[0][0] if bids and asks else None
    values |= {"spread_abs": spread, "spread_rel": spread / mid if spread is not None and mid else None}
    sizes = {"bid": [Fraction(size) for _, size in bids], "ask": [Fraction(size) for _, size in asks]}
    for side, of_side in sizes.items():
        values |= {f"depth_{side}_top{n}": float(sum(of_side[:n])) for n in (5, 10)}
    bid, ask = sum(sizes["bid"][:5]), sum(sizes["ask"][:5])
    values["depth_imbalance_top5"] = float((bid - ask) / (bid + ask)) if bid + ask else 0.0
    return values


def slope(levels: Levels) -> Value:
    """The least-squares slope of size against relative distance, by the normal equations, in exact fractions."""
    n = len(levels)
    if n < 3:
        return None
    best = Fraction(levels[0][0])
    x = [abs(Fraction(price) - best) for price, _ in levels]
    y = [Fraction(size) for _, size in levels]
    xy, xx = sum(a * b for a, b in zip(x, y, strict=True)), sum(a * a for a in x)
    return float((n * xy - sum(x) * sum(y)) / (n * xx - sum(x) ** 2) * best)
