"""The sink writes each record once, in order, whatever fails and however often it is repeated."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import patience
from connectors.log import LogUnavailable, NewRecord
from connectors.log.sqlite import SqliteLog
from connectors.origins import last_origin
from connectors.sink import Counters, LogSink
from connectors.source import part_name
from dataflows.digest import records
from schemas.origin import HEADER, Origin
from schemas.output import Output

TOPICS = ("quality", "features")


class FlakyWriter:
    """Fails now and then; what it was given before may or may not have been written."""

    def __init__(self, writer, random):
        self.writer = writer
        self.random = random
        self.broken = False

    def send(self, batch):
        self._fail(lambda: self.writer.send(batch[: self.random.randint(0, len(batch))]))
        self.writer.send(batch)

    def flush(self):
        self._fail(lambda: None)
        self.writer.flush()

    def close(self):
        self.writer.close()

    def _fail(self, part):
        if self.broken or self.random.random() < 0.2:
            if not self.broken:
                part()
            self.broken = True
            self.writer.flush()
            raise LogUnavailable("the broker went away")


class FlakyLog:
    """A real log whose writers fail."""

    def __init__(self, log, random):
        self.log = log
        self.random = random

    def __getattr__(self, name):
        return getattr(self.log, name)

    def writer(self, topic, shard):
        return FlakyWriter(self.log.writer(topic, shard), self.random)


def outputs(n: int) -> list[Output]:
    random = Random(n)
    return [
        Output(random.choice(TOPICS), "X", Origin(1, offset // 2, offset % 2), offset, b"value %d" % offset)
        for offset in range(n)
    ]


def written(log, topic):
    return [(record.value, dict(record.headers)[HEADER]) for record in records(log, topic, 1)]


@given(st.integers(0, 60), st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_failures_and_repeats_change_nothing(tmp_path_factory, n, seed):
    """Random outages, and restarts that repeat outputs from an earlier point: as if nothing had happened."""
    random = Random(seed)
    log = SqliteLog(tmp_path_factory.mktemp("log"))
    for topic in TOPICS:
        log.create(topic, 2)
    expected = outputs(n)
    done = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patience.time, "sleep", lambda seconds: None)
        while done < n:
            part = LogSink(FlakyLog(log, random), TOPICS, 2).build_part("step", part_name(1), None)
            position = random.randint(0, done)
            while position < n and random.random() < 0.8:
                size = random.randint(1, 9)
                part.write_batch(expected[position : position + size])
                position += size
                if random.random() < 0.5:
                    part.snapshot()
                    done = max(done, min(position, n))
            for stream in part.streams.values():
                stream.writer.close()  # a dead process writes no more

    for topic in TOPICS:
        wanted = [(o.value, o.origin.header()) for o in expected if o.topic == topic]
        assert written(log, topic) == wanted
    log.close()


def test_the_principal_topic_never_runs_ahead_of_the_others(tmp_path):
    """Whatever it holds, the other topics hold everything up to the same origin: a rebuild may start from it alone."""
    log = SqliteLog(tmp_path)
    for topic in TOPICS:
        log.create(topic, 2)
    order = []

    class Watching(FlakyLog):
        def writer(self, topic, shard):
            writer = self.log.writer(topic, shard)
            send, flush = writer.send, writer.flush

            class Watched:
                def send(self, batch):
                    order.append(("send", topic))
                    send(batch)

                def flush(self):
                    order.append(("flush", topic))
                    flush()

            return Watched()

    part = LogSink(Watching(log, Random(0)), TOPICS, 2).build_part("step", part_name(1), None)
    part.write_batch(list(outputs(20)))

    assert order == [("send", "quality"), ("flush", "quality"), ("send", "features")]
    log.close()


def test_the_last_origin_is_found_behind_records_of_other_writers(tmp_path):
    """A topic may be shared: records without the header are passed over, however many there are."""
    log = SqliteLog(tmp_path)
    log.create("commands", 1)
    assert last_origin(log, "commands", 0) is None
    log.append("commands", 0, [NewRecord(b"X", b"mine", 0, ((HEADER, b"0/7/2"),))])
    log.append("commands", 0, [NewRecord(b"X", b"another", 0) for _ in range(1_000)])

    assert last_origin(log, "commands", 0) == Origin(0, 7, 2)
    log.close()


def test_suppressed_repeats_are_counted(tmp_path):
    """For the metrics: how much a restart repeated."""
    log = SqliteLog(tmp_path)
    for topic in TOPICS:
        log.create(topic, 2)
    counters = Counters()
    for _ in range(2):
        part = LogSink(log, TOPICS, 2, counters=counters).build_part("step", part_name(1), None)
        part.write_batch(outputs(30))
        part.close()

    assert sum(counters.written.values()) == 30
    assert sum(counters.suppressed.values()) == 30
    log.close()
