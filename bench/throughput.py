"""How fast a log is read, fed to a plain loop over the engine, and replayed through the flow."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

from confluent_kafka import Consumer, TopicPartition

from connectors.log import Log
from connectors.sink import LogSink
from connectors.source import LogSource, stop_at_end
from dataflows import features as recipe
from dataflows.job import BATCH, Job
from dataflows.run import run, tune_gc

NUMBERS = count()


@dataclass
class Throughput:
    """Messages a second (medians of the rounds) and ratios (medians of each round's own ratio)."""

    log: str
    session: str
    events: int
    vectors: int
    reader: float
    loop: float
    replay: float
    of_reader: float
    of_loop: float
    market_per_second: float


def measure(name: str, session: str, job: Job, market: float, rounds: int, kafka: str | None) -> Throughput:
    """Take turns, so that whatever else the machine does falls on all three."""
    total = sum(stop_at_end(job.log, "events", job.shards).values())
    topic = getattr(job.log, "prefix", "") + "events"
    rows, vectors = [], 0
    for _ in range(rounds):
        bare = (
            partial(bare_consumer, kafka, topic, job.shards, total) if kafka else partial(read_all, job.log, job.shards)
        )
        reader = timed(bare)
        loop = timed(lambda: plain_loop(job))
        begin = time.perf_counter()
        vectors = replay(job)
        rows.append((reader, loop, total / (time.perf_counter() - begin)))
    readers, loops, replays = zip(*rows, strict=True)
    return Throughput(
        name,
        session,
        total,
        vectors,
        median(readers),
        median(loops),
        median(replays),
        median(replay / reader for reader, _, replay in rows),
        median(replay / loop for _, loop, replay in rows),
        market * median(replays) / total,
    )


def timed(action: Callable[[], int]) -> float:
    """Messages a second."""
    begin = time.perf_counter()
    messages = action()
    return messages / (time.perf_counter() - begin)


def read_all(log: Log, shards: int) -> int:
    """The embedded log's own reader: offsets and values, nothing done with them."""
    messages = 0
    for shard, end in stop_at_end(log, "events", shards).items():
        reader = log.reader("events", shard, log.start("events", shard))
        while reader.position < end:
            messages += len(reader.poll_raw(BATCH))
        reader.close()
    return messages


def bare_consumer(bootstrap: str, topic: str, shards: int, total: int) -> int:
    """A confluent-kafka consumer with nothing of ours: offsets and values, nothing done with them."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "bench", "fetch.queue.backoff.ms": 2}
    consumer = Consumer({**settings, "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, shard, 0) for shard in range(shards)])
    messages = 0
    while messages < total:
        messages += len([(message.offset(), message.value()) for message in consumer.consume(BATCH, 1.0)])
    consumer.close()
    return messages


def plain_loop(job: Job) -> int:
    """Read, decode with msgspec and feed the same operators, without Bytewax and without writing anything."""
    tune_gc()
    messages = 0
    for shard, end in stop_at_end(job.log, "events", job.shards).items():
        engine = recipe.engine(job.features, shard)
        reader = job.log.reader("events", shard, job.log.start("events", shard))
        while reader.position < end:
            batch = reader.poll_raw(BATCH)
            engine.feed(batch)
            messages += len(batch)
        reader.close()
    return messages


def replay(job: Job) -> int:
    """The whole flow as it runs live, with state and exactly-once output, up to the end; returns the vectors."""
    prefix = f"bench{next(NUMBERS)}."
    for topic in recipe.WRITES:
        job.log.create(prefix + topic, job.shards)
    with tempfile.TemporaryDirectory() as folder:
        recovery = Path(folder) / "recovery"
        job.prepare(recovery, prefix)
        source = LogSource(job.log, "events", job.shards, lambda shard: 0, stop_at_end(job.log, "events", job.shards))
        sink = LogSink(job.log, recipe.WRITES, job.shards, prefix=prefix)
        run(recipe.build(source, sink, job.features), recovery=recovery)
    return sink.counters.written.get(f"{prefix}features", 0)
