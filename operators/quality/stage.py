"""The quality stage: what came, what did not, and what cannot be true, counted by the minute."""

from collections.abc import Callable
from typing import Any

from operators.engine import Cursor
from operators.market import MarketStage
from operators.quality.candle import flaw
from operators.quality.channel import HEARD, SKEWED
from operators.quality.symbol import FORGET, STALE, Watched
from operators.spans import MINUTE
from schemas.market import BookDelta, BookSnapshot, Funding, Kline, Tick, Ticker, Trade
from schemas.market import Channel as Name
from schemas.quality import Problem, QualityRecord

LOOKBACK = FORGET + 5 * MINUTE
"""How far back, in microseconds, a replay must begin to find the same records: what is forgotten last, and a minute."""

Detail = dict[str, int | float | str]
BOOK_ANOMALIES: frozenset[Problem] = frozenset({"book.crossed", "keyframe.mismatch"})


class QualityStage:
    """Writes a ``QualityMinute`` for each symbol and minute, and a ``QualityRecord`` for what cannot be true.

    It stands behind every other stage, so that the places of their records do not change, and passes everything on.
    What the market stage said of books, gaps and repeated trades is counted as it comes by; beside that it looks at
    prices, sizes, candles, times, and at what is silent. The minute (t - 60 s, t] is written by the first event behind
    it, for the symbols of which anything was heard in the last ten minutes.

    Everything is a pure function of a bounded look-back, ``LOOKBACK`` microseconds.

    Args:
        cursor: names the records.
        market: where the clock and the books are.
    """

    layout = 1
    takes = frozenset({BookDelta, BookSnapshot, Trade, Kline, Ticker, Funding, Tick, QualityRecord})

    def __init__(self, cursor: Cursor, market: MarketStage) -> None:
        self.cursor = cursor
        self.market = market
        self.end = 0
        """When the minute ends that is being counted."""
        self.symbols: dict[str, Watched] = {}
        self._take: dict[type, Callable[[Any, int, list[Any]], None]] = {
            BookDelta: self._delta,
            BookSnapshot: self._snapshot,
            Trade: self._trade,
            Kline: self._kline,
            Ticker: self._ticker,
            Funding: self._funding,
            Tick: self._tick,
            QualityRecord: self._told,
        }

    def feed(self, record: Any, out: list[Any]) -> None:
        """Write the minutes that ended before ``record``, count it, and pass it on."""
        take = self._take.get(type(record))
        if take is not None:
            clock = self.market.clock or 0
            if clock > self.end:
                self._close(clock, out)
            take(record, clock, out)
        out.append(record)

    def snapshot(self) -> Any:
        """The state as plain data."""
        return self.end, [(symbol, watched.snapshot()) for symbol, watched in self.symbols.items()]

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        self.end, symbols = state
        self.symbols = {symbol: Watched.restore(data) for symbol, data in symbols}

    # --- the clock ---

    def _close(self, clock: int, out: list[Any]) -> None:
        """Write the minutes before ``clock``; once every symbol is forgotten, go straight to the one it lies in."""
        while self.end < clock and self.symbols:
            for symbol in sorted(self.symbols):
                out.append(self.symbols[symbol].minute(symbol, self.end, self.cursor.next()))
            self.symbols = {symbol: watched for symbol, watched in self.symbols.items() if watched.known}
            self.end += MINUTE
        self.end = -(-clock // MINUTE) * MINUTE

    def _tick(self, tick: Tick, clock: int, out: list[Any]) -> None:
        """A second passed: who is silent, which book has lost a side?"""
        if clock <= self.end - MINUTE:
            # Only the first tick of a log turns the clock back: what came before had but its own word for its time.
            self.symbols.clear()
            self.end = -(-clock // MINUTE) * MINUTE
        for symbol in sorted(self.symbols):
            watched = self.symbols[symbol]
            for name, limit in STALE.items():
                channel = watched.channels[name]
                if clock - channel.last > limit and channel.known and not channel.stale:
                    channel.stale = True
                    detail: Detail = {"channel": name, "silence": clock - channel.last}
                    out.append(self._record(symbol, clock, "channel.stale", detail))
            self._look_at_book(symbol, watched, clock, out)

    def _look_at_book(self, symbol: str, watched: Watched, clock: int, out: list[Any]) -> None:
        state = self.market.symbols.get(symbol)
        if state is None or not state.book.synchronised:
            return
        book = state.book
        empty = book.best_bid is None or book.best_ask is None
        if empty and not watched.empty and watched.orderbook.known:
            watched.anomaly("orderbook", "book.empty")
            detail: Detail = {"bids": len(book.bids), "asks": len(book.asks)}
            out.append(self._record(symbol, clock, "book.empty", detail))
        watched.empty = empty

    # --- the events ---

    def _delta(self, event: BookDelta, clock: int, out: list[Any]) -> None:
        watched = self.symbols.get(event.symbol) or self._begin(event.symbol)
        channel = watched.orderbook
        if news := channel.hear(clock, event.recv, event.ts):
            self._unusual(news, event, "orderbook", clock, out)
        if event.u == watched.u:
            channel.duplicates += 1
        watched.u = event.u

    def _snapshot(self, event: BookSnapshot, clock: int, out: list[Any]) -> None:
        watched = self.symbols.get(event.symbol) or self._begin(event.symbol)
        if not event.keyframe and (news := watched.orderbook.hear(clock, event.recv, event.ts)):
            self._unusual(news, event, "orderbook", clock, out)
        if watched.blind_since is not None and self.market.symbols[event.symbol].book.synchronised:
            watched.found(clock)

    def _trade(self, event: Trade, clock: int, out: list[Any]) -> None:
        if event.backfilled:
            return
        watched = self.symbols.get(event.symbol) or self._begin(event.symbol)
        if news := watched.trades.hear(clock, event.recv, event.ts):
            self._unusual(news, event, "trades", clock, out)
        if watched.repeated:
            watched.repeated = False
            return
        spike = watched.closes.spike(clock, event.price)
        if spike is not None:
            watched.anomaly("trades", "trade.spike")
            if watched.first("trade.spike", watched.closes.end):
                detail: Detail = {"id": event.id, "price": event.price, "move": spike.move, "score": spike.score}
                out.append(self._record(event.symbol, clock, "trade.spike", detail))
        if not 0 < event.size <= watched.largest:
            watched.anomaly("trades", "trade.volume")
            if watched.first("trade.volume", watched.closes.end):
                detail = {"id": event.id, "size": event.size}
                if event.size:
                    detail["volume_24h"] = watched.largest
                out.append(self._record(event.symbol, clock, "trade.volume", detail))

    def _kline(self, event: Kline, clock: int, out: list[Any]) -> None:
        if event.backfilled:
            if event.closed and (known := self.symbols.get(event.symbol)):
                known.starts.add(clock, event.start)
            return
        watched = self.symbols.get(event.symbol) or self._begin(event.symbol)
        if news := watched.kline.hear(clock, event.recv, event.ts):
            self._unusual(news, event, "kline", clock, out)
        if event.closed:
            self._candle(event, watched, clock, out)

    def _candle(self, event: Kline, watched: Watched, clock: int, out: list[Any]) -> None:
        if reason := flaw(event):
            watched.anomaly("kline", "candle.impossible")
            wrong: Detail = {"start": event.start, "reason": reason}
            out.append(self._record(event.symbol, clock, "candle.impossible", wrong))
        holes = watched.starts.holes(event.start)
        if not watched.starts.add(clock, event.start):
            watched.kline.duplicates += 1
        elif holes > 0:
            watched.kline.gaps += holes
            detail: Detail = {"minutes": holes, "from": event.start - holes * MINUTE, "to": event.start}
            out.append(self._record(event.symbol, clock, "candle.hole", detail))

    def _ticker(self, event: Ticker, clock: int, out: list[Any]) -> None:
        watched = self.symbols.get(event.symbol) or self._begin(event.symbol)
        channel = watched.ticker
        if event.ts == channel.ts:
            channel.duplicates += 1
        if news := channel.hear(clock, event.recv, event.ts):
            self._unusual(news, event, "ticker", clock, out)
        if event.volume_24h:
            watched.largest = event.volume_24h

    def _funding(self, event: Funding, clock: int, out: list[Any]) -> None:
        if event.backfilled or event.settled:
            return
        watched = self.symbols.get(event.symbol) or self._begin(event.symbol)
        if news := watched.channels["funding"].hear(clock, event.recv, event.ts):
            self._unusual(news, event, "funding", clock, out)

    def _told(self, record: QualityRecord, clock: int, out: list[Any]) -> None:
        """Count what the market stage found."""
        problem = record.problem
        if problem == "trade.duplicate":
            watched = self.symbols.get(record.symbol) or self._begin(record.symbol)
            watched.repeated = True
            watched.trades.duplicates += 1
        elif problem == "gap":
            self._gap(record, clock)
        elif problem == "book.desynchronised" or problem in BOOK_ANOMALIES:
            watched = self.symbols.get(record.symbol) or self._begin(record.symbol)
            if problem in BOOK_ANOMALIES:
                watched.anomaly("orderbook", problem)
            if record.detail.get("reason") == "gap":
                watched.orderbook.gaps += 1
            if problem != "keyframe.mismatch":
                watched.lost(clock)
        elif problem == "book.synchronised" and (known := self.symbols.get(record.symbol)):
            known.found(clock)

    def _gap(self, record: QualityRecord, clock: int) -> None:
        channel: Any = record.detail["channel"]
        watched = self.symbols.get(record.symbol) or self._begin(record.symbol)
        watched.channels[channel].gaps += 1
        if channel == "orderbook":
            watched.lost(clock)

    def _unusual(self, news: int, event: Any, name: Name, clock: int, out: list[Any]) -> None:
        """A channel is heard again, or its times do not go together."""
        watched = self.symbols[event.symbol]
        if news & HEARD:
            out.append(self._record(event.symbol, clock, "channel.heard", {"channel": name}))
        if news & SKEWED:
            watched.anomaly(name, "clock.skew")
            if watched.first(f"clock.skew/{name}", self.end):
                detail: Detail = {"channel": name, "skew": event.recv - event.ts}
                out.append(self._record(event.symbol, clock, "clock.skew", detail))

    def _begin(self, symbol: str) -> Watched:
        watched = self.symbols[symbol] = Watched()
        return watched

    def _record(self, symbol: str, clock: int, problem: Problem, detail: Detail) -> QualityRecord:
        return QualityRecord(symbol, clock, problem, detail, self.cursor.next())
