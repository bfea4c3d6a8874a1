"""Watches the log from outside: rates, latency and the newest vectors, without asking any process."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from connectors.log import Log, Reader
from schemas.account import Execution
from schemas.codec import decode_account, decode_signal, decode_vector
from schemas.origin import HEADER, Origin
from schemas.signal import TradingSignal
from schemas.vector import FeatureVector

SPAN = 5.0
"""Seconds over which rates are taken."""
SAMPLES = 20_000
"""Latencies that percentiles are taken from: the newest ones."""
EVERY = 0.001
"""Seconds between two looks."""
SETTLED = 1.5
"""Seconds after which an event must have a vector behind it: they come once a second."""
ARRIVALS = 100_000


@dataclass
class Seen:
    """What was observed so far."""

    events: int = 0
    vectors: int = 0
    quality: int = 0
    dead_letters: int = 0
    decisions: int = 0
    signals: int = 0
    executions: int = 0
    realized: float = 0.0
    """Profit of what was closed, less all fees, in quote currency."""
    last_signal: TradingSignal | None = None
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


class Arrival(NamedTuple):
    """Events up to ``offset`` were there at ``seen``, and not yet at ``after`` (None: nobody knows)."""

    offset: int
    seen: float
    after: float | None


class Shard:
    """One shard of ``events`` beside the same shard of ``features``."""

    def __init__(self, log: Log, shard: int) -> None:
        self.events = log.reader("events", shard, log.end("events", shard))
        self.features = log.reader("features", shard, log.end("features", shard))
        self.arrivals: deque[Arrival] = deque(maxlen=ARRIVALS)
        self.processed = self.events.position - 1
        self.followed = False
        """Whether a vector came: what arrived before waited for the flow to start, which is no latency."""

    def poll_events(self, now: float, before: float | None) -> int:
        """How many events are new; remembers when they came."""
        messages = self.events.poll_raw(5_000)
        if messages:
            self.arrivals.append(Arrival(messages[-1][0], now, before if self.followed else None))
        return len(messages)

    def poll_features(self, now: float, latency: deque[float] | None, newest: dict[str, bytes]) -> int:
        """How many vectors are new; takes the latency of each from the arrival of the event that caused it.

        It is never understated: an event counts from the last look that did not find it.
        """
        records = self.features.poll(1_000)
        for record in records:
            header = dict(record.headers).get(HEADER)
            if header is None or record.value is None or record.key is None:
                continue
            self.followed = True
            self.processed = Origin.parse(header).offset
            while self.arrivals and self.arrivals[0].offset < self.processed:
                self.arrivals.popleft()
            if latency is not None and self.arrivals and (after := self.arrivals[0].after) is not None:
                latency.append(now - after)
            newest[record.key.decode()] = record.value
        return len(records)

    def behind(self, now: float) -> int:
        """Events that should have a vector behind them by now, and have none."""
        due = [arrival.offset for arrival in self.arrivals if arrival.seen < now - SETTLED]
        return max(0, due[-1] - self.processed) if due else 0


class Observer:
    """Follows the topics of a flow from where they end when it is made."""

    def __init__(self, log: Log, shards: int) -> None:
        self.seen = Seen()
        self.shards = [Shard(log, shard) for shard in range(shards)]
        self.quality = _at_end(log, "quality", shards)
        self.dead = _at_end(log, "dead-letters", shards)
        self.trading = Trading(log, shards)
        self.undecoded: dict[str, bytes] = {}
        self.history: deque[tuple[float, int, int]] = deque([(time.monotonic(), 0, 0)])

    def watch(self, seconds: float) -> None:
        """Observe for a while."""
        until = time.monotonic() + seconds
        before = None  # nobody knows when what is there now came
        while (now := time.monotonic()) < until:
            if not self.poll(now, before):
                time.sleep(EVERY)
            before = now
        self._settle(now)

    def poll(self, now: float, before: float | None) -> int:
        """Take in what is new since ``before``, the last look; returns how many records that were."""
        latency = None if before is None else self.seen.latency
        events = sum(shard.poll_events(now, before) for shard in self.shards)
        vectors = sum(shard.poll_features(now, latency, self.undecoded) for shard in self.shards)
        self.seen.events += events
        self.seen.vectors += vectors
        return events + vectors

    def _settle(self, now: float) -> None:
        """Work out what is shown; vectors are decoded only here, once for each symbol."""
        seen = self.seen
        for symbol, value in self.undecoded.items():
            seen.newest[symbol] = decode_vector(value)
        self.undecoded.clear()
        seen.quality += sum(_new(reader) for reader in self.quality)
        seen.dead_letters += sum(_new(reader) for reader in self.dead)
        self.trading.settle(seen)
        seen.behind = self._behind(now)
        self.history.append((now, seen.events, seen.vectors))
        while len(self.history) > 2 and now - self.history[0][0] > SPAN:
            self.history.popleft()
        then, events, vectors = self.history[0]
        span = max(now - then, 1e-9)
        seen.events_per_second = (seen.events - events) / span
        seen.vectors_per_second = (seen.vectors - vectors) / span

    def _behind(self, now: float) -> int:
        """A shard without symbols has ticks and never a vector, so only those that had one count, once there is one."""
        followed = [shard for shard in self.shards if shard.followed]
        return sum(shard.behind(now) for shard in followed or self.shards)


class Trading:
    """What strategies decided, and what came of it."""

    def __init__(self, log: Log, shards: int) -> None:
        self.decisions = _at_end(log, "decisions", shards)
        self.signals = _at_end(log, "signals", shards)
        self.account = _at_end(log, "account", shards)

    def settle(self, seen: Seen) -> None:
        """Add what is new."""
        seen.decisions += sum(_new(reader) for reader in self.decisions)
        for reader in self.signals:
            for _, value in (found := reader.poll_raw(5_000)):
                seen.last_signal = decode_signal(value or b"")
            seen.signals += len(found)
        for reader in self.account:
            for _, value in reader.poll_raw(5_000):
                record = decode_account(value or b"")
                if isinstance(record, Execution):
                    seen.executions += 1
                    seen.realized += record.realized - record.fee


def _new(reader: Reader) -> int:
    """How many records came; many thousands at once count over several looks."""
    return len(reader.poll_raw(5_000))


def _at_end(log: Log, topic: str, shards: int) -> Sequence[Reader]:
    return [log.reader(topic, shard, log.end(topic, shard)) for shard in range(shards)]
