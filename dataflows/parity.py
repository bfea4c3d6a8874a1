"""Replays a range of the log through today's code and compares the bytes with what was published."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from connectors.log import Log, Record
from connectors.source import part_name
from schemas.origin import HEADER, Origin
from schemas.output import Output


@dataclass
class Comparison:
    """What a parity run found; ``first`` is the first divergent origin with the reason."""

    matches: int = 0
    mismatches: int = 0
    missing: int = 0
    extra: int = 0
    first: tuple[Origin, str] | None = None

    @property
    def identical(self) -> bool:
        return not (self.mismatches or self.missing or self.extra)

    def diverge(self, origin: Origin, reason: str) -> None:
        """Remember the earliest divergence."""
        if self.first is None or origin < self.first[0]:
            self.first = (origin, reason)


@dataclass
class Parity:
    """Comparisons per topic."""

    topics: dict[str, Comparison] = field(default_factory=dict)

    @property
    def identical(self) -> bool:
        return all(comparison.identical for comparison in self.topics.values())


class CompareSink(FixedPartitionedSink[Output, None]):
    """Compares each replayed output with the published record of the same origin instead of writing it.

    Args:
        log: where the published topics are.
        topics: the topics to compare, as far as the log has them; outputs for others are ignored.
        ranges: per shard, the event offsets [from, to) whose outputs are compared; earlier ones warm the engine up.
        parity: where the findings go.
    """

    def __init__(
        self, log: Log, topics: tuple[str, ...], ranges: Mapping[int, tuple[int, int]], parity: Parity
    ) -> None:
        self.log = log
        self.topics = topics
        self.ranges = ranges
        self.parity = parity
        for topic in topics:
            parity.topics.setdefault(topic, Comparison())

    def list_parts(self) -> list[str]:
        return [part_name(shard) for shard in sorted(self.ranges)]

    def part_fn(self, item_key: str) -> int:
        return int(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "_Part":
        shard = int(for_part)
        there = {info.name for info in self.log.topics()}
        published = {
            topic: _Published(self.log, topic, shard, self.ranges[shard], self.parity.topics[topic])
            for topic in self.topics
            if topic in there
        }
        return _Part(published)


class _Part(StatefulSinkPartition[Output, None]):
    def __init__(self, published: "dict[str, _Published]") -> None:
        self.published = published

    def write_batch(self, values: list[Output]) -> None:
        for value in values:
            if value.topic in self.published:
                self.published[value.topic].compare(value)

    def snapshot(self) -> None:
        """Nothing to keep: a parity run is not resumed."""

    def close(self) -> None:
        for published in self.published.values():
            published.finish()


class _Published:
    """Walks through the published records of one shard beside the replayed ones, in origin order."""

    def __init__(self, log: Log, topic: str, shard: int, offsets: tuple[int, int], comparison: Comparison) -> None:
        self.first, self.last = offsets
        self.comparison = comparison
        self.end = log.end(topic, shard)
        self.reader = log.reader(topic, shard, log.start(topic, shard))
        self.waiting: deque[tuple[Origin, Record]] = deque()

    def compare(self, value: Output) -> None:
        if not self.first <= value.origin.offset < self.last:
            return
        while (head := self._head()) is not None and head[0] < value.origin:
            self._missing(head[0])
        if head is None or head[0] > value.origin:
            self.comparison.extra += 1
            self.comparison.diverge(value.origin, "replayed, but never published")
            return
        self.waiting.popleft()
        if head[1].value == value.value and head[1].key == value.key.encode():
            self.comparison.matches += 1
        else:
            self.comparison.mismatches += 1
            self.comparison.diverge(value.origin, "other bytes than published")

    def finish(self) -> None:
        """What was published in the range and not replayed is missing."""
        while (head := self._head()) is not None:
            self._missing(head[0])
        self.reader.close()

    def _missing(self, origin: Origin) -> None:
        self.waiting.popleft()
        self.comparison.missing += 1
        self.comparison.diverge(origin, "published, but not replayed")

    def _head(self) -> tuple[Origin, Record] | None:
        """The next published record of the range."""
        while not self.waiting and self.reader.position < self.end:
            for record in self.reader.poll(500):
                header = dict(record.headers).get(HEADER)
                if header is None:
                    continue
                origin = Origin.parse(header)
                if self.first <= origin.offset < self.last:
                    self.waiting.append((origin, record))
            if not self.waiting:
                self.reader.wait(0.2)
        return self.waiting[0] if self.waiting else None
