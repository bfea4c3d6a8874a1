"""A random market and an account that answers exits as real ones do: late, in parts, or not at all."""

from collections import deque
from random import Random
from typing import Any

from schemas.account import OrderEvent
from schemas.market import BookDelta
from schemas.strategy import Strategy
from tests.operators.exits.exit_desk import Desk, at, position, price, strategy, tick, trade

SYMBOLS = {"BTCUSDT": 1, "ETHUSDT": -1}
"""What strategies do in a symbol: buy to open, or sell."""
NAMES = ("a", "b", "c")


def random_strategy(random: Random, name: str) -> Strategy:
    """Rules that trigger often, limits that bind."""
    maybe = random.random
    return strategy(
        name,
        tuple(SYMBOLS),
        cooldown=random.choice([0.0, 5.0, 20.0]),
        per_minute=random.choice([1.0, 3.0, 20.0]),
        debounce=random.choice([0.0, 1.0, 3.0]),
        silence=random.choice([10.0, 120.0]),
        take_profit={"percent": 1 + maybe(), "partial": random.choice([None, 40.0])},
        stop_loss={"percent": -1 - maybe(), "absolute": random.choice([None, 2.0])},
        trailing={"enabled": maybe() < 0.5, "activation": 0.5, "distance": 0.5},
        time={"enabled": maybe() < 0.5, "max_hours": 0.01},
        data={"max_age": random.choice([8.0, 60.0]), "warn_age": 5.0},
        orders={"patience": 300.0},
    )


class Exchange:
    """One symbol: what really is the case. Fills reach the log by ``news``, positions by ``reports``, each in order."""

    def __init__(self, symbol: str, sign: int) -> None:
        self.symbol = symbol
        self.sign = sign
        self.size = 0.0
        self.price = 100.0
        self.news: deque[OrderEvent] = deque()
        self.reports: deque[float] = deque()
        self.working: dict[str, float] = {}
        """What is left of exit orders that were accepted, by signal."""
        self.orders = 0

    def execute(self, side: str, quantity: float, name: str, signal: str | None, random: Random) -> None:
        """An order: rejected, filled, or filled in two parts with a report each."""
        self.orders += 1
        id = f"{self.symbol}-{self.orders}"
        parts = random.choice([[], [1.0], [1.0], [0.5, 1.0], [0.25]])
        for part in parts:
            before = 0.0 if part == parts[0] else parts[0]
            self.size += (part - before) * quantity * (1 if side == "buy" else -1)
            self.reports.append(round(self.size, 8))
            status = "filled" if part == 1.0 else "partially_filled"
            self.news.append(self.order(side, quantity, name, signal, id, status, part))
        if not parts or parts[-1] < 1:
            status = "cancelled" if parts else "rejected"
            self.news.append(self.order(side, quantity, name, signal, id, status, sum(parts)))
        if signal is not None:
            self.working.pop(signal)

    def order(
        self, side: str, quantity: float, name: str, signal: str | None, id: str, status: str, part: float
    ) -> OrderEvent:
        return OrderEvent(
            self.symbol, 1, 1, id, side, "market", quantity, status, part * quantity, signal_id=signal,
            strategy=name, average_price=self.price if part else None,
        )  # fmt: skip


class Session:
    """Feeds a desk and answers its exits; notes every violation of what must always hold.

    With ``meddling`` somebody else trades the account now and then; what happens is told at once then. Otherwise fills
    and reports arrive as late as they like: both at once would leave nobody a chance to tell what is true.
    """

    def __init__(self, seed: int, meddling: bool, **more: Any) -> None:
        self.random = Random(seed)
        self.meddling = meddling
        self.settings = [random_strategy(self.random, name) for name in NAMES]
        self.desk = Desk(*self.settings, **more)
        self.exchanges = {symbol: Exchange(symbol, sign) for symbol, sign in SYMBOLS.items()}
        self.pending: deque[Any] = deque()
        self.violations: list[str] = []
        self.peaks: dict[tuple[str, str], Any] = {}
        self.u = 0

    def run(self, seconds: int) -> "Session":
        for second in range(seconds):
            self.put(tick(second))
            for exchange in self.exchanges.values():
                for part in sorted(self.random.random() for _ in range(self.random.choice([0, 1, 2, 4]))):
                    self.step(exchange, second + part)
        return self

    def step(self, exchange: Exchange, second: float) -> None:
        """One thing happens in one symbol, and where it is told at once, what is told of it."""
        self.happens(exchange, second)
        while self.meddling and (exchange.news or exchange.reports):
            if exchange.news:
                self.put(exchange.news.popleft())
            if exchange.reports:
                self.put(position(second, exchange.reports.popleft(), symbol=exchange.symbol))

    def happens(self, exchange: Exchange, second: float) -> None:
        random, dice = self.random, self.random.random()
        if dice < 0.5:
            exchange.price = max(20.0, round(exchange.price * (1 + random.gauss(0, 0.006)), 2))
            make = random.choice([price, price, trade])
            self.put(make(second, exchange.price, exchange.symbol))
        elif dice < 0.53:
            self.put(BookDelta(exchange.symbol, at(second), at(second), 10**9, 10**9 - 5, [], []))
        elif dice < 0.6:
            # As our own signals do, an entry is known before anything can come of it.
            side, quantity = "buy" if exchange.sign > 0 else "sell", random.choice([0.5, 1.0, 3.0])
            name, id = random.choice(NAMES), f"{exchange.symbol}-{exchange.orders + 1}"
            self.put(exchange.order(side, quantity, name, None, id, "pending", 0.0))
            exchange.execute(side, quantity, name, None, random)
        elif dice < 0.65 and self.meddling and not (exchange.news or exchange.reports or exchange.working):
            # Somebody else closes some or all, or opens a position, and the account says so at once.
            opened = exchange.sign * random.choice([1.0, 2.0])
            exchange.size = round(exchange.size * random.choice([0.0, 0.0, 0.5]), 8) if exchange.size else opened
            self.put(position(second, exchange.size, symbol=exchange.symbol))
        elif dice < 0.8 and exchange.news:
            self.put(exchange.news.popleft())
        elif dice < 0.96 and exchange.reports:
            self.put(position(second, exchange.reports.popleft(), symbol=exchange.symbol))
        elif self.pending:
            signal = self.pending.popleft()
            owner = self.exchanges[signal.symbol]
            # An exchange reduces at most what there is.
            quantity = min(owner.working[signal.signal_id], abs(owner.size))
            owner.execute(signal.side, quantity, signal.strategy, signal.signal_id, random)

    def put(self, event: Any) -> None:
        seen = len(self.desk.sent)
        self.desk.feed(event)
        for signal in self.desk.sent[seen:]:
            self.take(signal)
        self.follow()

    def take(self, signal: Any) -> None:
        """An exit may not ask for more than there really is, less what other exits are about to take."""
        exchange = self.exchanges[signal.symbol]
        quantity = signal.amount / signal.snapshot.price
        there = exchange.sign * exchange.size - sum(exchange.working.values())
        if signal.side != ("sell" if exchange.sign > 0 else "buy") or quantity > there + 1e-6:
            self.violations.append(
                f"{signal.symbol} {signal.side} {quantity}, but there are {there} at {signal.origin}"
            )
        exchange.working[signal.signal_id] = quantity
        self.pending.append(signal)

    def follow(self) -> None:
        """Brute force: the best price since a holding was opened, of all fresh prices after each event."""
        desk, found = self.desk, {}
        for symbol, watch in desk.exits.watches.items():
            for name, stake in watch.stakes.items():
                opened, seen = self.peaks.get((name, symbol), (None, []))
                seen = seen if opened == stake.opened else []
                max_age = next(s.data.max_age for s in self.settings if s.strategy == name)
                if desk.exits.sights.of(symbol).fresh(max_age * 1_000_000):
                    seen = [*seen, desk.quotes.price(symbol)]
                best = (max if stake.size > 0 else min) if seen else None
                if stake.peak != (best(seen) if best else None):
                    self.violations.append(f"{name} {symbol}: peak {stake.peak} of {seen[-9:]} at {desk.offset}")
                found[name, symbol] = stake.opened, seen[-1:] if best is None else [best(seen)]
        self.peaks = found
