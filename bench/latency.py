"""Append to feature and to signal, beside the log's own append to read: every clock is the machine's monotonic one."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.sessions import SHARDS
from bench.strategies import control
from connectors.control import FIRST
from connectors.log import Log, NewRecord, open_log
from connectors.postgres.embedded import EmbeddedPostgres
from schemas.codec import encode
from schemas.market import BookSnapshot, Tick, Trade
from schemas.origin import HEADER, Origin
from schemas.topics import TOPICS, shard_of

SYMBOLS = [f"SYM{number:03d}USDT" for number in range(4)]
START = 1_700_000_000_000_000
STEP = 50_000
"""Market microseconds between two events of all symbols together."""
PAUSE = 0.005
"""Seconds between two appends: ten seconds of market a second, so that there are enough vectors."""


@dataclass
class Latency:
    """Milliseconds."""

    log: str
    samples: int
    read_p50: float
    read_p99: float
    feature_p50: float
    feature_p99: float
    signals: int
    signal_p50: float
    signal_p99: float


def measure(name: str, home: Path, bootstrap: str | None, appends: int) -> Latency:
    """Append one event at a time while the flow and two followers run in processes of their own."""
    root = home / "sessions" / "main" / "log"
    log = open_log(bootstrap, root)
    for topic in TOPICS:
        log.create(topic.name, SHARDS, topic.cleanup)
    for shard in range(SHARDS):
        log.append("events", shard, [NewRecord(None, event, FIRST) for event in control(3, SYMBOLS)])
    with EmbeddedPostgres(home / "postgres") as postgres:
        flow = start_flow(home, bootstrap, postgres.url)
        context = multiprocessing.get_context("spawn")
        results: Any = context.Queue()
        ready: Any = context.Queue()
        followers = [
            context.Process(target=follow, args=(topic, bootstrap, root, ready, results), daemon=True)
            for topic in ("events", "features", "signals")
        ]
        for follower in followers:
            follower.start()
            ready.get(timeout=60)
        begin = time.monotonic() + 8.0  # the flow has started by then; what it finds before is not counted
        appended = append(log, appends, begin)
        time.sleep(1.0)
        os.killpg(flow.pid, signal.SIGTERM)
        flow.wait()
        seen: dict[str, dict[tuple[int, int], float]] = {}
        for _ in followers:
            topic, times = results.get(timeout=60)
            seen[topic] = times
        for follower in followers:
            follower.join()
    log.close()
    read = [at - appended[place] for place, at in seen["events"].items() if place in appended]
    feature = [at - appended[place] for place, at in seen["features"].items() if place in appended]
    signals = [at - appended[place] for place, at in seen["signals"].items() if place in appended]
    return Latency(name, len(feature), *percentiles(read), *percentiles(feature), len(signals), *percentiles(signals))


def start_flow(home: Path, bootstrap: str | None, database: str) -> subprocess.Popen[bytes]:
    """`lockstep run trading`, as a user runs it."""
    settings = {
        "LOCKSTEP_HOME": str(home),
        "LOCKSTEP_SHARDS": str(SHARDS),
        "DATABASE_URL": database,
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap or "",
    }
    command = [sys.executable, "-m", "cli.main", "run", "trading"]
    return subprocess.Popen(command, env={**os.environ, **settings}, start_new_session=True)


def append(log: Log, appends: int, begin: float) -> dict[tuple[int, int], float]:
    """When each event was appended, by shard and offset; those before ``begin`` are left out."""
    appended: dict[tuple[int, int], float] = {}
    number = 0
    while len(appended) < appends:
        recv = START + number * STEP
        symbol = SYMBOLS[number % len(SYMBOLS)]
        if number < len(SYMBOLS):
            event: Any = BookSnapshot(symbol, recv, recv, 1, [(99.0, 1.0)], [(101.0, 1.0)])
        else:
            event = Trade(symbol, recv, recv, str(number), "buy", 100.0, 1.0)
        for shard in range(SHARDS) if number % len(SYMBOLS) == 0 else ():
            log.append("events", shard, [NewRecord(None, encode(Tick(recv)), recv)])
        shard = shard_of(symbol, SHARDS)
        now = time.monotonic()
        offset = log.append("events", shard, [NewRecord(symbol.encode(), encode(event), recv)])
        if now >= begin:
            appended[shard, offset] = now
        number += 1
        time.sleep(PAUSE)
    return appended


def follow(topic: str, bootstrap: str | None, root: Path, ready: Any, results: Any) -> None:
    """Note when each record could be read; for features, under the event that caused it. Ends after a silence."""
    log = open_log(bootstrap, root)
    readers = [log.reader(topic, shard, log.end(topic, shard)) for shard in range(SHARDS)]
    ready.put(topic)
    times: dict[tuple[int, int], float] = {}
    last = time.monotonic() + 20
    while time.monotonic() < last:
        idle = True
        for shard, reader in enumerate(readers):
            for record in reader.poll(100):
                idle = False
                now = time.monotonic()
                header = dict(record.headers).get(HEADER)
                place = (shard, record.offset) if header is None else Origin.parse(header)[:2]
                times.setdefault((place[0], place[1]), now)
                last = now + 2.5
        if idle:
            time.sleep(0.0002)
    results.put((topic, times))


def percentiles(seconds: list[float]) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds."""
    ordered = sorted(seconds)
    return ordered[len(ordered) // 2] * 1e3, ordered[int(len(ordered) * 0.99)] * 1e3
