"""A small market for tests: drawn events, and the states that they build up to a given time."""

import random

from operators.candles import Candles
from operators.churn import Churn
from operators.features import View
from operators.funding import FundingRates
from operators.spans import HOUR, MINUTE, SECOND
from operators.tape import Tape

STATES = ("tape", "churn", "candles", "funding")
SOURCES = ("orderbook", "trades", "kline", "ticker", "funding")
KLINE_LIFE = 3 * MINUTE


class Market:
    """The states of one symbol, fed by (clock, kind, values) events; minutes are closed as the market stage does."""

    def __init__(self, since: int):
        self.since = since
        self.tape, self.churn, self.candles, self.funding = Tape(), Churn(), Candles(), FundingRates()
        self.kline_at = None
        self.minute = -(-since // MINUTE) * MINUTE

    def feed(self, clock, kind, values):
        """Close the minutes before the event, then apply it."""
        self.close_minutes(clock - 1)
        if kind == "trade":
            self.tape.add(clock, *values)
        elif kind == "kline":
            self.kline_at = clock
            self.candles.add(clock, *values)
        elif kind == "ticker":
            self.funding.estimate(clock, *values, "ticker")
        elif kind == "settled":
            self.funding.settle(clock, *values)
        else:
            self.churn.add(clock)

    def close_minutes(self, until):
        """As the market stage: a candle from trades where the venue has sent none for three minutes."""
        while self.minute <= until:
            if self.kline_at is None or self.minute - self.kline_at >= KLINE_LIFE:
                self.candles.close_minute_from_tape(self.tape, self.minute, self.since)
            self.minute += MINUTE

    def restart(self):
        """Replace every state by what its snapshot restores."""
        for name in STATES:
            state = getattr(self, name)
            setattr(self, name, type(state).restore(state.snapshot()))

    def view(self, t, bids=None, asks=None):
        """What features see at ``t``."""
        self.close_minutes(t)
        covered = dict.fromkeys(SOURCES, self.since)
        return View(t, bids, asks, self.tape, self.churn, self.candles, self.funding, covered)


def drawn_events(seed, t, hours, steady):
    """Events of ``hours`` before ``t``, in order.

    A steady market has a candle every minute, a ticker now and then, and sparse trades. In any other, each of candles,
    trades and tickers falls silent for up to half an hour, again and again.
    """
    rng = random.Random(seed)
    begin = t - int(hours * HOUR)
    events = []
    silent_until = dict.fromkeys(("kline", "trade", "ticker"), begin)
    for minute in range(-(-begin // MINUTE) * MINUTE, t + 1, MINUTE):
        for kind in silent_until:
            if not steady and rng.random() < 0.05:
                silent_until[kind] = minute + rng.randrange(30 * MINUTE)
        events += [event for event in minute_events(rng, minute, t) if silent_until.get(event[1], 0) <= event[0]]
    return [event for event in sorted(events, key=lambda event: event[0]) if begin < event[0] <= t]


def minute_events(rng, minute, t):
    """What may happen in the minute before ``minute`` and in the second after it."""
    price = 100 * (1 + 0.01 * rng.random())
    close, volume = price * (1 + 1e-3 * rng.random()), rng.choice([0.0, rng.random()])
    values = (minute - MINUTE, price, price * 1.002, price * 0.998, close, volume)
    yield minute + rng.randrange(2 * SECOND), "kline", values
    if rng.random() < 0.1:
        yield minute, "ticker", (rng.random() * 1e-4, -(-(minute + 1) // (8 * HOUR)) * 8 * HOUR)
    if minute % (8 * HOUR) == 0 and rng.random() < 0.3:
        yield minute + SECOND, "settled", (minute, rng.random() * 1e-4)
    for _ in range(60 if minute > t - 2 * MINUTE else rng.choice([0, 0, 2])):
        trade = (rng.choice(["buy", "sell"]), price * (1 + 1e-3 * rng.random()), rng.random())
        yield minute - rng.randrange(60) * SECOND + rng.randrange(SECOND), "trade", trade
        yield minute - rng.randrange(60) * SECOND, "best", ()
