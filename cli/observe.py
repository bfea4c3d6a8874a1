"""Watches the log from outside: rates, latency and the newest vectors, without asking any process."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from connectors.log import Log, Reader
from schemas.codec import decode_vector
from schemas.origin import HEADER, Origin
from schemas.vector import FeatureVector

SPAN = 5.0
"""Seconds over which rates are taken."""
SAMPLES = 20_000
"""Latencies that percentiles are taken from: the newest ones."""


@dataclass
class Seen:
    """What was observed so far."""

    events: int = 0
    vectors: int = 0
    quality: int = 0
    dead_letters: int = 0
    events_per_second: float = 0.0
    vectors_per_second: float = 0.0
    behind: int = 0
    latency: deque[float] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    newest: dict[str, FeatureVector] = field(default_factory=dict)

    def percentile(self, share: float) -> float | None:
        """Append-to-feature latency in seconds below which ``share`` of the newest samples lie."""
        ordered = sorted(self.latency)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None

    @property
    def books_in_sync(self) -> int:
        """Symbols whose newest vector was made from a sound book."""
        return sum(vector.features.get("mid_price") is not None for vector in self.newest.values())


class Shard:
    """One shard of ``events`` beside the same shard of ``features``."""

    def __init__(self, log: Log, shard: int) -> None:
        self.events = log.reader("events", shard, log.end("events", shard))
        self.features = log.reader("features", shard, log.end("features", shard))
        self.arrivals: deque[tuple[int, float]] = deque()
        self.processed = self.events.position

    def poll_events(self, now: float) -> int:
        """How many events are new; remembers when they were first seen."""
        messages = self.events.poll_raw(5_000)
        if messages:
            self.arrivals.append((messages[-1][0], now))
        return len(messages)

    def poll_features(self, now: float, seen: Seen, newest: dict[str, bytes]) -> int:
        """How many vectors are new; takes the latency of each from the arrival of the event that caused it."""
        records = self.features.poll(1_000)
        for record in records:
            header = dict(record.headers).get(HEADER)
            if header is None or record.value is None or record.key is None:
                continue
            self.processed = Origin.parse(header).offset
            while self.arrivals and self.arrivals[0][0] < self.processed:
                self.arrivals.popleft()
            if self.arrivals:
                seen.latency.append(now - self.arrivals[0][1])
            newest[record.key.decode()] = record.value
        return len(records)

    @property
    def behind(self) -> int:
        """Events that were appended after the one behind the newest vector."""
        return self.events.position - self.processed - 1 if self.processed < self.events.position else 0


class Observer:
    """Follows ``events``, ``features``, ``quality`` and ``dead-letters`` from where they end when it is made."""

    def __init__(self, log: Log, shards: int) -> None:
        self.seen = Seen()
        self.shards = [Shard(log, shard) for shard in range(shards)]
        self.quality = _at_end(log, "quality", shards)
        self.dead = _at_end(log, "dead-letters", shards)
        self.undecoded: dict[str, bytes] = {}
        self.history: deque[tuple[float, int, int]] = deque([(time.monotonic(), 0, 0)])

    def watch(self, seconds: float) -> None:
        """Observe for a while."""
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            if not self.poll(now):
                time.sleep(0.002)
        self._settle(now)

    def poll(self, now: float) -> int:
        """Take in what is new; returns how many records that were."""
        events = sum(shard.poll_events(now) for shard in self.shards)
        vectors = sum(shard.poll_features(now, self.seen, self.undecoded) for shard in self.shards)
        self.seen.events += events
        self.seen.vectors += vectors
        self.seen.quality += sum(len(reader.poll_raw(1_000)) for reader in self.quality)
        self.seen.dead_letters += sum(len(reader.poll_raw(1_000)) for reader in self.dead)
        return events + vectors

    def catching_up(self) -> bool:
        """Whether vectors still come, or whole seconds of events have none yet."""
        _, _, vectors = self.history[-2] if len(self.history) > 1 else self.history[-1]
        return self.seen.vectors > vectors or self.seen.events == 0

    def _settle(self, now: float) -> None:
        """Work out what is shown; vectors are decoded only here, once for each symbol."""
        seen = self.seen
        for symbol, value in self.undecoded.items():
            seen.newest[symbol] = decode_vector(value)
        self.undecoded.clear()
        seen.behind = sum(shard.behind for shard in self.shards)
        self.history.append((now, seen.events, seen.vectors))
        while len(self.history) > 2 and now - self.history[0][0] > SPAN:
            self.history.popleft()
        then, events, vectors = self.history[0]
        span = max(now - then, 1e-9)
        seen.events_per_second = (seen.events - events) / span
        seen.vectors_per_second = (seen.vectors - vectors) / span


def _at_end(log: Log, topic: str, shards: int) -> Sequence[Reader]:
    return [log.reader(topic, shard, log.end(topic, shard)) for shard in range(shards)]
