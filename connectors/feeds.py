"""What the collector collects from: a feed of frames, with its history and its way to ask for a fresh book."""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from connectors.frames import Frame
from schemas.market import Channel, Gap, Kline

CHANNELS: tuple[Channel, ...] = ("orderbook", "trades", "kline", "ticker")
"""What a feed of one symbol carries (the ticker brings the funding)."""


class Lost(NamedTuple):
    """A connection ended: what its parser remembered no longer holds."""

    venue: str
    conn: str


Item = Frame | Gap | Kline | Lost
"""What a feed yields: frames, and what it knows beside them, at its place among them."""


class Feed(Protocol):
    """Where market data come from."""

    live: bool
    """True: time is the wall clock's, and what is not taken in time is lost. False: time is the frames' own, and the
    feed waits for its reader."""
    symbols: Sequence[str] | None
    """What it was asked for (our names); None: whatever is there."""

    async def history(self) -> list[Kline]:
        """The last closed candles of each symbol, as backfilled events, oldest first. Empty where there are none."""
        ...

    def resume(self, since: int) -> None:
        """The log holds earlier data, and what is missing up to ``since`` (microseconds UTC) is on record. A live feed
        reports as a gap what is missing from there to its first data."""
        ...

    def batches(self) -> AsyncIterator[list[Item]]:
        """What came, as soon as it came, in order. A live feed yields at least once a second, an empty list if nothing
        came; it ends only by being closed. Called once."""
        ...

    async def resync(self, symbol: str) -> None:
        """Have a fresh snapshot of the symbol's book sent, soon. A feed that cannot does nothing."""
        ...


@runtime_checkable
class Choosing(Protocol):
    """A feed that can be told which channels are wanted; until then it brings all of them."""

    async def choose(self, channels: frozenset[Channel]) -> None:
        """Bring these channels from now on, and no others. One that is added while data flow begins with gaps, from
        when it was missing on; the feed sees to the candles that it has no history of. What it brings already goes on
        undisturbed."""
        ...


@runtime_checkable
class Acknowledging(Protocol):
    """A feed whose sender keeps everything until it hears that it is safe."""

    async def acknowledge(self) -> None:
        """Everything that was yielded so far is on the log."""
        ...
