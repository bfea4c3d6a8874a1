"""What a feature may look at: the state of one symbol at one whole second."""

from collections.abc import Mapping
from math import fsum
from typing import Literal

from operators.candles import Candles
from operators.churn import Churn
from operators.funding import Estimate, FundingRates
from operators.spans import SECOND
from operators.tape import Tape, Window
from schemas.market import Level

Source = Literal["orderbook", "trades", "kline", "ticker", "funding"]


class View:
    """One symbol at ``t`` (microseconds UTC, a whole second), from all that was received up to ``t``.

    ``bids`` and ``asks`` are the best ten levels as (price, size), best first; both ``None`` while the book is not in
    sync. ``covered`` says, per source, since when nothing of it is missing; ``None`` (or no entry) means that it is
    unsound now. What several features share is worked out once, when first asked for.

    >>> view = View(60 * SECOND, [(99.0, 1.0)], [(101.0, 3.0)])
    >>> view.mid, view.depth("bid", 5), view.window(3)
    (100.0, 1.0, None)
    """

    __slots__ = (
        "_depths", "_windows", "asks", "bids", "candles", "churn", "covered", "funding", "mid", "t", "tape",
    )  # fmt: skip

    def __init__(
        self,
        t: int,
        bids: list[Level] | None = None,
        asks: list[Level] | None = None,
        tape: Tape | None = None,
        churn: Churn | None = None,
        candles: Candles | None = None,
        funding: FundingRates | None = None,
        covered: Mapping[Source, int | None] | None = None,
    ) -> None:
        if t % SECOND:
            raise ValueError(f"features are computed at whole seconds, not at {t}")
        self.t = t
        self.bids = bids
        self.asks = asks
        self.mid = (bids[0][0] + asks[0][0]) / 2 if bids and asks else None
        self.churn = churn if churn is not None else Churn()
        self.tape = tape if tape is not None else Tape()
        self.candles = candles if candles is not None else Candles()
        self.funding = funding if funding is not None else FundingRates()
        self.covered = covered if covered is not None else {}
        self._windows: dict[int, Window | None] = {}
        self._depths: dict[tuple[str, int], float | None] = {}

    def complete(self, source: Source, seconds: int) -> bool:
        """Whether nothing of ``source`` is missing in (t - seconds, t]."""
        since = self.covered.get(source)
        return since is not None and since <= self.t - seconds * SECOND

    def window(self, seconds: int) -> Window | None:
        """The trades of (t - seconds, t]; ``None`` where the tape does not cover them."""
        windows = self._windows
        if seconds not in windows:
            complete = self.complete("trades", seconds)
            windows[seconds] = self.tape.window(self.t, seconds) if complete else None
        return windows[seconds]

    def depth(self, side: Literal["bid", "ask"], levels: int) -> float | None:
        """Size on the best levels of one side, 0.0 when it is empty; ``None`` while the book is not in sync."""
        depths, key = self._depths, (side, levels)
        if key not in depths:
            book = self.bids if side == "bid" else self.asks
            depths[key] = None if book is None else fsum([size for _, size in book[:levels]])
        return depths[key]

    def rate(self) -> Estimate | None:
        """The funding rate in force; ``None`` where its source is unsound."""
        told = self.funding.current(self.t)
        if told is None or (told is self.funding.estimated and self.covered.get(told.source) is None):
            return None
        return told
