"""The market of one symbol: takers, makers, and what the exchange says about them."""

from collections import deque
from itertools import chain, islice, takewhile
from math import exp
from random import Random

from connectors.demo.candles import HISTORY, MINUTE, Candle, day_volume, history
from connectors.demo.instrument import Instrument
from connectors.demo.ladder import Ladder
from connectors.demo.lesson import Lesson, Taught
from connectors.demo.process import Process
from connectors.demo.tape import Fill
from connectors.demo.ticker import Tickers
from connectors.demo.wire import Wire
from schemas.market import Kline

Message = tuple[str, bytes]
"""(topic, frame)"""

_STEP = 50_000
_TICKER = 200_000
_KLINE = 1_000_000
_ORDERS_A_SECOND = 5.0
_REMEMBERED = HISTORY + 8 * 24 * 60
"""Closed candles of a symbol: of eight days, and of the time before the start."""
_TAPE = 1_000
"""Trades that the REST interface still knows."""


class SymbolMarket:
    """Simulates one symbol in virtual time (microseconds UTC), a step of about 50 ms at a time.

    Everything follows from ``(seed, instrument, start, rate, lesson)``; each symbol draws its own numbers, so a symbol
    does the same whatever it is listed with. ``rate`` scales how often things happen, not how the price moves.
    """

    def __init__(
        self, instrument: Instrument, seed: int, start: int, rate: float, depth: int, lesson: Lesson | None = None
    ) -> None:
        self.instrument = instrument
        self.wire = Wire(instrument, depth)
        self.rng = Random(f"{seed}/{instrument.symbol}")
        self.process = Process(self.rng) if lesson is None else Taught(self.rng, lesson)
        self.rate = rate
        self.time = start
        self.due = start
        """When the next step happens."""
        gap, lots = instrument.level_gap, instrument.level_lots
        self.bids = Ladder(-1, depth, gap, lots, self.rng)
        self.asks = Ladder(1, depth, gap, lots, self.rng)
        self.opening = instrument.ticks(instrument.opening)
        self.fair = float(self.opening)
        self.last = self.opening
        self.direction = "ZeroPlusTick"
        past = history(instrument, Random(f"{seed}/{instrument.symbol}/history"), start)
        self.closed: deque[Candle] = deque(past, maxlen=_REMEMBERED)
        self.candle = Candle.at(start // MINUTE * MINUTE, self.last)
        self.day = day_volume(self.closed, start)
        self.tickers = Tickers(instrument, Random(f"{seed}/{instrument.symbol}/ticker"), start)
        self.u = 1_000_000 + self.rng.randrange(1_000_000)
        self.seq = 1_000 * self.u
        self.tape: deque[Fill] = deque(maxlen=_TAPE)
        self.next_trade = start
        """The number of the next trade: it begins with the start, so that a later session never repeats an id."""
        self.next_ticker = start
        self.next_kline = start
        self._make_markets()
        self.bids.publish()
        self.asks.publish()
        self._tick(start)

    def snapshots(self) -> list[Message]:
        """What a new subscriber is sent at once: the whole book and the whole ticker."""
        return [
            (self.wire.book_topic, self.book_snapshot()),
            (self.wire.ticker_topic, self.wire.ticker("snapshot", self.time, self.tickers.fields, self.seq)),
        ]

    def book_snapshot(self) -> bytes:
        """The book as it stands; the next delta follows on it."""
        levels = self.bids.levels(), self.asks.levels()
        return self.wire.book("snapshot", self.time, *levels, self.u, self.seq)

    def step(self) -> list[Message]:
        """Everything that happens at ``due``, as frames in the order in which they are sent."""
        elapsed, self.time = self.due - self.time, self.due
        self.due += max(1_000, int(_STEP * self.rng.uniform(0.5, 1.5) / self.rate))
        messages: list[Message] = []
        self._roll(messages)
        self.fair = self.opening * exp(self.process.step(max(elapsed, 1) / 1e6))
        self._take_liquidity(messages)
        self._make_markets()
        self._publish_book(messages)
        self._publish_regulars(messages)
        return messages

    def candles(self, start: int, end: int, limit: int) -> list[Candle]:
        """The newest ``limit`` candles that begin in [start, end], newest first, the running one too."""
        newest = min(end, self.candle.start) // MINUTE * MINUTE
        skipped = max(0, (self.candle.start - newest) // MINUTE)
        known = islice(chain([self.candle], reversed(self.closed)), skipped, skipped + max(0, limit))
        return list(takewhile(lambda candle: candle.start >= start, known))

    def history(self, count: int) -> list[Kline]:
        """The last ``count`` closed candles, oldest first, as a collector would get them now."""
        return [
            Kline(
                symbol=self.instrument.symbol,
                ts=candle.start + MINUTE,
                recv=self.time,
                start=candle.start,
                open=self.instrument.price(candle.open),
                high=self.instrument.price(candle.high),
                low=self.instrument.price(candle.low),
                close=self.instrument.price(candle.close),
                volume=self.instrument.size(candle.volume),
                turnover=float(self.wire.turnover(candle.turnover)),
                closed=True,
                backfilled=True,
            )
            for candle in list(self.closed)[-count:]
        ]

    def _roll(self, messages: list[Message]) -> None:
        """Close the candles whose minute is over."""
        while self.time >= self.candle.start + MINUTE:
            closed = self.candle
            self.closed.append(closed)
            self.candle = Candle.at(closed.start + MINUTE, closed.close)
            self.day = day_volume(self.closed, self.candle.start)
            pair = [(closed, True), (self.candle, False)]
            messages.append((self.wire.kline_topic, self.wire.klines(self.time, pair)))

    def _take_liquidity(self, messages: list[Message]) -> None:
        """Takers arrive, on the side that the flow favours."""
        expected = _ORDERS_A_SECOND * self.process.regime.activity * _STEP / 1e6
        while self.rng.random() < expected / (1.0 + expected):
            buys = self.rng.random() < 0.5 + 0.5 * self.process.flow
            lots = 1 + int(self.rng.expovariate(1.0) * self.instrument.level_lots * 0.3)
            ladder = self.asks if buys else self.bids
            fills = [(ladder.sign * rank, filled) for rank, filled in ladder.take(lots)]
            self._record(fills, "Buy" if buys else "Sell", messages)

    def _record(self, fills: list[tuple[int, int]], side: str, messages: list[Message]) -> None:
        """Put the fills of one market order on the tape."""
        for price, lots in fills:
            if price != self.last:
                self.direction = "PlusTick" if price > self.last else "MinusTick"
            self.last = price
            self.candle.trade(price, lots)
        self.seq += 1
        for number, (price, lots) in enumerate(fills, start=self.next_trade):
            self.tape.append(Fill(number, self.time, price, lots, side == "Buy", self.seq))
        frame = self.wire.trades(self.time, side, fills, self.direction, self.next_trade, self.seq)
        self.next_trade += len(fills)
        messages.append((self.wire.trade_topic, frame))

    def _make_markets(self) -> None:
        """Makers quote around the fair price, more on the side that the flow favours. Bids end below the asks."""
        width = 0 if self.process.regime.volatility < 2.0 else self.rng.randrange(3)
        bid = int(self.fair) - width
        skew = 0.4 * self.process.flow
        self.bids.retreat(-bid)
        self.asks.retreat(bid + 1 + 2 * width)
        self.bids.fill(-bid, 1.0 + skew)
        self.asks.fill(bid + 1 + 2 * width, 1.0 - skew)
        self.bids.churn(2, 1.0 + skew)
        self.asks.churn(2, 1.0 - skew)

    def _publish_book(self, messages: list[Message]) -> None:
        bids, asks = self.bids.publish(), self.asks.publish()
        if bids or asks:
            self.u += 1
            self.seq += 1
            frame = self.wire.book("delta", self.time, bids, asks, self.u, self.seq)
            messages.append((self.wire.book_topic, frame))

    def _publish_regulars(self, messages: list[Message]) -> None:
        """What is sent by the clock: the ticker and the running candle."""
        if self.time >= self.next_ticker:
            self.next_ticker = self.time + int(_TICKER / self.rate)
            if changed := self._tick(self.time):
                frame = self.wire.ticker("delta", self.time, changed, self.seq)
                messages.append((self.wire.ticker_topic, frame))
        if self.time >= self.next_kline:
            self.next_kline = self.time + int(_KLINE / self.rate)
            messages.append((self.wire.kline_topic, self.wire.klines(self.time, [(self.candle, False)])))

    def _tick(self, time: int) -> dict[str, str]:
        """The ticker's fields that changed."""
        bid, ask, wire = self.bids.ranks[0], self.asks.ranks[0], self.wire
        market = {
            "lastPrice": wire.price(self.last),
            "tickDirection": self.direction,
            "bid1Price": wire.price(-bid),
            "bid1Size": wire.size(self.bids.sizes[bid]),
            "ask1Price": wire.price(ask),
            "ask1Size": wire.size(self.asks.sizes[ask]),
            "volume24h": wire.size(self.day[0] + self.candle.volume),
            "turnover24h": wire.turnover(self.day[1] + self.candle.turnover),
        }
        return self.tickers.update(time, self.fair, self.process.flow, market)
