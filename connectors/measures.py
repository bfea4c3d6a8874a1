"""What a process counts about itself, shared through a small file that the API reads for Prometheus."""

import math
import os
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal

import msgspec

Kind = Literal["counter", "gauge", "histogram"]
Labels = tuple[tuple[str, str], ...]
BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.07, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Upper bounds of a latency histogram, seconds; 0.07 is what the requirements ask for."""
EVERY = 1.0


class Sample(msgspec.Struct):
    """One number, or for a histogram the count of each bucket (the last one is open) with ``value`` as their sum."""

    name: str
    kind: Kind
    labels: dict[str, str]
    value: float
    buckets: list[int] = []


class Report(msgspec.Struct):
    """What one process of a flow last said of itself; ``updated`` in microseconds UTC."""

    flow: str
    process: int
    pid: int
    updated: int
    samples: list[Sample]


class Histogram:
    """Counts of durations by bucket.

    >>> histogram = Histogram()
    >>> histogram.add(0.003)
    >>> histogram.add(60.0)
    >>> histogram.buckets[2], histogram.buckets[-1], histogram.total
    (1, 1, 60.003)
    """

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


class Measures:
    """The counters, gauges and latency histograms of one process of a flow.

    Between ``start`` and ``close`` they are written once a second to ``<directory>/<flow>-<process>.json``, whole, by
    renaming. ``fill`` is called before each writing, for numbers that are kept elsewhere. Safe to use from any thread.
    """

    def __init__(
        self,
        directory: Path,
        flow: str,
        process: int = 0,
        fill: Callable[["Measures"], None] | None = None,
    ) -> None:
        self.path = directory / f"{flow}-{process}.json"
        self._flow, self._process, self._fill = flow, process, fill
        self._numbers: dict[tuple[str, Kind, Labels], float] = {}
        self._histograms: dict[tuple[str, Labels], Histogram] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def count(self, name: str, amount: float = 1, **labels: object) -> None:
        """Raise a counter."""
        key: tuple[str, Kind, Labels] = (name, "counter", _labels(labels))
        with self._lock:
            self._numbers[key] = self._numbers.get(key, 0) + amount

    def counted(self, name: str, total: float, **labels: object) -> None:
        """Set a counter that is kept elsewhere to its total."""
        self._set(name, "counter", total, labels)

    def gauge(self, name: str, value: float, **labels: object) -> None:
        """Set a number that may go up and down."""
        self._set(name, "gauge", value, labels)

    def observe(self, name: str, seconds: float, **labels: object) -> None:
        """Add a duration to a histogram; ``name`` ends in ``_seconds``."""
        with self._lock:
            self._histograms.setdefault((name, _labels(labels)), Histogram()).add(seconds)

    def report(self) -> Report:
        """Everything as it is now."""
        with self._lock:
            samples = [Sample(name, kind, dict(of), value) for (name, kind, of), value in self._numbers.items()]
            samples += [
                Sample(name, "histogram", dict(of), histogram.total, list(histogram.buckets))
                for (name, of), histogram in self._histograms.items()
            ]
        return Report(self._flow, self._process, os.getpid(), time.time_ns() // 1000, samples)

    def publish(self) -> None:
        """Write the file now. A full or missing disk is no reason to stop a flow."""
        if self._fill:
            self._fill(self)
        fresh = self.path.with_suffix(f".{os.getpid()}.new")
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(msgspec.json.encode(self.report()))
            fresh.replace(self.path)

    def start(self) -> "Measures":
        """Publish once a second from a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="measures", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Publish for the last time."""
        self._stopped.set()
        if self._thread:
            self._thread.join()
            self._thread = None
        self.publish()

    def __enter__(self) -> "Measures":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while not self._stopped.wait(EVERY):
            self.publish()

    def _set(self, name: str, kind: Kind, value: float, labels: Mapping[str, object]) -> None:
        with self._lock:
            self._numbers[(name, kind, _labels(labels))] = value


def read_reports(directory: Path) -> list[Report]:
    """What every process last reported; what cannot be read is left out."""
    reports = []
    for path in sorted(directory.glob("*.json")):
        with suppress(OSError, msgspec.DecodeError):
            reports.append(msgspec.json.decode(path.read_bytes(), type=Report))
    return reports


def quantile(buckets: list[int], share: float) -> float:
    """The duration that ``share`` of a histogram's values do not exceed: the upper bound of its bucket, in seconds.

    Not a number without values, infinity beyond the last bound.

    >>> quantile([0, 0, 9, 0, 1] + [0] * 9, 0.5), quantile([0, 0, 9, 0, 1] + [0] * 9, 0.99)
    (0.005, 0.02)
    """
    needed, seen = share * sum(buckets), 0
    for bound, count in zip((*BOUNDS, math.inf), buckets, strict=True):
        seen += count
        if count and seen >= needed:
            return bound
    return math.nan


def _labels(labels: Mapping[str, object]) -> Labels:
    return tuple(sorted((name, str(value)) for name, value in labels.items()))
