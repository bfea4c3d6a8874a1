"""A recorded session as a feed."""

from collections.abc import AsyncIterator, Sequence

from connectors.feeds import Item
from connectors.pace import paced
from connectors.recorded import Recording
from connectors.recorded.recording import Source
from schemas.market import Kline


class RecordedFeed:
    """Plays a file, several files, or a folder (see ``Recording``), in the time of its frames.

    Args:
        source: what to play.
        speed: seconds of the recording per second; None: as fast as possible.

    Raises:
        RecordingError: when it cannot be read at all.
    """

    live = False
    symbols: Sequence[str] | None = None

    def __init__(self, source: Source, speed: float | None = None) -> None:
        self.recording = Recording(source)
        self.speed = speed

    async def history(self) -> list[Kline]:
        """A recording holds what it holds."""
        return []

    def resume(self, since: int) -> None:
        """Nothing is missing from the first frame on."""

    async def batches(self) -> AsyncIterator[list[Item]]:
        """The frames when they are due."""
        async for batch in paced(iter(self.recording), self.speed):
            yield list(batch)

    async def resync(self, symbol: str) -> None:
        """The past cannot be asked."""
