"""Any interleaving of appends, reads, restarts, trims and compactions gives what plain lists give."""

import time

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from connectors.log import NewRecord, OffsetTrimmed, Reader, Record, sqlite_topic, sqlite_writer
from tests.log.home import HANG, SOME_TIME, Home, read_all

SHARDS = 2
LONG_AGO = 1_000_000_000_000_000
FAR_AHEAD = 4_000_000_000_000_000

shards = st.integers(0, SHARDS - 1)
keys = st.sampled_from([b"a", b"b", b"c"])
values = st.one_of(st.none(), st.binary(max_size=12))
headers = st.lists(st.tuples(st.text("ab-", max_size=3), st.binary(max_size=4)), max_size=2).map(tuple)
times = st.integers(SOME_TIME, SOME_TIME + 6_000)
batches = st.lists(st.builds(NewRecord, keys, values, times, headers), min_size=1, max_size=6)
fraction = st.floats(0, 1)


class Shard:
    """The oracle: everything ever appended, and where it starts now."""

    def __init__(self) -> None:
        self.history: list[Record] = []
        self.start = 0

    def append(self, batch: list[NewRecord]) -> int:
        for key, value, timestamp, headers in batch:
            self.history.append(Record(len(self.history), key, value, timestamp // 1000 * 1000, headers))
        return len(self.history) - 1

    def offset_at(self, timestamp: int) -> int:
        for record in self.history[self.start :]:
            if record.timestamp >= timestamp // 1000 * 1000:
                return record.offset
        return len(self.history)

    def latest(self) -> set[int]:
        """The offsets that compaction must keep: the last of each key, unless that deleted it."""
        last = {record.key: record for record in self.history}
        return {record.offset for record in last.values() if record.value is not None}


class LogMachine(RuleBasedStateMachine):
    """Two programs (instances of the log) and any number of readers on the same topics."""

    def __init__(self, home: Home) -> None:
        super().__init__()
        self.home = home
        self.embedded = home.bootstrap is None
        self.readers: list[tuple[int, Reader]] = []

    @initialize()
    def open(self) -> None:
        self.logs = [self.home.open(), self.home.open()]
        self.plain, self.keyed, self.brief = (self.home.topic(name) for name in ("plain", "keyed", "brief"))
        self.logs[0].create(self.plain, SHARDS)
        self.logs[0].create(self.keyed, 1, cleanup="compact")
        self.logs[0].create(self.brief, 1, retention_ms=3_600_000)
        self.model = [Shard() for _ in range(SHARDS)]
        self.keyed_model, self.brief_model = Shard(), Shard()

    def teardown(self) -> None:
        for _, reader in self.readers:
            reader.close()
        self.home.close()

    @rule(which=st.integers(0, 1), shard=shards, batch=batches)
    def append(self, which: int, shard: int, batch: list[NewRecord]) -> None:
        assert self.logs[which].append(self.plain, shard, batch) == self.model[shard].append(batch)

    @rule(which=st.integers(0, 1), shard=shards, sent=st.lists(batches, min_size=1, max_size=4))
    def write(self, which: int, shard: int, sent: list[list[NewRecord]]) -> None:
        writer = self.logs[which].writer(self.plain, shard)
        for batch in sent:
            writer.send(batch)
            self.model[shard].append(batch)
        writer.flush()
        writer.close()

    @rule(which=st.integers(0, 1))
    def restart(self, which: int) -> None:
        log = self.logs[which]
        log.close()
        self.home.opened.remove(log)
        self.logs[which] = self.home.open()

    @rule(which=st.integers(0, 1), shard=shards, at=fraction)
    def new_reader(self, which: int, shard: int, at: float) -> None:
        model = self.model[shard]
        offset = model.start + round(at * (len(model.history) - model.start))
        self.readers.append((shard, self.logs[which].reader(self.plain, shard, offset)))

    @precondition(lambda self: self.readers)
    @rule(place=fraction, limit=st.integers(1, 8), raw=st.booleans())
    def poll(self, place: float, limit: int, raw: bool) -> None:
        index = round(place * (len(self.readers) - 1))
        shard, reader = self.readers[index]
        position, model = reader.position, self.model[shard]
        try:
            found = self.next_records(reader, limit, raw, position < len(model.history))
        except OffsetTrimmed:
            assert position < model.start
            reader.close()
            del self.readers[index]
            return
        # A reader of a broker may still hold what was trimmed meanwhile; the embedded log never gives it out.
        assert position >= model.start or not self.embedded
        expected = model.history[position : position + len(found)]
        assert found == ([(r.offset, r.value) for r in expected] if raw else expected)
        assert len(found) <= limit
        assert reader.position == position + len(found)

    def next_records(self, reader: Reader, limit: int, raw: bool, due: bool) -> list:
        poll = reader.poll_raw if raw else reader.poll
        deadline = time.monotonic() + HANG
        found = poll(limit)
        while due and not found:
            assert time.monotonic() < deadline, f"nothing at {reader.position}, though there is something"
            reader.wait(0.1)
            found = poll(limit)
        return found

    @rule(which=st.integers(0, 1), shard=shards, at=fraction)
    def trim(self, which: int, shard: int, at: float) -> None:
        before = round(at * len(self.model[shard].history))
        self.logs[which].trim(self.plain, shard, before)
        self.model[shard].start = max(self.model[shard].start, before)

    @rule(which=st.integers(0, 1), shard=shards)
    def bounds(self, which: int, shard: int) -> None:
        model, log = self.model[shard], self.logs[which]
        assert (log.start(self.plain, shard), log.end(self.plain, shard)) == (model.start, len(model.history))

    @rule(which=st.integers(0, 1), shard=shards, timestamp=times)
    def find_time(self, which: int, shard: int, timestamp: int) -> None:
        found = self.logs[which].offset_at(self.plain, shard, timestamp)
        assert found == self.model[shard].offset_at(timestamp)

    @rule(which=st.integers(0, 1), shard=shards)
    def read_everything(self, which: int, shard: int) -> None:
        model = self.model[shard]
        assert read_all(self.logs[which], self.plain, shard) == model.history[model.start :]

    @rule(which=st.integers(0, 1), batch=batches)
    def append_keyed(self, which: int, batch: list[NewRecord]) -> None:
        assert self.logs[which].append(self.keyed, 0, batch) == self.keyed_model.append(batch)

    @rule(which=st.integers(0, 1))
    def compact(self, which: int) -> None:
        """A broker compacts when it likes; then this changes nothing."""
        self.logs[which].maintain(self.keyed)
        found = read_all(self.logs[which], self.keyed)
        offsets = [record.offset for record in found]
        assert offsets == sorted(set(offsets))
        assert all(record == self.keyed_model.history[record.offset] for record in found)
        assert self.keyed_model.latest() <= set(offsets)
        assert not self.embedded or self.keyed_model.latest() == set(offsets)
        assert self.logs[which].end(self.keyed, 0) == len(self.keyed_model.history)

    @precondition(lambda self: self.embedded)
    @rule(which=st.integers(0, 1), batch=batches, old=st.booleans())
    def append_brief(self, which: int, batch: list[NewRecord], old: bool) -> None:
        dated = [record._replace(timestamp=LONG_AGO if old else FAR_AHEAD) for record in batch]
        assert self.logs[which].append(self.brief, 0, dated) == self.brief_model.append(dated)

    @precondition(lambda self: self.embedded)
    @rule(which=st.integers(0, 1))
    def retain(self, which: int) -> None:
        """Old records leave from the front; the end stays, also when all of them left."""
        self.logs[which].maintain(self.brief)
        model = self.brief_model
        model.start = model.offset_at(FAR_AHEAD)
        assert self.logs[which].start(self.brief, 0) == model.start
        assert self.logs[which].end(self.brief, 0) == len(model.history)
        assert read_all(self.logs[which], self.brief) == model.history[model.start :]


def run(home: Home, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        lambda: LogMachine(home),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_any_interleaving_on_sqlite(embedded: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Appends, writers, readers, restarts, trims, retention and compaction in any order, by two users.

    What usually happens every thousand records happens here every few.
    """
    monkeypatch.setattr(sqlite_topic, "INDEX_EVERY", 4)
    monkeypatch.setattr(sqlite_topic, "TRIM_CHUNK", 3)
    monkeypatch.setattr(sqlite_writer, "LARGE", 5)
    run(embedded, examples=60, steps=40)


@pytest.mark.kafka
def test_any_interleaving_on_kafka(cluster: Home) -> None:
    """The same machine on Apache Kafka, whose retention and compaction take their own time."""
    run(cluster, examples=6, steps=30)


def test_any_interleaving_on_redpanda(redpanda_bootstrap: str, embedded: Home) -> None:
    """And on Redpanda, where a Docker engine answers."""
    run(Home(redpanda_bootstrap, embedded.root), examples=4, steps=30)
