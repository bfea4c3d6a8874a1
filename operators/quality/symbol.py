"""What is watched of one symbol between two minutes."""

from typing import Any

from operators.quality.candle import Starts
from operators.quality.channel import NEVER, Channel
from operators.quality.closes import Closes
from operators.spans import MINUTE, SECOND
from schemas.market import Channel as Name
from schemas.origin import Origin
from schemas.quality import ChannelMinute, QualityMinute

FORGET = 10 * MINUTE
"""Of a channel that was silent for so long nothing is expected any more; nor of a symbol all of whose channels were."""
BOOK_LIFE = 5 * MINUTE
"""A lost book of which nothing was heard for so long is not lost any more, but gone."""
UNKNOWN = float("inf")
PULSE: dict[Name, bool] = {"orderbook": True, "trades": False, "kline": False, "ticker": True, "funding": False}
"""The channels in the order in which they are looked at, and whether each should be heard every second."""
STALE: dict[Name, int] = {"orderbook": 30 * SECOND, "ticker": 30 * SECOND, "kline": 150 * SECOND}
"""After how long a silence a channel counts as stale. Trades may be rare, and so may be settlements."""


class Watched:
    """Channels, prices, candles and the book of one symbol; times on the shard's clock in microseconds."""

    __slots__ = (
        "anomalies", "blind", "blind_since", "channels", "closes", "desynchronised", "empty", "kline", "largest",
        "orderbook", "repeated", "said", "starts", "ticker", "trades", "u",
    )  # fmt: skip

    def __init__(self) -> None:
        self.channels: dict[Name, Channel] = {name: Channel(pulse) for name, pulse in PULSE.items()}
        self.orderbook = self.channels["orderbook"]
        self.trades = self.channels["trades"]
        self.kline = self.channels["kline"]
        self.ticker = self.channels["ticker"]
        self.closes = Closes()
        self.starts = Starts()
        self.largest = UNKNOWN
        """The volume of the last day: no trade is larger."""
        self.u = NEVER
        self.blind_since: int | None = None
        self.empty = False
        self.repeated = False
        """The trade at hand was seen before; never true between two events."""
        self._begin()

    def _begin(self) -> None:
        self.blind = self.desynchronised = 0
        self.anomalies: dict[str, int] = {}
        self.said: dict[str, int] = {}

    def first(self, what: str, span: int) -> bool:
        """Whether ``what`` was not said yet in this minute for the stretch of time numbered ``span``."""
        known = self.said.get(what) == span
        self.said[what] = span
        return not known

    def anomaly(self, channel: Name, kind: str) -> None:
        """Count one."""
        self.channels[channel].anomalies += 1
        self.anomalies[kind] = self.anomalies.get(kind, 0) + 1

    def lost(self, clock: int) -> None:
        """The book is not known any more."""
        if self.blind_since is None:
            self.blind_since = clock
            self.desynchronised += 1

    def found(self, clock: int) -> None:
        """The book is known again."""
        if self.blind_since is not None:
            self.blind += clock - max(self.blind_since, (clock - 1) // MINUTE * MINUTE)
            self.blind_since = None

    def minute(self, symbol: str, end: int, origin: Origin) -> QualityMinute:
        """How the minute up to ``end`` was; the next one begins, without what was not heard of for too long."""
        self._expect_candle(end)
        if self.blind_since is not None:
            self.blind += end - max(self.blind_since, end - MINUTE)
        skews = [channel.skew for channel in self.channels.values()]
        made = QualityMinute(
            symbol,
            end,
            self._channels(end),
            origin,
            self.desynchronised,
            self.blind,
            self.anomalies,
            max(skews, key=abs),
        )
        self._begin()
        self._forget(end)
        return made

    @property
    def known(self) -> bool:
        """Whether anything was heard of it lately, or its book was lost just now."""
        return self.blind_since is not None or any(channel.known for channel in self.channels.values())

    def snapshot(self) -> list[Any]:
        """The state as plain data."""
        channels = [channel.snapshot() for channel in self.channels.values()]
        parts = [self.closes.snapshot(), self.starts.starts[:]]
        return [channels, parts, [getattr(self, name) for name in PLAIN]]

    @classmethod
    def restore(cls, state: list[Any]) -> "Watched":
        """The inverse of ``snapshot``."""
        watched = cls()
        channels, (closes, starts), plain = state
        for channel, data in zip(watched.channels.values(), channels, strict=True):
            channel.restore(data)
        watched.closes = Closes.restore(closes)
        watched.starts.starts = starts
        for name, value in zip(PLAIN, plain, strict=True):
            setattr(watched, name, value)
        return watched

    def _channels(self, end: int) -> dict[str, ChannelMinute]:
        """Of those that were heard of lately, or in which something was lost."""
        return {
            name: channel.minute(end)
            for name, channel in self.channels.items()
            if channel.known or channel.gaps or channel.received
        }

    def _expect_candle(self, end: int) -> None:
        """The candle of the minute before must have come by now, where candles came when that one ended."""
        if self.kline.known and self.kline.since <= end - MINUTE:
            self.kline.expected = 1
            self.kline.missing = int(end - 2 * MINUTE not in self.starts)

    def _forget(self, end: int) -> None:
        for channel in self.channels.values():
            if channel.known and end - channel.last >= FORGET:
                channel.forget()
        if not self.orderbook.known:
            self.u, self.empty = NEVER, False
        if not self.trades.known:
            self.closes = Closes()
        if not self.ticker.known:
            self.largest = UNKNOWN
        if self.blind_since is not None and end - max(self.orderbook.last, self.blind_since) >= BOOK_LIFE:
            self.blind_since = None
        self.starts.forget(end)


PLAIN = ("anomalies", "blind", "blind_since", "desynchronised", "empty", "largest", "said", "u")
