"""Every feature by brute force, from a plain list of decoded events: what the contract says, read literally.

An oracle: nothing of ``operators`` is used. Books are dicts that are sorted when asked, windows are scans of all
trades, sums and least squares are exact fractions or numpy's, candles are pandas'.
"""

import math
from bisect import bisect_right
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from operator import itemgetter

import numpy as np
import pandas as pd

from schemas.market import AnyMarketEvent, BookDelta, BookSnapshot, Funding, Gap, Kline, Tick, Ticker, Trade
from tests.flows.brute_book import BOOK, Book, book_features
from tests.flows.told import Told
from tests.operators.oracle_candles import candle_features
from tests.operators.oracle_trades import tape_features

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

Value = float | None


class Symbol:
    """One symbol, asked second by second with ``features``; ``t`` must not fall from call to call."""

    def __init__(self, shard: list[Told], symbol: str) -> None:
        mine = [item for item in shard if not isinstance(item.event, Tick) and item.event.symbol == symbol]
        assert not any(isinstance(item.event, Gap) for item in mine), "this oracle knows unbroken recordings only"
        self.heard = [item.clock for item in mine if live(item.event)]
        self.begins = [b for a, b in pairwise([-HOUR, *self.heard]) if b - a > MINUTE]
        self.end = shard[-1].clock
        self.book = Book([item for item in mine if isinstance(item.event, BookSnapshot | BookDelta)])
        trades = [(item.clock, item.event) for item in mine if isinstance(item.event, Trade)]
        assert len({trade.id for _, trade in trades}) == len(trades), "a repeated trade would count once"
        self.trades = [(clock, trade.side, trade.price, trade.size) for clock, trade in trades]
        self.candles = self._candles([item for item in mine if isinstance(item.event, Kline)])
        self.tickers = [(item.clock, item.event) for item in mine if isinstance(item.event, Ticker)]
        self.paid = [(item.event.ts, item.event.rate) for item in mine if isinstance(item.event, Funding)]

    def seconds(self) -> list[int]:
        """The whole seconds at which there must be a vector: the minute after each live event, until the end."""
        found: set[int] = set()
        for clock in self.heard:
            first = -(-clock // SECOND) * SECOND
            found.update(range(first, min(clock + MINUTE, self.end), SECOND))
        return sorted(found)

    def since(self, t: int) -> int:
        """The first event after the last silence of more than a minute."""
        return max(clock for clock in self.begins if clock <= t)

    def features(self, t: int) -> dict[str, Value]:
        """Everything at the whole second ``t``; ``None`` where the look-back is not covered."""
        self.book.until(t)
        bids, asks = self.book.top("bids"), self.book.top("asks")
        mid = (bids[0][0] + asks[0][0]) / 2 if bids and asks else None
        values = book_features(bids, asks, mid) if self.book.since is not None else dict.fromkeys(BOOK)
        values["orderbook_churn_rate"] = self.book.churn(t)
        return values | self._tape(t, mid) | self.candles.features(t) | self._perpetual(t) | calendar(t)

    def _tape(self, t: int, mid: Value) -> dict[str, Value]:
        recent = slice(*(bisect_right(self.trades, end, key=itemgetter(0)) for end in (t - MINUTE, t)))
        covered = t - self.since(t)
        values = tape_features(self.trades[recent], mid, t)
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

    def _perpetual(self, t: int) -> dict[str, Value]:
        paid = sorted(self._settlements(t).items())
        newest = {n: [rate for _, rate in paid[-n:]] if covers(paid, n, t) else None for n in (1, 2, 3)}
        one, two, three = newest.values()
        rate, due = self._in_force(t, paid)
        return {
            "funding_rate": rate,
            "funding_rate_abs": None if rate is None else abs(rate),
            "time_to_funding": None if due is None else max(0.0, (due - t) / SECOND),
            "funding_rate_settled": one and one[0],
            "funding_rate_change": two and two[1] - two[0],
            "funding_rate_ma_3": three and float(sum(map(Fraction, three)) / 3),
        }

    def _in_force(self, t: int, paid: list[tuple[int, float]]) -> tuple[Value, int | None]:
        """(rate, next settlement): the ticker's word of the last hour, else what was paid last."""
        said = [e for clock, e in self.tickers if t - HOUR < clock <= t and e.funding_rate is not None]
        if said:
            return said[-1].funding_rate, said[-1].next_funding
        if covers(paid, 1, t):
            return paid[-1][1], paid[-1][0] + 8 * HOUR
        return None, None

    def _settlements(self, t: int) -> dict[int, float]:
        """What was paid by ``t``: as reported; else, at each announced time, the rate that the ticker said last."""
        found: dict[int, float] = {}
        for due in {e.next_funding for _, e in self.tickers if e.next_funding and e.next_funding <= t}:
            before = [e for clock, e in self.tickers if due - HOUR < clock <= due and e.funding_rate is not None]
            if before and before[-1].next_funding == due:
                found[due] = before[-1].funding_rate
        return found | {ts // MINUTE * MINUTE: rate for ts, rate in self.paid if ts <= t}


class Candles:
    """Closed candles in their order: (known since, start, open, high, low, close, volume)."""

    def __init__(self, rows: list[tuple]) -> None:
        self.known = [row[0] for row in rows]
        self.ends = [row[1] + MINUTE for row in rows]
        assert all(end - before == MINUTE for before, end in pairwise(self.ends)), "a hole"
        columns = ["open", "high", "low", "close", "volume"]
        self.table = candle_features(pd.DataFrame([row[2:] for row in rows], columns=columns, dtype=float))
        self.rows = self.table.astype(object).where(self.table.notna(), None).to_dict("records")

    def features(self, t: int) -> dict[str, Value]:
        """Those of the newest closed candle that is known at ``t`` and ended less than two minutes ago."""
        newest = bisect_right(self.known, t) - 1
        if newest < 0 or self.ends[newest] <= t - 2 * MINUTE:
            return dict.fromkeys(self.table.columns)
        return self.rows[newest]


def covers(paid: list[tuple[int, float]], n: int, t: int) -> bool:
    """Whether the last ``n`` settlements are those of the last ``n`` times eight hours (and ten minutes for delay)."""
    return len(paid) >= n and paid[-n][0] > t - n * 8 * HOUR - 10 * MINUTE


def live(event: AnyMarketEvent) -> bool:
    """Whether the event shows that the symbol is alive: neither history nor our own keyframe."""
    return not (getattr(event, "backfilled", False) or getattr(event, "keyframe", False))


WINDOW = dict.fromkeys(["volume_3s", "signed_volume_3s", "vwap_3s", "returns_3s", "trade_count_3s"], 3)
WINDOW |= dict.fromkeys(["net_aggressor_pressure", "buy_sell_volume_ratio"], 3) | {"returns_1s": 1}
WINDOW |= dict.fromkeys(["volume_15s", "signed_volume_15s", "vwap_15s"], 15)
WINDOW |= dict.fromkeys(["volume_1m", "signed_volume_1m", "vwap_1m", "returns_1m", "volatility_1m"], 60)
"""Seconds of trades that a feature looks back on."""


def calendar(t: int) -> dict[str, Value]:
    """Hour and weekday as points on a circle."""
    now = datetime.fromtimestamp(t // SECOND, UTC)
    hour, day = 2 * math.pi * now.hour / 24, 2 * math.pi * now.weekday() / 7
    names = ("time_of_day", "hour_of_day")
    values: dict[str, Value] = {f"{name}_sin": math.sin(hour) for name in names}
    values |= {f"{name}_cos": math.cos(hour) for name in names}
    return values | {"day_of_week_sin": math.sin(day), "day_of_week_cos": math.cos(day)}
