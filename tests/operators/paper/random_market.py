"""A random market made for matching: whole prices, thin books, trades at, before and beyond them, holes, silences."""

from random import Random

from schemas.account import AccountConfigured, BalanceEvent, OrderEvent
from schemas.market import BookDelta, BookSnapshot, Funding, Gap, Kline, Tick, Ticker, Trade
from tests.streams import SECOND, START


class Thin:
    """One symbol: a book of one to four levels a side around a wandering price."""

    def __init__(self, random: Random, symbol: str) -> None:
        self.random = random
        self.symbol = symbol
        self.mid = 100
        self.u = 1
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}
        self.ids = 0

    def size(self) -> float:
        return self.random.choice([0.125, 0.5, 1.0, 2.5, 4.0])

    def snapshot(self, now: int) -> BookSnapshot:
        self.u += 1
        self.mid = max(20, self.mid + self.random.choice([-2, -1, 0, 0, 1, 2]))
        gap = self.random.choice([1, 1, 2])
        depth = range(self.random.choice([1, 2, 4]))
        self.bids = {float(self.mid - gap - i): self.size() for i in depth}
        self.asks = {float(self.mid + gap + i): self.size() for i in depth}
        return BookSnapshot(self.symbol, now, now, self.u, list(self.bids.items()), list(self.asks.items()))

    def delta(self, now: int) -> BookDelta:
        """A level changes, comes or goes; the sides never cross."""
        bids, asks = [], []
        for side, changes, sign in ((self.bids, bids, -1), (self.asks, asks, 1)):
            price = float(self.mid + sign * self.random.choice([1, 2, 3]))
            if self.random.random() < 0.5:
                size = self.random.choice([0.0, self.size(), side.get(price, 0.0)])
                changes.append((price, size))
                side[price] = size
        self.u += 1
        hole = self.random.random() < 0.02
        return BookDelta(self.symbol, now, now, self.u, self.u - 2 if hole else self.u - 1, bids, asks)

    def trade(self, now: int) -> Trade:
        self.ids += self.random.random() > 0.05
        late = self.random.choice([0, 0, 0, 700_000])
        price = float(self.mid + self.random.choice([-3, -2, -1, -1, 1, 1, 2, 3]))
        side = self.random.choice(["buy", "sell"])
        return Trade(self.symbol, now - late, now - late, str(self.ids), side, price, self.size() / 2)

    def other(self, now: int):
        random = self.random
        kind = random.choice(["ticker", "ticker", "funding", "settled", "gap", "backfilled", "kline"])
        rate = random.randint(-20, 20) / 1000
        if kind == "ticker":
            told = random.choice([None, rate, rate])
            return Ticker(self.symbol, now, now, funding_rate=told, next_funding=now + random.randint(0, 90 * SECOND))
        if kind == "funding":
            return Funding(self.symbol, now, now, rate, next_funding=now + random.randint(0, 40 * SECOND))
        if kind in ("settled", "backfilled"):
            ts = now - random.randint(0, 20 * SECOND)
            return Funding(self.symbol, ts, now, rate, settled=True, backfilled=kind == "backfilled")
        if kind == "gap":
            channel = random.choice(["orderbook", "ticker", "trades"])
            return Gap(self.symbol, now, now, channel, "lost", start=now, end=now)
        return Kline(self.symbol, now, now, now - 60 * SECOND, 99.0, 101.0, 98.0, 100.0, 5.0, closed=True)


def market(seed: int, count: int, symbols: tuple[str, ...] = ("AAAUSDT", "BBBUSDC")) -> list:
    """Events of one shard: an account on paper, then ``count`` market events with a tick about every second, and among
    them what a bridge may write and the exchange must pass over."""
    random = Random(seed)
    markets = [Thin(random, symbol) for symbol in symbols]
    now = START
    events: list = [Tick(now), terms(random, now)]
    events += [thin.snapshot(now) for thin in markets]
    second = now
    while len(events) < count:
        now += random.choice([0, 1, 40_000, 150_000, 400_000, 400_000])
        if random.random() < 0.004:
            now += random.choice([20, 70, 310]) * SECOND
        while second + 5 * SECOND < now:
            second += 5 * SECOND
            events.append(Tick(second))
        if now >= second + SECOND:
            second = now
            events.append(Tick(now))
        thin = random.choice(markets)
        make = random.choice([thin.snapshot, thin.delta, thin.delta, thin.trade, thin.trade, thin.trade])
        events.append(thin.other(now) if random.random() < 0.04 else make(now))
        if random.random() < 0.02:
            events.append(random.choice([terms(random, now), *_bridge(now)]))
    return events


def terms(random: Random, now: int) -> AccountConfigured:
    """Terms of a paper account. The fees differ, the cash buys little, orders are slow and short-lived."""
    return AccountConfigured(
        now,
        "paper",
        cash=600.0,
        maker_fee=random.choice([0.0002, -0.0001]),
        taker_fee=random.choice([0.0, 0.00055]),
        latency=random.choice([0, 50_000, 700_000]),
        order_life=random.choice([4, 20]) * SECOND,
        market_spread=random.choice([0.1, 1.5]),
        limit_offset=random.choice([0.0, 0.5, 1.0]),
    )


def _bridge(now: int) -> list:
    return [
        BalanceEvent("USDT", now, now, 77.0, 77.0),
        OrderEvent("AAAUSDT", now, now, "theirs", "buy", "market", 5.0, "filled", 5.0, average_price=9.0),
    ]
