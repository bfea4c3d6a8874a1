"""The demo exchange inside the collector's process: no network, virtual time."""

from collections.abc import AsyncIterator, Iterator, Sequence

from connectors.demo.candles import HISTORY
from connectors.demo.faults import FaultRates, Faults, inject
from connectors.demo.lesson import Lesson
from connectors.demo.market import Market
from connectors.feeds import CHANNELS, Item
from connectors.frames import Frame
from connectors.pace import paced, wall_clock
from schemas.market import Channel, Gap, Kline

START = 1_750_000_000_000_000
"""When a demo session begins that does not run by the wall clock (2025-06-15 15:06:40 UTC)."""


TOPIC: dict[Channel, bytes] = {
    "orderbook": b'{"topic":"orderbook.',
    "trades": b'{"topic":"publicTrade.',
    "kline": b'{"topic":"kline.',
    "ticker": b'{"topic":"tickers.',
}
"""How the frames of a channel begin."""


class DemoFeed:
    """A feed of the demo exchange.

    At speed 1 and without a ``start`` the session begins now and runs by the wall clock. Otherwise it begins at
    ``start`` (microseconds UTC) and the same seed gives the same frames.

    Args:
        symbols: what is traded.
        seed: of the market and the faults.
        speed: seconds of market per second; None: as fast as possible.
        start: when the session begins.
        seconds: how much market there is; None: without end.
        rate: how often things happen (1: about 35 frames a second and symbol).
        rates: faults between the exchange and us.
        lesson: what there is to learn of the prices; None: hardly anything.
    """

    live = False

    def __init__(
        self,
        symbols: Sequence[str],
        seed: int = 1,
        *,
        speed: float | None = 1.0,
        start: int | None = None,
        seconds: float | None = None,
        rate: float = 1.0,
        depth: int = 50,
        rates: FaultRates | None = None,
        lesson: Lesson | None = None,
    ) -> None:
        self.symbols: Sequence[str] | None = list(symbols)
        self.speed = speed
        by_wall_clock = start is None and speed == 1.0
        begin = wall_clock() if by_wall_clock else start or START
        self.anchor = (begin, begin) if by_wall_clock else None
        self.end = None if seconds is None else begin + int(seconds * 1e6)
        self.market = Market(symbols, seed, begin, rate, depth, lesson)
        self.past = [kline for symbol in self.market.symbols.values() for kline in symbol.history(HISTORY)]
        self.faults = Faults(rates or FaultRates(), seed)
        self.wanted: set[str] = set()
        self.channels: frozenset[Channel] = frozenset(CHANNELS)
        self.left: dict[Channel, int] = {}
        self.joined: list[Item] = []
        """What stands before the next frames, because channels were added."""

    async def history(self) -> list[Kline]:
        """The candles before the start."""
        return self.past

    def resume(self, since: int) -> None:
        """Nothing is missing from the first frame on."""

    async def batches(self) -> AsyncIterator[list[Item]]:
        """The session's frames when they are due."""
        async for batch in paced(inject(self._frames(), self.faults), self.speed, self.anchor):
            joined, self.joined = self.joined, []
            yield [*joined, *batch]

    async def choose(self, channels: frozenset[Channel]) -> None:
        """Bring these channels from now on, as if they had been subscribed to, and no others."""
        now = self.market.recv
        for channel in CHANNELS:
            if channel in self.channels and channel not in channels:
                self.left[channel] = now
            elif channel in channels and channel not in self.channels and (since := self.left.pop(channel)) < now:
                self.joined += [*self._gaps(channel, since, now), *self._beginning(channel)]
        self.channels = channels

    async def resync(self, symbol: str) -> None:
        """The exchange sends the whole book with what comes next."""
        if symbol in self.market.symbols:
            self.wanted.add(symbol)

    def _frames(self) -> Iterator[Frame]:
        for frame in self.market.frames():
            if self.end is not None and frame.recv > self.end:
                return
            if len(self.channels) == len(CHANNELS) or self._is_wanted(frame):
                yield frame
            while self.wanted:
                yield self.market.resync(self.wanted.pop())

    def _gaps(self, channel: Channel, since: int, now: int) -> list[Item]:
        return [
            Gap(symbol=name, ts=now, recv=now, channel=channel, reason="not subscribed to", start=since, end=now)
            for name in self.market.symbols
        ]

    def _is_wanted(self, frame: Frame) -> bool:
        return any(frame.data.startswith(TOPIC[channel]) for channel in self.channels)

    def _beginning(self, channel: Channel) -> list[Item]:
        """What a subscriber of a channel is sent at once, and the candles that it missed."""
        if channel == "kline":
            return [kline for symbol in self.market.symbols.values() for kline in symbol.history(HISTORY)]
        frames = self.market.subscribed()
        return [frame for frame in frames if frame.data.startswith(TOPIC[channel])]
