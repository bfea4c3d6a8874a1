"""The minutes of a shard by brute force: every figure by scanning all events again, as the definitions read.

An oracle: of ``operators`` only the market stage's own records are taken as given (repeated trades, gaps, lost books).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from schemas.market import BookDelta, BookSnapshot, Funding, Kline, Ticker, Trade
from schemas.quality import QualityRecord
from tests.flows.told import Told

SECOND = 1_000_000
MINUTE = 60 * SECOND
FORGET = 10 * MINUTE
CHANNEL = {
    BookDelta: "orderbook", BookSnapshot: "orderbook", Trade: "trades", Kline: "kline", Ticker: "ticker",
    Funding: "funding",
}  # fmt: skip
ANOMALIES = {
    "book.crossed": "orderbook", "keyframe.mismatch": "orderbook", "book.empty": "orderbook",
    "trade.spike": "trades", "trade.volume": "trades", "candle.impossible": "kline",
}  # fmt: skip
Key = tuple[str, int]


def ceiling(clock: int) -> int:
    return -(-clock // MINUTE) * MINUTE


def is_live(event: Any) -> bool:
    if getattr(event, "backfilled", False) or getattr(event, "keyframe", False):
        return False
    return not (isinstance(event, Funding) and event.settled)


class Heard:
    """The live events of one channel of one symbol, cut into lives: ten silent minutes end one."""

    def __init__(self, items: list[Told]) -> None:
        self.lives: list[list[Told]] = []
        for item in items:
            if not self.lives or ceiling(self.lives[-1][-1].clock + FORGET) < item.clock:
                self.lives.append([])
            self.lives[-1].append(item)

    def life(self, end: int) -> list[Told]:
        """The events up to ``end`` of the life that lasts in the minute up to ``end``; a life ends with the minute in
        which ten silent ones are full. Nothing, where there is none."""
        for life in self.lives:
            known = [item for item in life if item.clock <= end]
            if known and end <= ceiling(known[-1].clock + FORGET):
                return known
        return []


def channel_minute(life: list[Told], end: int, pulse: bool) -> dict[str, int]:
    """received, expected, missing, silence of the minute up to ``end``."""
    begin = end - MINUTE
    clocks = [item.clock for item in life]
    inside = [clock for clock in clocks if begin < clock]
    silences = [later - earlier for earlier, later in pairwise(clocks) if later > begin]
    silences.append(end - clocks[-1])
    expected = missing = 0
    if pulse:
        seconds = {-(-clock // SECOND) for clock in clocks}
        for second in range(begin // SECOND + 1, end // SECOND + 1):
            if second < min(seconds):
                continue
            expected += 1
            if second in seconds:
                continue
            before = max(clock for clock in clocks if clock <= (second - 1) * SECOND)
            after = min((clock for clock in clocks if clock > second * SECOND), default=end)
            missing += min(after, end) - before > 3 * SECOND
    return {"received": len(inside), "expected": expected, "missing": missing, "silence": max(silences)}


def skewed(event: Any) -> bool:
    return not -SECOND <= event.recv - event.ts <= 60 * SECOND


def late(life: list[Told], begin: int) -> int:
    """Events in (begin, ...] of an earlier exchange time than one before them in the same life."""
    count = 0
    for place, item in enumerate(life):
        if item.clock > begin and not skewed(item.event):
            before = [one.event.ts for one in life[:place] if not skewed(one.event)]
            count += bool(before) and item.event.ts < max(before)
    return count


def repeated(name: str, life: list[Told], begin: int) -> int:
    """Deltas and tickers that say the same again; candles whose minute was told in the last ten minutes."""
    count = 0
    if name == "orderbook":
        deltas = [item for item in life if isinstance(item.event, BookDelta)]
        count = sum(two.clock > begin and one.event.u == two.event.u for one, two in pairwise(deltas))
    elif name == "ticker":
        for place, item in enumerate(life):
            before = [one.event.ts for one in life[:place] if not skewed(one.event)]
            count += item.clock > begin and bool(before) and item.event.ts == max(before)
    return count


def spikes(trades: Iterable[tuple[int, float]]) -> list[int]:
    """The clocks of the trades whose price is a spike; trades as (clock, price) in order."""
    closes: dict[int, float] = {}
    found = []
    for clock, price in trades:
        second = -(-clock // SECOND)
        known = sorted(one for one in closes if second - 300 < one < second)
        if known and known[-1] >= second - 10:
            prices = np.array([closes[one] for one in known])
            move = price / prices[-1] - 1
            moves = prices[1:] / prices[:-1] - 1
            score = 0.0
            if len(moves) >= 30:
                spread = 1.4826 * np.median(np.abs(moves - np.median(moves)))
                score = abs(move - np.median(moves)) / max(spread, 2.5e-4)
            if abs(move) > 7.5e-4 and (score > 6 or abs(move) > 0.05):
                found.append(clock)
        closes[second] = price
    return found


def minutes(shard: list[Told], told: list[QualityRecord]) -> dict[Key, dict[str, Any]]:
    """(symbol, end) -> channels by name with ``received``, ``expected``, ``missing``, ``silence``, ``late``,
    ``duplicates``, ``gaps``; and ``spikes``, ``skew`` of the symbol. Candles' expectations are left out."""
    heard: dict[tuple[str, str], list[Told]] = defaultdict(list)
    for item in shard:
        name = CHANNEL.get(type(item.event))
        if name and is_live(item.event):
            heard[item.event.symbol, name].append(item)
    lives = {key: Heard(items) for key, items in heard.items()}
    last = shard[-1].clock
    found: dict[Key, dict[str, Any]] = {}
    for symbol in sorted({symbol for symbol, _ in heard}):
        of = {name: lives[symbol, name] for name in CHANNEL.values() if (symbol, name) in lives}
        counted = Counter((ceiling(one.ts), one.problem) for one in told if one.symbol == symbol)
        gaps = Counter(
            (ceiling(one.ts), one.detail["channel"]) for one in told if one.problem == "gap" and one.symbol == symbol
        )
        holes: Counter[int] = Counter()
        for one in told:
            if one.symbol == symbol and one.problem == "candle.hole":
                holes[ceiling(one.ts)] += int(one.detail["minutes"])
        broken = Counter(
            ceiling(one.ts)
            for one in told
            if one.symbol == symbol and one.detail.get("reason") == "gap" and one.problem == "book.desynchronised"
        )
        for end in range(ceiling(shard[0].clock), last, MINUTE):
            channels = {}
            for name, one in of.items():
                if life := one.life(end):
                    counts = channel_minute(life, end, name in ("orderbook", "ticker"))
                    counts["late"] = late(life, end - MINUTE)
                    counts["duplicates"] = repeated(name, life, end - MINUTE)
                    if name == "trades":
                        counts["duplicates"] = counted[end, "trade.duplicate"]
                    counts["gaps"] = gaps[end, name] + (broken[end] if name == "orderbook" else 0)
                    counts["gaps"] += holes[end] if name == "kline" else 0
                    channels[name] = counts
            if channels:
                inside = [
                    item.event.recv - item.event.ts
                    for name in of
                    for item in heard[symbol, name]
                    if end - MINUTE < item.clock <= end
                ]
                found[symbol, end] = {"channels": channels, "skew": max((abs(one) for one in inside), default=0)}
    return found
