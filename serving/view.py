"""What the API knows at this moment: the newest vector of each symbol, and how it came in."""

from collections import Counter, deque

from connectors.measures import Histogram
from reports.quality.limits import Limits
from schemas.quality import QualityRecord
from schemas.vector import FeatureVector
from serving.computations import Computations
from serving.quality_alerts import QualityAlerts
from serving.trading_view import TradingView
from serving.window_view import WindowView

KEPT = 300
"""Seconds over which the mean latency is taken."""
REPLAYED = 300.0
"""A vector that is older than this many seconds when it arrives comes from a replay of the past and says nothing about
latency."""
STALE_MS = 30_000
"""A vector older than this is stale: the time for which the model part may use one."""


class View:
    """Filled by the follower, read by the routes. One writer a shard; every reading is of whole objects.

    ``limits`` are of the data's quality; None: those that come along.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.vectors: dict[str, FeatureVector] = {}
        self.trading = TradingView()
        self.windows = WindowView()
        self.quality_alerts = QualityAlerts(limits or Limits())
        self.computations = Computations()
        self.latest_origin: dict[int, int] = {}
        self.ends: dict[tuple[str, int], int] = {}
        self.starts: dict[tuple[str, int], int] = {}
        self.latency = Histogram()
        self.seen: Counter[str] = Counter()
        self.tainted: Counter[str] = Counter()
        self.problems: Counter[str] = Counter()
        self.unreadable: Counter[str] = Counter()
        self.ready = False
        self.log_error: str | None = "the log was not read yet"
        self._recent: deque[tuple[int, float, int]] = deque()

    @property
    def symbols(self) -> list[str]:
        """Every symbol seen, sorted."""
        return sorted(self.vectors)

    def add(self, vector: FeatureVector, received: int | None) -> None:
        """Take a vector in. ``received``: when it arrived, in microseconds UTC; None while catching up."""
        before = self.vectors.get(vector.symbol)
        if before is None or vector.origin >= before.origin or vector.origin.shard != before.origin.shard:
            self.vectors[vector.symbol] = vector
        shard, offset, _ = vector.origin
        self.latest_origin[shard] = max(offset, self.latest_origin.get(shard, -1))
        if received is not None:
            self.seen[vector.symbol] += 1
            for reason in vector.taint:
                self.tainted[reason] += 1
            seconds = (received - vector.recv) / 1e6
            self._add_latency(seconds, received // 1_000_000)
            if 0 <= seconds < REPLAYED:
                self.computations.add(vector, seconds)

    def add_quality(self, record: QualityRecord) -> None:
        """Count what went wrong since the API started."""
        self.problems[record.problem] += 1

    def mean_latency_ms(self, now: int) -> float | None:
        """The mean time from market update to vector over the last five minutes; None without live vectors."""
        recent = [entry for entry in list(self._recent) if entry[0] > now // 1_000_000 - KEPT]
        count = sum(count for _, _, count in recent)
        return 1000 * sum(total for _, total, _ in recent) / count if count else None

    def lag(self, shard: int) -> int | None:
        """Events of a shard after the one that caused its newest vector; None where either is unknown."""
        end = self.ends.get(("events", shard))
        origin = self.latest_origin.get(shard)
        return None if end is None or origin is None else max(0, end - 1 - origin)

    def fresh_and_tainted(self, now: int) -> list[str]:
        """The symbols whose newest vector is not stale and must not reach a model."""
        limit = now - STALE_MS * 1000
        return sorted(symbol for symbol, vector in self.vectors.items() if vector.tainted and vector.ts > limit)

    def _add_latency(self, seconds: float, second: int) -> None:
        if not 0 <= seconds < REPLAYED:
            return
        self.latency.add(seconds)
        if self._recent and self._recent[-1][0] >= second:
            last, total, count = self._recent[-1]
            self._recent[-1] = (last, total + seconds, count + 1)
        else:
            self._recent.append((second, seconds, 1))
        while self._recent[0][0] <= second - KEPT:
            self._recent.popleft()
