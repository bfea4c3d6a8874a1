"""How fast a log is read, fed to a plain loop over the engine, and replayed through the flow."""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bytewax.testing import run_main
from confluent_kafka import Consumer, TopicPartition

from connectors.log import Log
from connectors.sink import LogSink
from connectors.source import LogSource, stop_at_end
from dataflows import features as recipe
from dataflows.job import BATCH, FeaturesJob
from dataflows.run import EPOCH, run, tune_gc


def timed(action: Callable[[], int]) -> float:
    """Messages a second."""
    begin = time.perf_counter()
    count = action()
    return count / (time.perf_counter() - begin)


def read_all(log: Log, shards: int) -> int:
    """The log's own reader, values only."""
    count = 0
    for shard, end in stop_at_end(log, "events", shards).items():
        reader = log.reader("events", shard, log.start("events", shard))
        while reader.position < end:
            count += len(reader.poll_raw(BATCH))
        reader.close()
    return count


def bare_consumer(bootstrap: str, shards: int, total: int) -> int:
    """A confluent-kafka consumer with nothing of ours: poll a batch, take value and offset."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "bench", "fetch.queue.backoff.ms": 2, "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition("events", shard, 0) for shard in range(shards)])
    count = 0
    while count < total:
        count += len([(message.offset(), message.value()) for message in consumer.consume(BATCH, 1.0)])
    consumer.close()
    return count


def plain_loop(job: FeaturesJob) -> int:
    """Read, decode with msgspec and feed the same engine, without Bytewax and without writing."""
    tune_gc()
    count = 0
    for shard, end in stop_at_end(job.log, "events", job.shards).items():
        engine = recipe.engine(job.features, shard)
        reader = job.log.reader("events", shard, job.log.start("events", shard))
        while reader.position < end:
            messages = reader.poll_raw(BATCH)
            engine.feed(messages)
            count += len(messages)
        reader.close()
    return count


def replay(job: FeaturesJob, total: int) -> int:
    """The whole flow as it runs live, with recovery state and exactly-once output, until the end of the log."""
    with tempfile.TemporaryDirectory() as folder:
        recovery = Path(folder) / "recovery"
        job.prepare(recovery, "bench")
        clear_outputs(job)
        source = LogSource(job.log, "events", job.shards, lambda shard: 0, stop_at_end(job.log, "events", job.shards))
        sink = LogSink(job.log, recipe.WRITES, job.shards, prefix=f"bench{time.time_ns()}.")
        for topic in recipe.WRITES:
            job.log.create(sink.prefix + topic, job.shards)
        run(recipe.build(source, sink, job.features), recovery=recovery, epoch=EPOCH)
    return total


def clear_outputs(job: FeaturesJob) -> None:
    """Nothing to clear on a broker: each replay writes to topics of its own."""
    root = getattr(job.log, "root", None)
    if root is not None:
        for path in Path(root).glob("bench*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


__all__ = ["bare_consumer", "median", "plain_loop", "read_all", "replay", "run_main", "timed"]
