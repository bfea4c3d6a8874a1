"""``python -m bench.month``: a month of one symbol's full-rate history, drawn, archived, and built into a dataset.

``--days`` makes it shorter; ``--keep DIR`` keeps the archive, so that it is drawn once, and more days are added to it;
``--only generate`` or ``--only build`` do half of it.
"""

import argparse
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import structlog

from bench.history.events import SYMBOL
from bench.history.write import write_days
from connectors.archive.log import ArchiveLog
from connectors.log.sqlite import SqliteLog
from learning.datasets import DatasetRequest, Progress, Span, TimeBased, build
from learning.datasets.parallel import cores
from operators.registry import Registry, parse_registry
from operators.spans import DAY, SECOND
from schemas.learning import Target

ROOT = Path(__file__).resolve().parents[1]
FIRST = 20_605
"""The first day, 2026-06-01, since 1970."""
MONTH = 30
LOOK = 0.2
"""Seconds between two looks at the memory of all processes."""


class Measured(NamedTuple):
    """What a build took. ``peak`` are bytes resident in all its processes at the same moment, sampled.

    ``processor`` are seconds of processor time over all of them: what it would take one core that does nothing else.
    """

    seconds: float
    processor: float
    peak: int
    build: dict[str, Any]


def main() -> None:
    """Draw, archive, build, report."""
    parser = argparse.ArgumentParser(prog="python -m bench.month", description=__doc__)
    parser.add_argument("--days", type=int, default=MONTH, help="days of history (default: 30)")
    parser.add_argument("--keep", type=Path, help="folder for the archive and the dataset; default: a temporary one")
    parser.add_argument("--only", choices=["generate", "build"], help="half of it")
    parser.add_argument(
        "--workers", type=int, default=cores(), help="processes (default: one for each core, at most 8)"
    )
    parser.add_argument("--every", type=int, default=60, help="seconds between two rows (default: 60)")
    parser.add_argument("--registry", default="full", help="version in config/feature_registry (default: full)")
    wanted = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with folder_of(wanted.keep) as folder:
        if wanted.only == "generate":
            generate(folder, wanted.days)
            return
        if wanted.only is None:
            # In a process of its own, so that its memory does not count as the build's.
            command = [sys.executable, "-m", "bench.month", "--only", "generate", "--keep", str(folder)]
            subprocess.run([*command, "--days", str(wanted.days)], check=True)
        text = (ROOT / "config" / "feature_registry" / f"{wanted.registry}.yaml").read_text()
        registry = parse_registry(text, where=wanted.registry)
        report(wanted.days, registry, measure(folder, wanted.days, registry, wanted.workers, wanted.every))


def generate(folder: Path, days: int) -> None:
    """Draw what is not there yet."""
    began = time.monotonic()
    drawn = write_days(folder / "archive", days, FIRST, told=lambda line: print(f"  {line}", flush=True))
    size = sum(file.stat().st_size for file in (folder / "archive").rglob("*.parquet"))
    peak = psutil.Process().memory_info().rss
    print(
        f"archive: {drawn.next - drawn.first} days, {drawn.position.offset:,} events, {size / 1e6:,.0f} MB on disk;"
        f" {time.monotonic() - began:.0f} s for what was missing, {peak / 1e6:,.0f} MB resident",
        flush=True,
    )


def request_of(days: int, every: int) -> DatasetRequest:
    """Rows of all the days: 70 % to train on, 15 % each to validate and test."""
    begin, end = FIRST * DAY, (FIRST + days) * DAY
    one, other = (begin + (end - begin) * share // 100 // SECOND * SECOND for share in (70, 85))
    plan = TimeBased(Span(begin, one), Span(one, other), Span(other, end))
    target = Target("classification", horizon=60, threshold=0.0002)
    return DatasetRequest((SYMBOL,), plan, target, f"month-{days}", every=every, source="events")


def measure(folder: Path, days: int, registry: Registry, workers: int, every: int) -> Measured:
    """Build the dataset from the archive."""
    with closing(ArchiveLog(SqliteLog(folder / "log"), folder / "archive")) as log, sampled() as peak:
        began, spent = time.monotonic(), processor()
        build(log, 1, request_of(days, every), registry, folder / "dataset", progress=Shown(), workers=workers)
        seconds, spent = time.monotonic() - began, processor() - spent
    return Measured(seconds, spent, peak[0], json.loads((folder / "dataset" / "build.json").read_bytes()))


def report(days: int, registry: Registry, found: Measured) -> None:
    """What README's figures come from."""
    about, phases = found.build, found.build["seconds"]
    print(
        f"Python {platform.python_version()}, {platform.machine()}, {len(registry.entries)} features,"
        f" {about['workers']} workers, {about['pieces']} pieces"
    )
    print(
        f"{days} days of {SYMBOL}: {about['messages']:,} events read (warming up included), {about['rows']:,} rows in"
        f" {found.seconds:.0f} s = {about['messages'] / phases['rows']:,.0f} events/s while rows are made;"
        f" at most {found.peak / 1e6:,.0f} MB resident in all processes"
    )
    print(
        f"  {found.processor:.0f} s of processor time in all: {found.processor / found.seconds:.1f} cores were ours;"
        f" {found.processor / about['messages'] * 1e6:.1f} us an event, the check for leaks included"
    )
    print("  phases: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in phases.items()))
    if days < MONTH:
        rows = phases["rows"] * MONTH / days
        print(f"  extrapolated, not measured: rows of {MONTH} days in about {rows / 60:.0f} minutes")


class Shown:
    """Progress in a terminal, a line every half minute."""

    def __init__(self) -> None:
        self.shown = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        if time.monotonic() > self.shown + 30:
            self.shown = time.monotonic()
            print(f"  {progress.phase}: {progress.done:,} of {progress.total:,} events", flush=True)


def processor() -> float:
    """Seconds of processor time of this process, and of its children that have ended."""
    own = os.times()
    return own.user + own.system + own.children_user + own.children_system


@contextmanager
def sampled() -> Iterator[list[int]]:
    """The most bytes that this process and its children held together."""
    peak, stop = [0], threading.Event()

    def look() -> None:
        while not stop.wait(LOOK):
            peak[0] = max(peak[0], resident())

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def resident() -> int:
    """Bytes of this process and its children; what they share counts each time."""
    total = 0
    for process in (own := psutil.Process(), *own.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


@contextmanager
def folder_of(keep: Path | None) -> Iterator[Path]:
    """Where everything goes."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


if __name__ == "__main__":
    main()
