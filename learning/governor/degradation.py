"""Whether the champion got worse than what it was promoted for."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from learning.governor.force import Held
from learning.governor.marks import Marks, accuracy
from learning.governor.quality import Trades
from schemas.strategy import Strategy

DROP = 0.2
"""The relative drop that the origin system alerts at (contracts: settings section 4)."""
TRADES = 20
"""Closed round trips before their win rate says anything."""


class Measure(NamedTuple):
    """A figure of the champion and what it may not fall below; ``recovers`` is where it counts as well again."""

    name: str
    value: float
    least: float
    recovers: float
    samples: int
    says: str

    @property
    def degraded(self) -> bool:
        return self.value < self.least - 1e-12

    @property
    def well(self) -> bool:
        return self.value >= self.recovers - 1e-12


def measures(
    settings: Strategy, champion: Held, marks: Marks, trades: Trades | None, tested: Mapping[str, float], symbol: str
) -> Iterator[Measure]:
    """The figures of a champion that have a full sample.

    ``accuracy`` over its last ``samples`` outcomes, against the threshold less the margin; ``accuracy_drop``, the same
    against what it reached on the test split, or, where that is unknown, in shadow; ``win_rate`` of its round trips
    against that of its backtest.
    """
    promotion = settings.learning.promotion
    newest = marks.last(promotion.samples, champion.since, symbol)
    if len(newest) == promotion.samples:
        live, least = accuracy(newest), promotion.accuracy - promotion.margin
        text = f"right in {live:.1%} of the last {len(newest)} outcomes"
        yield Measure("accuracy", live, least, promotion.accuracy, len(newest), text)
        promised = tested.get("accuracy") or shadow_accuracy(marks, champion, promotion.samples, symbol)
        if promised:
            floor, back = promised * (1 - DROP), promised * (1 - DROP / 2)
            yield Measure("accuracy_drop", live, floor, back, len(newest), f"{text}, after {promised:.1%} before")
    won = tested.get("trading_win_rate", 0.0)
    trips = trades.closed(champion.version, champion.since) if trades is not None and won else []
    if len(trips) >= TRADES:
        live = sum(trip.net > 0 for trip in trips[-TRADES:]) / TRADES
        text = f"won {live:.1%} of the last {TRADES} round trips, after {won:.1%} in its backtest"
        yield Measure("win_rate", live, won * (1 - DROP), won * (1 - DROP / 2), TRADES, text)


def shadow_accuracy(marks: Marks, champion: Held, samples: int, symbol: str) -> float:
    """What the champion had reached in its last ``samples`` outcomes before it became that; 0 without a full sample."""
    before = [mark for (name, ts), mark in marks.known.items() if ts < champion.since and symbol in ("", name)]
    return accuracy(before[-samples:]) if len(before) >= samples else 0.0
