"""All that the market stage keeps of one symbol."""

from collections.abc import Sequence
from typing import Any

from operators.book import OrderBook, Outcome
from operators.candles import Candles
from operators.churn import Churn
from operators.features.view import Source, View
from operators.funding import ESTIMATE_LIFE, FundingRates
from operators.spans import MINUTE, SECOND
from operators.tape import KEEP, Tape
from operators.trade_ids import TradeIds
from schemas.market import BookDelta, BookSnapshot, Funding, Gap, Kline, Ticker, Trade

SILENCE = 60 * SECOND
"""A symbol without an event for this long publishes nothing until the next one."""
BOOK_LIFE = 5 * MINUTE
"""A book that no message, not even a keyframe, has confirmed for so long is forgotten."""
KLINE_LIFE = 3 * MINUTE
"""While klines are this recent, candles are not made from trades."""
TAPE = KEEP * SECOND


class SymbolState:
    """Book, tape, candles and funding of one symbol, and since when each of them is complete.

    Times are the shard's clock in microseconds. ``since`` is the time of the first event after the last silence: what
    windows may look back to. All of it is bounded: nothing here depends on an event older than the longest look-back.
    """

    __slots__ = (
        "asked_at",
        "book",
        "book_at",
        "book_since",
        "candles",
        "churn",
        "funding",
        "kline_at",
        "last_heard",
        "lost_book",
        "since",
        "tape",
        "ticker_lost_at",
        "trade_ids",
        "trades_lost_at",
    )

    def __init__(self) -> None:
        self.book = OrderBook()
        self.tape = Tape()
        self.candles = Candles()
        self.churn = Churn()
        self.funding = FundingRates()
        self.trade_ids = TradeIds()
        self.since: int | None = None
        self.last_heard: int | None = None
        self.book_at: int | None = None
        self.book_since: int | None = None
        self.kline_at: int | None = None
        self.trades_lost_at: int | None = None
        self.asked_at: int | None = None
        self.lost_book = False
        self.ticker_lost_at: int | None = None

    # --- events, each at the shard's clock ---

    def heard(self, clock: int) -> None:
        """A live event of this symbol arrived; after a silence its windows begin anew.

        One exactly ``SILENCE`` after the last missed no vector: that second's is made with it. So candles that come a
        minute apart keep the windows open.
        """
        if self.last_heard is None or clock - self.last_heard > SILENCE:
            self.since = clock
        self.last_heard = clock

    def book_delta(self, event: BookDelta, clock: int) -> Outcome:
        """Apply a delta, counting a change of the best prices."""
        self._forget_old_book(clock)
        self.book_at = clock
        book = self.book
        bid, ask = book.best_bid, book.best_ask
        outcome = book.delta(event)
        if outcome == "applied":
            if book.best_bid != bid or book.best_ask != ask:
                self.churn.add(clock)
        elif outcome != "stale":
            self.book_since = None
        return outcome

    def book_snapshot(self, event: BookSnapshot, clock: int) -> Outcome:
        """Load a whole book."""
        self._forget_old_book(clock)
        self.book_at = clock
        book = self.book
        bid, ask = book.best_bid, book.best_ask
        outcome = book.snapshot_event(event)
        if not book.synchronised:
            self.book_since = None
            return outcome
        self.lost_book = False
        self.asked_at = None
        if self.book_since is None:
            self.book_since = clock
        elif book.best_bid != bid or book.best_ask != ask:
            self.churn.add(clock)
        return outcome

    def trade(self, event: Trade, clock: int) -> bool:
        """Put a trade on the tape; false when its id was there already."""
        if not self.trade_ids.new(event.id, clock):
            return False
        self.tape.add(clock, event.side, event.price, event.size)
        return True

    def kline(self, event: Kline, clock: int) -> None:
        """Take a closed candle; a running one only shows that the venue sends candles."""
        if not event.backfilled:
            self.kline_at = clock
        if event.closed:
            self.candles.add(clock, event.start, event.open, event.high, event.low, event.close, event.volume)

    def ticker(self, event: Ticker, clock: int) -> None:
        """Take the funding part of a ticker."""
        self.ticker_lost_at = None
        if event.funding_rate is not None:
            self.funding.estimate(clock, event.funding_rate, event.next_funding, "ticker")

    def funding_rate(self, event: Funding, clock: int) -> None:
        """Take a rate, paid or estimated."""
        if event.settled:
            self.funding.settle(clock, event.ts, event.rate)
        else:
            self.ticker_lost_at = None
            self.funding.estimate(clock, event.rate, event.next_funding, "funding")

    def gap(self, event: Gap, clock: int) -> None:
        """Messages were lost: what they would have told is unknown, up to the end of the gap if that is later."""
        until = max(clock, event.end)
        if event.channel == "orderbook":
            self.book.reset()
            self.book_at = until
            self.book_since = None
            self.lost_book = True
        elif event.channel == "trades":
            self.trades_lost_at = until
        elif event.channel in ("ticker", "funding"):
            self.funding.lose()
            self.ticker_lost_at = until

    def close_minute(self, t: int) -> None:
        """At a whole minute: make the candle from trades where the venue sends none."""
        if self.kline_at is None or t - self.kline_at >= KLINE_LIFE:
            self.candles.close_minute_from_tape(self.tape, t, self._trades_since())

    # --- reads at the whole second t ---

    def active(self, t: int) -> bool:
        """Whether a live event arrived within the last minute."""
        return self.last_heard is not None and t - self.last_heard < SILENCE

    def idle(self, t: int) -> int:
        """Microseconds since anything was known to change."""
        return t - max(filter(None, (self.last_heard, self.book_at)), default=t)

    def view(self, t: int) -> View:
        """What features may see."""
        self._forget_old_book(t)
        bids, asks = self.book.top(10) if self.book.synchronised else (None, None)
        ticker = None if self._ticker_lost(t) else self.since
        covered: dict[Source, int | None] = {
            "orderbook": self.book_since,
            "trades": self._trades_since(),
            "kline": self.since,
            "ticker": ticker,
            "funding": ticker,
        }
        return View(
            t,
            bids,
            asks,
            churn=self.churn,
            tape=self.tape,
            candles=self.candles,
            funding=self.funding,
            covered=covered,
        )

    def taint(self, t: int) -> list[str]:
        """Why the vector of ``t`` must not reach a model: the channels whose loss it still feels."""
        reasons = []
        if self.lost_book:
            reasons.append("book")
        if self.trades_lost_at is not None and t - self.trades_lost_at < TAPE:
            reasons.append("trades")
        if self._ticker_lost(t):
            reasons.append("ticker")
        return reasons

    def _ticker_lost(self, t: int) -> bool:
        return self.ticker_lost_at is not None and t - self.ticker_lost_at < ESTIMATE_LIFE

    def _trades_since(self) -> int | None:
        if self.since is None or self.trades_lost_at is None:
            return self.since
        return max(self.since, self.trades_lost_at)

    def _forget_old_book(self, clock: int) -> None:
        """So that a replay which starts between the last message and now finds the same."""
        if self.book_at is not None and clock - self.book_at >= BOOK_LIFE:
            self.book.reset()
            self.book_at = self.book_since = self.asked_at = None
            self.lost_book = False

    # --- state ---

    def snapshot(self) -> Any:
        """The state as plain data."""
        parts = [part.snapshot() for part in self._parts()]
        return [parts, [getattr(self, name) for name in PLAIN]]

    @classmethod
    def restore(cls, data: Sequence) -> "SymbolState":
        """The inverse of ``snapshot``."""
        state = cls()
        parts, plain = data
        for name, part in zip(PARTS, parts, strict=True):
            setattr(state, name, type(getattr(state, name)).restore(part))
        for name, value in zip(PLAIN, plain, strict=True):
            setattr(state, name, value)
        return state

    def _parts(self) -> list[Any]:
        return [getattr(self, name) for name in PARTS]


PARTS = ("book", "tape", "candles", "churn", "funding", "trade_ids")
PLAIN = tuple(name for name in SymbolState.__slots__ if name not in PARTS)
