"""What waits for the log: bounded, oldest first, and honest about what it could not keep."""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from connectors.log import NewRecord
from schemas.codec import encode
from schemas.market import Channel, Gap
from schemas.topics import EVENTS

REASON = "log away, buffer full"


class Pending(NamedTuple):
    """A record on its way, and whose market data it is (none: a tick, a dead letter)."""

    topic: str
    shard: int
    record: NewRecord
    symbol: str | None = None
    channel: Channel | None = None
    since: int = 0
    """Receive time; of a gap, its start."""
    until: int = 0


class Buffer:
    """Records in the order in which they are to be appended.

    ``put`` beyond ``limit`` drops the oldest record. What was dropped becomes one ``Gap`` per symbol and channel at the
    place where the records were missing, which is before everything that is still here. The newest tick of each shard
    among them is kept and comes first: only a tick turns a shard's clock across a long hole.
    """

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"the buffer's limit must be at least 1 record, not {limit}")
        self.limit = limit
        self.waiting: deque[Pending] = deque()
        self.dropped = 0
        self.holes: dict[tuple[str, Channel], tuple[int, int, int]] = {}
        """(shard, start, end) of what was dropped and has no gap on the log yet."""
        self.ticks: dict[int, Pending] = {}
        """The newest tick of each shard that had to make room; it takes part in no limit."""

    def __len__(self) -> int:
        return len(self.waiting)

    def put(self, pending: Pending) -> None:
        """Add a record; the oldest one goes where there is no room."""
        self.waiting.append(pending)
        if len(self.waiting) > self.limit:
            self._drop(self.waiting.popleft())

    def take(self, most: int) -> list[Pending]:
        """The next records, in order; a tick and gaps first, where records were dropped before them."""
        taken = [*self.ticks.values(), *self._gaps()]
        self.ticks.clear()
        while self.waiting and len(taken) < most:
            taken.append(self.waiting.popleft())
        return taken

    def _drop(self, pending: Pending) -> None:
        if pending.topic == EVENTS.name and pending.symbol is None:
            self.dropped += pending.shard in self.ticks
            self.ticks[pending.shard] = pending
            return
        self.dropped += 1
        if pending.symbol is None or pending.channel is None:
            return
        key = (pending.symbol, pending.channel)
        _, start, end = self.holes.get(key, (0, pending.since, pending.until))
        self.holes[key] = (pending.shard, min(start, pending.since), max(end, pending.until))

    def _gaps(self) -> Iterator[Pending]:
        for (symbol, channel), (shard, start, end) in sorted(self.holes.items()):
            gap = Gap(symbol=symbol, ts=end, recv=end, channel=channel, reason=REASON, start=start, end=end)
            yield gap_record(gap, shard)
        self.holes.clear()


def gap_record(gap: Gap, shard: int) -> Pending:
    """A gap on its way. Where it is dropped in turn, it leaves a hole that covers it."""
    record = NewRecord(gap.symbol.encode(), encode(gap), gap.recv)
    return Pending(EVENTS.name, shard, record, gap.symbol, gap.channel, gap.start, gap.end)
