"""Random but plausible event streams: what a shard may hold, with silences, gaps, holes, repeats and late events."""

from random import Random

from operators.keyframe import Keyframes
from schemas.codec import encode
from schemas.market import AnyMarketEvent, BookDelta, BookSnapshot, Funding, Gap, Kline, Tick, Ticker, Trade

SECOND = 1_000_000
START = 1_700_000_000 * SECOND


class Market:
    """One symbol: a small book around a wandering price, which never crosses."""

    def __init__(self, random: Random, symbol: str, klines: bool) -> None:
        self.random = random
        self.symbol = symbol
        self.klines = klines
        self.mid = 100
        self.u = 1
        self.trades = 0

    def snapshot(self, now: int) -> BookSnapshot:
        bids = [(float(self.mid - i), float(i)) for i in range(1, 13)]
        asks = [(float(self.mid + i), float(i)) for i in range(1, 13)]
        return BookSnapshot(self.symbol, now, now, self.u, bids, asks)

    def delta(self, now: int) -> BookDelta:
        step = self.random.choice([-1, 0, 0, 0, 1])
        removed = [(float(self.mid + step + i), 0.0) for i in range(3)]
        self.mid += step
        self.u += 1
        bids = [(float(self.mid + i), 0.0) for i in range(3)]
        bids += [(float(self.mid - i), self.random.randint(1, 9) / 8) for i in range(1, 4)]
        asks = [(price - 3, size) for price, size in removed if price - 3 <= self.mid]
        asks += [(float(self.mid - i), 0.0) for i in range(3)]
        asks += [(float(self.mid + i), self.random.randint(1, 9) / 8) for i in range(1, 4)]
        return BookDelta(self.symbol, now, now, self.u, self.u - 1, bids, asks)

    def trade(self, now: int) -> Trade:
        self.trades += 1
        side = self.random.choice(["buy", "sell"])
        price = self.mid + self.random.choice([-1, 1]) * self.random.random()
        return Trade(self.symbol, now, now, str(self.trades), side, price, self.random.random() * 3)

    def kline(self, now: int) -> Kline:
        start = now // (60 * SECOND) * 60 * SECOND - 60 * SECOND
        close = self.mid + self.random.random()
        return Kline(
            self.symbol, now, now, start, close - 0.5, close + 1, close - 1, close, self.random.random(), closed=True
        )


def stream(
    seed: int, seconds: int, symbols: tuple[str, ...] = ("AAA", "BBB"), faults: bool = True
) -> list[AnyMarketEvent]:
    """Events of one shard in log order, with a tick every second and keyframes, a pure function of the arguments."""
    random = Random(seed)
    markets = [Market(random, symbol, klines=index % 2 == 0) for index, symbol in enumerate(symbols)]
    silent_until = dict.fromkeys(symbols, 0)
    keyframes = Keyframes()
    events: list[AnyMarketEvent] = []

    def put(event: AnyMarketEvent) -> None:
        events.extend(keyframes.feed(event))

    for market in markets:
        put(market.snapshot(START))
    for second in range(seconds):
        now = START + second * SECOND
        put(Tick(now))
        for market in markets:
            if silent_until[market.symbol] > now:
                continue
            for event in _second(random, market, now):
                put(event)
            if faults:
                for event in _fault(random, market, now, silent_until):
                    put(event)
    return events


def _second(random: Random, market: Market, now: int) -> list[AnyMarketEvent]:
    """What happens within (now, now + 1 s], in order."""
    events: list[AnyMarketEvent] = []
    times = sorted(now + random.randint(1, SECOND) for _ in range(random.choice([0, 0, 1, 2])))
    for time in times:
        events.append(random.choice([market.delta, market.delta, market.trade])(time))
    if market.klines and (now // SECOND) % 60 == 1 and random.random() < 0.95:
        events.append(market.kline(now + SECOND))
    if random.random() < 0.02:
        rate = random.randint(-9, 9) / 10_000
        next_funding = (now // (8 * 3600 * SECOND) + 1) * 8 * 3600 * SECOND
        events.append(Ticker(market.symbol, now + SECOND, now + SECOND, funding_rate=rate, next_funding=next_funding))
    return events


def _fault(random: Random, market: Market, now: int, silent_until: dict[str, int]) -> list[AnyMarketEvent]:
    time = now + SECOND
    dice = random.random()
    if dice < 0.004:
        silent_until[market.symbol] = now + random.randint(30, 200) * SECOND
    elif dice < 0.008:
        market.u += 5
        return [market.delta(time)]
    elif dice < 0.02:
        return [market.snapshot(time)]
    elif dice < 0.022:
        channel = random.choice(["orderbook", "trades", "ticker", "kline"])
        return [Gap(market.symbol, time, time, channel, "lost", start=now, end=time)]
    elif dice < 0.03 and market.trades:
        return [Trade(market.symbol, time, time - 3 * SECOND, str(market.trades), "buy", float(market.mid), 1.0)]
    elif dice < 0.033:
        return [Funding(market.symbol, time, time, 0.0001, settled=True)]
    return []


def raw(events: list[AnyMarketEvent]) -> list[tuple[int, bytes]]:
    """As a source would hand them out."""
    return list(enumerate(map(encode, events)))
