"""How long vectors took, by symbol, interval and minute: what ``feature_computation_metrics`` holds."""

import time
from threading import Lock

from connectors.postgres.metric_rows import Computed
from operators.spans import MINUTE
from schemas.vector import FeatureVector

UNTOUCHED = 20.0
"""Seconds without another vector after which a minute is over: the longest interval within it is 15 s."""
MOST = 10_000
"""Minutes that are held at most while nobody takes them; then the oldest go."""
Key = tuple[str, str, int, str]
"""Symbol, interval, the end of the minute in microseconds UTC, registry version."""


class Computations:
    """Live vectors, added up until their minute is over.

    >>> from schemas.origin import Origin
    >>> computations = Computations()
    >>> for t in (58, 59, 60):
    ...     known = {"a": 1.0, "b": None}
    ...     vector = FeatureVector("X", t * 1_000_000, 0, ["1s"], known, "1.2.0", False, [], Origin(0, t, 0))
    ...     computations.add(vector, seconds=t / 1000)
    >>> [(one.at, one.computations, round(one.mean), one.most, one.features) for one in computations.take(untouched=0)]
    [(60000000, 3, 59, 60.0, 1)]
    """

    def __init__(self) -> None:
        self._minutes: dict[Key, _Minute] = {}
        self._lock = Lock()

    def add(self, vector: FeatureVector, seconds: float) -> None:
        """A vector that arrived ``seconds`` after the market update that closed it."""
        minute = -(-vector.ts // MINUTE) * MINUTE
        with self._lock:
            for interval in vector.closes:
                key = (vector.symbol, interval, minute, vector.feature_registry_version)
                if key not in self._minutes:
                    self._make_room()
                    self._minutes[key] = _Minute()
                self._minutes[key].add(vector, seconds)

    def take(self, untouched: float = UNTOUCHED) -> list[Computed]:
        """The minutes that are over; they are forgotten here."""
        before = time.monotonic() - untouched
        with self._lock:
            over = {key: minute for key, minute in self._minutes.items() if minute.touched <= before}
            for key in over:
                del self._minutes[key]
        return [minute.computed(key) for key, minute in over.items()]

    def _make_room(self) -> None:
        if len(self._minutes) >= MOST:
            del self._minutes[next(iter(self._minutes))]


class _Minute:
    def __init__(self) -> None:
        self.milliseconds: list[float] = []
        self.tainted = 0
        self.touched = 0.0
        self.newest: FeatureVector | None = None

    def add(self, vector: FeatureVector, seconds: float) -> None:
        self.milliseconds.append(seconds * 1000)
        self.tainted += vector.tainted
        self.touched = time.monotonic()
        self.newest = vector

    def computed(self, key: Key) -> Computed:
        assert self.newest is not None
        symbol, interval, at, version = key
        ordered = sorted(self.milliseconds)
        return Computed(
            symbol,
            interval,
            at,
            version,
            mean=sum(ordered) / len(ordered),
            p95=ordered[-(-95 * len(ordered) // 100) - 1],
            most=ordered[-1],
            features=sum(value is not None for value in self.newest.features.values()),
            errors=self.tainted,
            computations=len(ordered),
            trace=str(self.newest.origin.uuid("trace")),
        )
