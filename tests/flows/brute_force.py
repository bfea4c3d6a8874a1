"""Every feature by brute force, from a plain list of decoded events: what the contract says, read literally.

An oracle: nothing of ``operators`` is used. Books are dicts that are sorted when asked, windows are scans of all
trades, sums and least squares are exact fractions or numpy's, candles are pandas'.
"""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pandas as pd

from schemas.market import AnyEvent, BookDelta, BookSnapshot, Funding, Gap, Kline, Tick, Ticker, Trade
from tests.operators.oracle_candles import candle_features
from tests.operators.oracle_trades import tape_features

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

Value = float | None
Levels = list[tuple[float, float]]


class Told(NamedTuple):
    """An event at its place in the shard; ``clock`` is the greatest ``recv`` up to it, microseconds UTC."""

    offset: int
    clock: int
    event: AnyEvent


def told(events: Iterable[tuple[int, AnyEvent]]) -> list[Told]:
    """The events of a shard, each with the clock at which it counts."""
    clock, found = 0, []
    for offset, event in events:
        clock = max(clock, event.recv)
        found.append(Told(offset, clock, event))
    return found


class Symbol:
    """One symbol, asked second by second with ``features``; ``t`` must not fall from call to call."""

    def __init__(self, shard: list[Told], symbol: str) -> None:
        mine = [item for item in shard if not isinstance(item.event, Tick) and item.event.symbol == symbol]
        assert not any(isinstance(item.event, Gap) for item in mine), "this oracle knows unbroken recordings only"
        self.heard = [item.clock for item in mine if live(item.event)]
        self.end = shard[-1].clock
        self.book = Book([item for item in mine if isinstance(item.event, BookSnapshot | BookDelta)])
        trades = [(item.clock, item.event) for item in mine if isinstance(item.event, Trade)]
        assert len({trade.id for _, trade in trades}) == len(trades), "a repeated trade would count once"
        self.trades = [(clock, trade.side, trade.price, trade.size) for clock, trade in trades]
        self.candles = self._candles([item for item in mine if isinstance(item.event, Kline)])
        self.tickers = [(item.clock, item.event) for item in mine if isinstance(item.event, Ticker)]
        self.paid = [(item.event.ts, item.event.rate) for item in mine if isinstance(item.event, Funding)]
        self.recent = 0

    def seconds(self) -> list[int]:
        """The whole seconds at which there must be a vector: the minute after each live event, until the end."""
        first = -(-self.heard[0] // SECOND) * SECOND
        return [t for t in range(first, self.end, SECOND) if t - self.last_heard(t) < MINUTE]

    def last_heard(self, t: int) -> int:
        return self.heard[np.searchsorted(self.heard, t, side="right") - 1]

    def since(self, t: int) -> int:
        """The first event after the last silence of a minute."""
        number = int(np.searchsorted(self.heard, t, side="right")) - 1
        while number and self.heard[number] - self.heard[number - 1] < MINUTE:
            number -= 1
        return self.heard[number]

    def features(self, t: int) -> dict[str, Value]:
        """Everything at the whole second ``t``; ``None`` where the look-back is not covered."""
        self.book.until(t)
        bids, asks = self.book.top("bids"), self.book.top("asks")
        mid = (bids[0][0] + asks[0][0]) / 2 if bids and asks else None
        values = book_features(bids, asks, mid) if self.book.since is not None else dict.fromkeys(BOOK)
        values["orderbook_churn_rate"] = self.book.churn(t)
        return values | self._tape(t, mid) | self._of_candles(t) | self._perpetual(t) | calendar(t)

    def _tape(self, t: int, mid: Value) -> dict[str, Value]:
        while self.recent < len(self.trades) and self.trades[self.recent][0] <= t - 2 * MINUTE:
            self.recent += 1
        upto = [trade for trade in self.trades[self.recent :] if trade[0] <= t]
        covered = t - self.since(t)
        values = tape_features(upto, mid, t)
        return {name: value if WINDOW[name] * SECOND <= covered else None for name, value in values.items()}

    def _candles(self, klines: list[Told]) -> "Candles":
        """The venue's closed candles; where it sends none, those of the minutes whose trades are all known."""
        if klines:
            rows = [
                (item.clock, e.start, e.open, e.high, e.low, e.close, e.volume)
                for item in klines
                if (e := item.event).closed  # type: ignore[union-attr]
            ]
            return Candles(rows)
        rows = []
        for end in range(-(-self.heard[0] // MINUTE) * MINUTE, self.end, MINUTE):
            inside = [(price, size) for clock, _, price, size in self.trades if end - MINUTE < clock <= end]
            if self.since(end) <= end - MINUTE and inside:
                price, size = np.array(inside).T
                rows.append((end, end - MINUTE, price[0], price.max(), price.min(), price[-1], math.fsum(size)))
        return Candles(rows)

    def _of_candles(self, t: int) -> dict[str, Value]:
        return self.candles.features(t)

    def _perpetual(self, t: int) -> dict[str, Value]:
        names = ("funding_rate", "funding_rate_abs", "time_to_funding", "funding_rate_settled")
        values: dict[str, Value] = dict.fromkeys((*names, "funding_rate_ma_3", "funding_rate_change"))
        paid = sorted(self._settlements(t).items())
        rates = [rate for _, rate in paid]
        for n, name in ((1, "funding_rate_settled"), (2, "funding_rate_change"), (3, "funding_rate_ma_3")):
            if len(paid) >= n and paid[-n][0] > t - n * 8 * HOUR - 10 * MINUTE:
                mean = float(sum(map(Fraction, rates[-n:])) / n)
                values[name] = {1: rates[-1], 2: rates[-1] - rates[-2] if n == 2 else None, 3: mean}[n]
        force = self._in_force(t, paid)
        if force is not None:
            rate, due = force
            values |= {"funding_rate": rate, "funding_rate_abs": abs(rate)}
            values["time_to_funding"] = max(0.0, (due - t) / SECOND)
        return values

    def _in_force(self, t: int, paid: list[tuple[int, float]]) -> tuple[float, int] | None:
        """(rate, next settlement): the ticker's word of the last hour, else what was paid last."""
        said = [e for clock, e in self.tickers if t - HOUR < clock <= t and e.funding_rate is not None]
        if said:
            return said[-1].funding_rate, said[-1].next_funding
        if paid and paid[-1][0] > t - 8 * HOUR - 10 * MINUTE:
            return paid[-1][1], paid[-1][0] + 8 * HOUR
        return None

    def _settlements(self, t: int) -> dict[int, float]:
        """What was paid by ``t``: as reported; else, at each announced time, the rate that the ticker said last."""
        found: dict[int, float] = {}
        for due in {e.next_funding for _, e in self.tickers if e.next_funding and e.next_funding <= t}:
            before = [e for clock, e in self.tickers if due - HOUR < clock <= due and e.funding_rate is not None]
            if before and before[-1].next_funding == due:
                found[due] = before[-1].funding_rate
        return found | {ts // MINUTE * MINUTE: rate for ts, rate in self.paid if ts <= t}


class Book:
    """A book of two dicts; the sequence is asserted, because these recordings have no hole."""

    def __init__(self, changes: list[Told]) -> None:
        self.changes = changes
        self.sides: dict[str, dict[float, float]] = {"bids": {}, "asks": {}}
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
            before = self._best() if self.since is not None else None
            if isinstance(event, BookSnapshot):
                self._snapshot(event, clock)
            elif self.u is not None and event.u > self.u:  # type: ignore[union-attr]
                self._delta(event)  # type: ignore[arg-type]
            best = self._best()
            assert None in best or best[0] < best[1], f"crossed at {clock}: {best}"  # type: ignore[operator]
            if before is not None and best != before:
                self.moves.append(clock)

    def _snapshot(self, event: BookSnapshot, clock: int) -> None:
        if event.keyframe and self.u == event.u:
            assert (dict(event.bids), dict(event.asks)) == (self.sides["bids"], self.sides["asks"])
            return
        self.sides = {"bids": dict(event.bids), "asks": dict(event.asks)}
        self.u, self.fresh = event.u, True
        self.since = clock if self.since is None else self.since

    def _delta(self, event: BookDelta) -> None:
        follows = event.prev == self.u or (self.fresh and event.first <= self.u + 1)  # type: ignore[operator]
        assert follows, f"a hole before {event.u}"
        self.u, self.fresh, self.deltas = event.u, False, self.deltas + 1
        for side, levels in (("bids", event.bids), ("asks", event.asks)):
            self.sides[side].update(levels)
            for price, size in levels:
                if not size:
                    del self.sides[side][price]

    def _best(self) -> tuple[Value, Value]:
        return max(self.sides["bids"], default=None), min(self.sides["asks"], default=None)

    def top(self, side: str) -> Levels:
        """The best ten levels, best first."""
        return sorted(self.sides[side].items(), reverse=side == "bids")[:10]

    def churn(self, t: int) -> Value:
        """Changes of the best prices a second, over the last minute."""
        if self.since is None or self.since > t - MINUTE:
            return None
        return len([clock for clock in self.moves if t - MINUTE < clock <= t]) / 60


class Candles:
    """Closed candles in their order: (known since, start, open, high, low, close, volume)."""

    def __init__(self, rows: list[tuple]) -> None:
        self.known = [row[0] for row in rows]
        self.ends = [row[1] + MINUTE for row in rows]
        assert all(end - before == MINUTE for before, end in zip(self.ends, self.ends[1:], strict=False)), "a hole"
        columns = ["open", "high", "low", "close", "volume"]
        self.table = candle_features(pd.DataFrame([row[2:] for row in rows], columns=columns, dtype=float))
        self.rows = self.table.astype(object).where(self.table.notna(), None).to_dict("records")

    def features(self, t: int) -> dict[str, Value]:
        """Those of the newest closed candle that is known at ``t`` and ended less than two minutes ago."""
        newest = int(np.searchsorted(self.known, t, side="right")) - 1
        if newest < 0 or self.ends[newest] <= t - 2 * MINUTE:
            return dict.fromkeys(self.table.columns)
        return self.rows[newest]


def live(event: AnyEvent) -> bool:
    """Whether the event shows that the symbol is alive: neither history nor our own keyframe."""
    return not (getattr(event, "backfilled", False) or getattr(event, "keyframe", False))


WINDOW = dict.fromkeys(["volume_3s", "signed_volume_3s", "vwap_3s", "returns_3s", "trade_count_3s"], 3)
WINDOW |= dict.fromkeys(["net_aggressor_pressure", "buy_sell_volume_ratio"], 3) | {"returns_1s": 1}
WINDOW |= dict.fromkeys(["volume_15s", "signed_volume_15s", "vwap_15s"], 15)
WINDOW |= dict.fromkeys(["volume_1m", "signed_volume_1m", "vwap_1m", "returns_1m", "volatility_1m"], 60)
"""Seconds of trades that a feature looks back on."""

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


def calendar(t: int) -> dict[str, Value]:
    """Hour and weekday as points on a circle."""
    now = datetime.fromtimestamp(t // SECOND, UTC)
    hour, day = 2 * math.pi * now.hour / 24, 2 * math.pi * now.weekday() / 7
    names = ("time_of_day", "hour_of_day")
    values: dict[str, Value] = {f"{name}_sin": math.sin(hour) for name in names}
    values |= {f"{name}_cos": math.cos(hour) for name in names}
    return values | {"day_of_week_sin": math.sin(day), "day_of_week_cos": math.cos(day)}
